"""Predict each patient's risk of recurrence or death within the horizon.

Input port 1: one row per patient, see evaluate_model.
Output port 1: one row per patient: patient_id, risk (0 to 1) and group (low, middle or
high, each with a third of the patients).

The model is fitted on the patients that it scores. For its performance on other patients, see
evaluate_model.
"""

from typing import Any

import pandas as pd

from maxairesources.config_store import config, task
from maxairesources.errors import InputError
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors, ports
from maxaiusecases.healthcare.patient_outcomes.handlers import recurrence_model as model

GROUPS = ["low", "middle", "high"]

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """The arguments of the task.

    Attributes:
        horizon_days: the period that the risk covers, in days.
    """

    horizon_days: task.Count


def score(patients: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Return patient_id, risk within `horizon` days and group, in the same order.

    Args:
        patients: see `read_patients`.
        horizon: the period that the risk covers, in days.
    """
    table = model.covariates(patients)
    risks = model.risk(model.fit(table), table, horizon)
    third = ((risks.rank(method="first") - 1) * 3 // len(risks)).astype(int)
    return pd.DataFrame(
        {
            model.PATIENT: patients[model.PATIENT],
            "risk": risks,
            "group": third.map(dict(enumerate(GROUPS))),
        }
    )


@config.main()
def execute(**kwargs: Any) -> None:
    """Run the task."""
    settings = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    horizon = settings.args.horizon_days
    patients = model.read_patients(settings.input, horizon)
    if patients[model.EVENT].sum() < len(GROUPS):
        problem = f"fewer than {len(GROUPS)} patients have an event"
        source = ports.find_port(settings.input).address
        raise InputError(problem, "add patients with an event", source)
    scores = score(patients, horizon)
    data_connectors.DataFrame().write(scores, settings.output)
    means = scores.groupby("group")["risk"].mean()
    logger.info(
        "%d patients, mean risk within %d days: %s",
        *(len(scores), horizon),
        ", ".join(f"{group} {means[group]:.3f}" for group in GROUPS),
    )


if __name__ == "__main__":
    execute()
