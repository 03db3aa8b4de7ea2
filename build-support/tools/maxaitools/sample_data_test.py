from pathlib import Path

import pandas as pd
import pytest

from maxaitools import sample_data


def test_tables_have_their_rows_and_are_the_same_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = []
    for _ in range(2):
        assert sample_data.main([str(tmp_path)]) == 0
        files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        written.append({str(p.relative_to(tmp_path)): p.read_bytes() for p in files})
    assert written[0] == written[1]
    assert set(written[0]) == set(sample_data.TABLES)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(sample_data.TABLES)
    assert "transactions.parquet: 1,469,307 rows, " in lines[0]
    assert "credit_cards.parquet: 30,000 rows, " in lines[2]

    transactions = pd.read_parquet(tmp_path / "retail/transactions.parquet")
    assert str(transactions["transaction_timestamp"].dtype) == "datetime64[us]"
    assert transactions["household_id"].nunique() == 2469
    patients = pd.read_parquet(tmp_path / "healthcare/gbsg2.parquet")
    assert patients["patient_id"].tolist() == list(range(1, 687))
    assert patients["cens"].sum() == 299


def test_folder_that_cannot_be_written_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert sample_data.main([str(tmp_path / "file")]) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith(f"error: {tmp_path / 'file'}")
    assert stderr.count("\n") == 1


def test_help_says_where_the_data_goes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        sample_data.main(["--help"])
    assert end.value.code == 0
    assert "default: data" in capsys.readouterr().out
