from maxairesources.testing.sample_data import load
from maxaiusecases.finance.sample_data import TABLES


def test_each_client_has_a_number() -> None:
    (table,) = TABLES.values()
    assert load(table)["client_id"].tolist() == list(range(1, 30_001))
