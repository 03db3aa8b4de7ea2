from maxairesources.testing.sample_data import load
from maxaiusecases.finance.sample_data import TABLES


def test_clients_are_numbered() -> None:
    (table,) = TABLES.values()
    assert load(table)["client_id"].tolist() == list(range(1, 30_001))
