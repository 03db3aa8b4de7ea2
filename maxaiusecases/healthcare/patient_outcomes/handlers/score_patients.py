"""Each patient's risk of a recurrence within the horizon, by the model of all patients.

Reads (port 1) the same patients as evaluate_model. Writes (port 1) one row a patient:
patient_id, risk (0 to 1) and group (low, middle or high: thirds by risk).

The model has seen the patients that it scores, so how good it is for others is what
evaluate_model says.
"""

from typing import Any

import pandas as pd

from maxairesources.config_store import config, task
from maxairesources.errors import InputError
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors, ports
from maxaiusecases.healthcare.patient_outcomes.handlers.recurrence_model import (
    EVENT,
    PATIENT,
    check_horizon,
    covariates,
    fit,
    read_patients,
    risk,
)

GROUPS = ["low", "middle", "high"]

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """What the task is told.

    Attributes:
        horizon_days: the horizon of the risk.
    """

    horizon_days: task.Count


def score(patients: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Return patient_id, risk within `horizon` days and group, in the same order."""
    table = covariates(patients)
    risks = risk(fit(table), table, horizon)
    third = ((risks.rank(method="first") - 1) * 3 // len(risks)).astype(int)
    return pd.DataFrame(
        {
            PATIENT: patients[PATIENT],
            "risk": risks,
            "group": third.map(dict(enumerate(GROUPS))),
        }
    )


@config.main()
def execute(**kwargs: Any) -> None:
    """Run the task; see the module's text."""
    told = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    horizon = told.args.horizon_days
    patients, source = read_patients(told.input), ports.find_port(told.input).address
    check_horizon(patients, horizon, source)
    if patients[EVENT].sum() < len(GROUPS):
        raise InputError("hardly any event", "give more patients", source)
    scores = score(patients, horizon)
    data_connectors.DataFrame().write(scores, told.output)
    means = scores.groupby("group")["risk"].mean()
    logger.info(
        "%d patients, mean risk within %d days: %s",
        *(len(scores), horizon),
        ", ".join(f"{group} {means[group]:.3f}" for group in GROUPS),
    )


if __name__ == "__main__":
    execute()
