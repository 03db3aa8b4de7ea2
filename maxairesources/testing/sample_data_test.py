from pathlib import Path

import pandas as pd
import pytest

from maxairesources.testing.sample_data import Table, write_tables


def read(path: Path) -> pd.DataFrame:
    """Read a file of pandas as if it were a table; only its lines matter."""
    lines = path.read_text().splitlines()[:3]
    return pd.DataFrame({"line": lines, "time": pd.Timestamp("2017-01-01")})


def test_tables_are_written_with_numbers_and_microseconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = Table("pandas", "pandas/__init__.py", read, number="row_id")
    write_tables({"shop/rows.parquet": table})
    frame = pd.read_parquet("data/shop/rows.parquet")
    assert frame["row_id"].tolist() == [1, 2, 3]
    assert str(frame["time"].dtype) == "datetime64[us]"
