"""The recurrence model, which evaluate_model tests and score_patients applies.

The patients took part in a trial on node-positive breast cancer. The event ends the
recurrence-free survival: the cancer recurs, or the patient dies.
"""

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter

from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.utilities.ports import find_port
from maxairesources.utilities.tables import Kind, check_values, read_table

PATIENT, TIME, EVENT = "patient_id", "time", "cens"
COLUMNS: dict[str, Kind] = {
    PATIENT: "number",
    TIME: "number",
    EVENT: "number",
    "horTh": "text",
    "age": "number",
    "menostat": "text",
    "tsize": "number",
    "tgrade": "text",
    "pnodes": "number",
    "progrec": "number",
}
NODES = ["log_nodes"]


def read_patients(ports: list[Port], horizon: int) -> pd.DataFrame:
    """Read and check the patients of input port 1.

    Args:
        ports: the input ports of the task.
        horizon: the period that the risk covers, in days.

    Returns:
        One row per patient, with `COLUMNS`.

    Raises:
        InputError: the table or a column is missing or has the wrong type, a category is
            unknown, a number is out of its range, or the horizon exceeds the longest
            observation.
    """
    patients: pd.DataFrame = read_table(ports, COLUMNS)
    source = find_port(ports).address
    categories = {
        EVENT: (0, 1),
        "horTh": ("no", "yes"),
        "menostat": ("Pre", "Post"),
        "tgrade": ("I", "II", "III"),
    }
    for column, valid in categories.items():
        check_values(patients, column, valid, source)
    for column, least in ((TIME, 1), ("pnodes", 1), ("progrec", 0)):
        if patients[column].min() < least:
            problem = f"column {column!r} has values below {least}"
            raise InputError(problem, "fix or delete those rows", source)
    longest = patients[TIME].max()
    if horizon > longest:
        problem = f"horizon_days is {horizon}, but the longest observation is {longest}"
        raise InputError(f"{problem} days", "use a shorter horizon", source)
    return patients


def covariates(patients: pd.DataFrame) -> pd.DataFrame:
    """Return the covariates of the model, the time (days) and the event (0 or 1).

    The model uses the logarithms of nodes and receptors, and the square of the age, because
    the risk is higher for young and for old patients. See Sauerbrei and Royston (1999),
    "Building multivariable prognostic and diagnostic models", Journal of the Royal
    Statistical Society A 162, who analysed the same data.

    Args:
        patients: see `read_patients`.

    Returns:
        One row per patient, all columns of type float.
    """
    decades = patients["age"] / 10
    return pd.DataFrame(
        {
            "log_nodes": np.log(patients["pnodes"]),
            "log_receptors": np.log1p(patients["progrec"]),
            "hormone_therapy": (patients["horTh"] == "yes").astype(float),
            "grade_above_1": (patients["tgrade"] != "I").astype(float),
            "size_cm": patients["tsize"] / 10,
            "age": decades - 5,
            "age_squared": (decades - 5) ** 2,
            "after_menopause": (patients["menostat"] == "Post").astype(float),
            TIME: patients[TIME].astype(float),
            EVENT: patients[EVENT].astype(float),
        }
    )


def fit(table: pd.DataFrame) -> CoxPHFitter:
    """Fit a Cox model. A small penalty makes it stable on small samples.

    Args:
        table: time, event and any covariates, see `covariates`.
    """
    return CoxPHFitter(penalizer=0.01).fit(table, TIME, EVENT)


def risk(model: CoxPHFitter, table: pd.DataFrame, horizon: int) -> "pd.Series[float]":
    """Return each patient's probability of the event within `horizon` days, 0 to 1."""
    survival = model.predict_survival_function(table, times=[horizon]).iloc[0]
    return pd.Series(1 - survival, index=table.index, dtype=float)
