"""Write the sample data of the domain: the clients of a credit card, a published data set."""

import sys

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
    sys.exit(write_tables(TABLES))
