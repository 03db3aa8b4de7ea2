"""Write the sample data: 30,000 credit card clients, from the package causaldata."""

import pandas as pd

from maxairesources.testing.sample_data import Table, write_tables

TABLES = {
    "finance/credit_cards.parquet": Table(
        "causaldata",
        "causaldata/credit_cards/credit_cards.dta",
        pd.read_stata,
        number="client_id",
    )
}

if __name__ == "__main__":
    write_tables(TABLES)
