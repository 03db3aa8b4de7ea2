from maxairesources.testing.sample_data import load
from maxaiusecases.healthcare.sample_data import TABLES


def test_patients_are_numbered_and_have_events() -> None:
    (table,) = TABLES.values()
    frame = load(table)
    assert frame["patient_id"].tolist() == list(range(1, 687))
    assert frame["cens"].sum() == 299
