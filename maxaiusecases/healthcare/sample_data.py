"""Write the sample data of the domain: the patients of a study, a published data set."""

import sys

import pandas as pd

from maxairesources.testing.sample_data import Table, write_tables

TABLES = {
    "healthcare/gbsg2.parquet": Table(
        "lifelines", "lifelines/datasets/gbsg2.csv", pd.read_csv, number="patient_id"
    )
}

if __name__ == "__main__":
    sys.exit(write_tables(TABLES))
