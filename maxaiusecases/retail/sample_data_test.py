from maxairesources.testing.sample_data import load
from maxaiusecases.retail.sample_data import TABLES


def test_transactions_are_complete_and_have_microseconds() -> None:
    frame = load(TABLES["retail/transactions.parquet"])
    assert len(frame) == 1_469_307
    assert str(frame["transaction_timestamp"].dtype) == "datetime64[us]"
    assert frame["household_id"].nunique() == 2469
