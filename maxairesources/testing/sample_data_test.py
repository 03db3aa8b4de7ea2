from pathlib import Path

import pandas as pd
import pytest

from maxairesources.testing.sample_data import Table, write_tables


def read(path: Path) -> pd.DataFrame:
    """Read a file of pandas as if it were a table; only its lines matter."""
    lines = path.read_text().splitlines()[:3]
    return pd.DataFrame({"line": lines, "time": pd.Timestamp("2017-01-01")})


TABLES = {"shop/rows.parquet": Table("pandas", "pandas/__init__.py", read, "row_id")}


def test_the_same_tables_give_the_same_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "shop/rows.parquet"
    written = []
    for _ in range(2):
        assert write_tables(TABLES, [str(tmp_path)]) == 0
        written.append(file.read_bytes())
    assert written[0] == written[1]
    assert [path.name for path in file.parent.iterdir()] == ["rows.parquet"]
    frame = pd.read_parquet(file)
    assert frame["row_id"].tolist() == [1, 2, 3]
    assert str(frame["time"].dtype) == "datetime64[us]"
    assert f"{file}: 3 rows, 0.0 MB (pandas)" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert write_tables(TABLES, [str(tmp_path / "file")]) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith(f"error: {tmp_path / 'file'}")
    assert stderr.count("\n") == 1
