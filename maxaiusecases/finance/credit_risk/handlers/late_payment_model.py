"""The late-payment model, which evaluate_model tests and score_clients applies.

The model predicts whether a client pays late in September 2005. Its features are known in
April 2005: the age (years), the bill (thousands of New Taiwan dollars), and whether the
client paid late. A late payment is an early sign of a default, but not a default.
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
    """Read and check the clients of input port 1.

    Args:
        ports: the input ports of the task.

    Returns:
        One row per client, with `COLUMNS`.

    Raises:
        InputError: the table or a column is missing or has the wrong type, a late column
            has a value other than 0 and 1, or all clients have the same target.
    """
    clients: pd.DataFrame = read_table(ports, COLUMNS)
    source = find_port(ports).address
    for column in (TARGET, LATE_BEFORE):
        check_values(clients, column, (0, 1), source)
    if clients[TARGET].nunique() < 2:
        problem = f"column {TARGET!r} has only one value"
        raise InputError(problem, "add clients with the other value", source)
    return clients


def fit(clients: pd.DataFrame) -> HistGradientBoostingClassifier:
    """Fit gradient-boosted trees; the same clients always give the same model."""
    model = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=120,
        max_leaf_nodes=8,
        min_samples_leaf=50,
        # Early stopping would hold out a random part of the clients. The trees are few
        # and small, so they do not need it.
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
