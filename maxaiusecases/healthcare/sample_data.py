"""Write the sample data: 686 breast cancer patients of the GBSG2 trial, from lifelines."""

import pandas as pd

from maxairesources.testing.sample_data import Table, write_tables

TABLES = {
    "healthcare/gbsg2.parquet": Table(
        "lifelines", "lifelines/datasets/gbsg2.csv", pd.read_csv, number="patient_id"
    )
}

if __name__ == "__main__":
    write_tables(TABLES)
