"""The model that evaluate_model tests and score_patients applies.

The patients are those of a trial on node-positive breast cancer. The event is the end
of recurrence-free survival: the cancer comes back, or the patient dies.
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


def read_patients(ports: list[Port]) -> pd.DataFrame:
    """Return the patients of port 1, with `COLUMNS`.

    Raises:
        InputError: the table is missing or wrong, a category is unknown, or a number
            is out of its range.
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
            problem = f"column {column!r} holds values below {least}"
            raise InputError(problem, "mend or drop those rows", source)
    return patients


def covariates(patients: pd.DataFrame) -> pd.DataFrame:
    """Return the model's covariates, and time (days) and event (0 or 1).

    Nodes and receptors act by their logarithms, age as a parabola: risk grows at both
    ends. Sauerbrei and Royston (1999), "Building multivariable prognostic and
    diagnostic models", Journal of the Royal Statistical Society A 162, on this data.
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
    """Fit a Cox model on covariates; a light penalty keeps small samples stable."""
    return CoxPHFitter(penalizer=0.01).fit(table, TIME, EVENT)


def risk(model: CoxPHFitter, table: pd.DataFrame, horizon: int) -> "pd.Series[float]":
    """Return each patient's probability of the event within `horizon` days."""
    survival = model.predict_survival_function(table, times=[horizon]).iloc[0]
    return pd.Series(1 - survival, index=table.index, dtype=float)


def check_horizon(patients: pd.DataFrame, horizon: int, source: object) -> None:
    """Raise an InputError when nobody was observed for as long as the horizon."""
    longest = patients[TIME].max()
    if horizon > longest:
        raise InputError(
            f"the longest observation is {longest} days, horizon_days is {horizon}",
            "give a shorter horizon",
            source,
        )
