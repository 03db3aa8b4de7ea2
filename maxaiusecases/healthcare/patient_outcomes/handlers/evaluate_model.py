"""How well recurrence is predicted, by repeated stratified cross-validation.

Reads (port 1) patients: patient_id, time (days), cens (1: event, 0: censored), horTh,
age (years), menostat, tsize (mm), tgrade, pnodes, progrec (fmol/l). Writes (port 1)
the concordance index beside the baseline's, and (port 2) a calibration table at the
horizon: thirds of patients by their predicted risk, and the observed one.

The baseline, "nodes only", is a Cox model of the number of positive nodes alone, the
best known single sign, in the same folds.

Returns the metrics for the DAG: {metric: {"model": value, "baseline": value}}.
"""

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index
from pydantic import Field

from maxairesources.config_store import config, task
from maxairesources.errors import InputError
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors, ports
from maxaiusecases.healthcare.patient_outcomes.handlers.recurrence_model import (
    EVENT,
    NODES,
    TIME,
    check_horizon,
    covariates,
    fit,
    read_patients,
    risk,
)

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """What the task is told.

    Attributes:
        folds: the number of folds.
        repeats: how often the folds are drawn.
        seed: of the folds.
        horizon_days: the horizon of the risk.
    """

    folds: Annotated[int, Field(ge=2)]
    repeats: task.Count
    seed: task.Seed
    horizon_days: task.Count


def stratified_folds(
    events: npt.NDArray[np.float64], folds: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return a fold number (from 0 on) for each patient, with as many events in each.

    Args:
        events: n values, 1 for an event and 0 for a censored time.
        folds: the number of folds.
        generator: where the chance comes from.
    """
    numbers = np.empty(len(events), dtype=np.int64)
    for value in (0, 1):
        members = generator.permutation(np.flatnonzero(events == value))
        numbers[members] = np.arange(len(members)) % folds
    return numbers


def cross_validate(
    table: pd.DataFrame, folds: int, repeats: int, seed: int, horizon: int
) -> tuple[pd.DataFrame, "pd.Series[float]"]:
    """Fit and test the model and the baseline in every fold of every repeat.

    Args:
        table: see `covariates`.
        folds: the number of folds.
        repeats: how often the folds are drawn.
        seed: of the folds.
        horizon: of the risk, in days.

    Returns:
        The concordance indices (model, baseline), a row a fold: Harrell, Lee and Mark
        (1996), "Multivariable prognostic models", Statistics in Medicine 15; and each
        patient's risk, the mean of those by the models that had not seen the patient.
    """
    generator = np.random.default_rng(seed)
    rows, risks = [], pd.Series(0.0, index=table.index)
    for _ in range(repeats):
        numbers = stratified_folds(table[EVENT].to_numpy(), folds, generator)
        for fold in range(folds):
            train, test = table[numbers != fold], table[numbers == fold]
            model = fit(train)
            baseline = fit(train[[*NODES, TIME, EVENT]])
            rows.append(
                [
                    concordance_index(
                        test[TIME], -fitted.predict_partial_hazard(test), test[EVENT]
                    )
                    for fitted in (model, baseline)
                ]
            )
            risks.loc[test.index] += risk(model, test, horizon) / repeats
    return pd.DataFrame(rows, columns=["model", "baseline"]), risks


def calibration(
    table: pd.DataFrame, risks: "pd.Series[float]", horizon: int
) -> pd.DataFrame:
    """Return predicted and observed risk at the horizon, by thirds of predicted risk.

    Returns:
        group (from 1, the lowest risk), patients, predicted (mean) and observed, one
        minus the estimate of survival by Kaplan and Meier (1958), "Nonparametric
        estimation from incomplete observations", JASA 53.
    """
    group = ((risks.rank(method="first") - 1) * 3 // len(risks)).astype(int) + 1
    rows = []
    for number, members in table.groupby(group):
        survival = KaplanMeierFitter().fit(members[TIME], members[EVENT])
        observed = 1 - float(survival.predict(horizon))
        predicted = risks.loc[members.index].mean()
        rows.append((number, len(members), predicted, observed))
    return pd.DataFrame(rows, columns=["group", "patients", "predicted", "observed"])


@config.main()
def execute(**kwargs: Any) -> dict[str, dict[str, float]]:
    """Run the task; see the module's text."""
    told = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    args, horizon = told.args, told.args.horizon_days
    patients, source = read_patients(told.input), ports.find_port(told.input).address
    check_horizon(patients, horizon, source)
    events = int(patients[EVENT].sum())
    if min(events, len(patients) - events) < 2 * args.folds:
        raise InputError(
            f"{events} events among {len(patients)} patients are too few, or too "
            f"many, for {args.folds} folds",
            "give more patients or fewer folds",
            source,
        )
    table = covariates(patients)
    indices, risks = cross_validate(table, args.folds, args.repeats, args.seed, horizon)
    metrics = pd.DataFrame(
        {
            "metric": ["concordance", "concordance_sd_of_folds"],
            **{name: [indices[name].mean(), indices[name].std()] for name in indices},
        }
    )
    connector = data_connectors.DataFrame()
    connector.write(metrics, told.output, 1)
    connector.write(calibration(table, risks, horizon), told.output, 2)
    logger.info(
        "%d patients, %d events, %d times %d folds: concordance %.4f, nodes only %.4f",
        *(len(patients), events, args.repeats, args.folds, *indices.mean()),
    )
    return metrics.set_index("metric").to_dict("index")


if __name__ == "__main__":
    execute()
