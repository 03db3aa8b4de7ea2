"""The model that evaluate_model tests and score_clients applies.

The data knows four things of each client: age, the bill of April 2005 (thousands of
New Taiwan dollars), whether April's payment was late, and whether September's was.
What is predicted is the last one, a late payment five months on: an early sign of a
default, but no default.
"""

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.utilities.ports import find_port
from maxairesources.utilities.tables import Kind, check_values, read_table

CLIENT, TARGET, LATE_BEFORE = "client_id", "LateSept", "LateApril"
FEATURES = [LATE_BEFORE, "BillApril", "AGE"]
COLUMNS: dict[str, Kind] = dict.fromkeys([CLIENT, TARGET, *FEATURES], "number")


def read_clients(ports: list[Port]) -> pd.DataFrame:
    """Return the clients of port 1, with `COLUMNS`.

    Raises:
        InputError: the table is missing or wrong, a late column holds anything but 0
            and 1, or all clients are late or none is.
    """
    clients: pd.DataFrame = read_table(ports, COLUMNS)
    source = find_port(ports).address
    for column in (TARGET, LATE_BEFORE):
        check_values(clients, column, (0, 1), source)
    if clients[TARGET].nunique() < 2:
        problem = f"column {TARGET!r} holds one value only"
        raise InputError(problem, "give clients who paid late and others", source)
    return clients


def fit(clients: pd.DataFrame) -> HistGradientBoostingClassifier:
    """Fit gradient-boosted trees on the clients; the same clients, the same model."""
    model = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=120,
        max_leaf_nodes=8,
        min_samples_leaf=50,
        # It would draw a validation part by chance, and keep the model from learning
        # from it; few small trees need no stopping.
        early_stopping=False,
    )
    return model.fit(clients[FEATURES], clients[TARGET])


def predict(
    model: HistGradientBoostingClassifier, clients: pd.DataFrame
) -> "pd.Series[float]":
    """Return each client's probability of a late payment, from 0 to 1."""
    return pd.Series(
        model.predict_proba(clients[FEATURES])[:, 1], index=clients.index, dtype=float
    )
