"""Evaluate the recurrence model by repeated stratified cross-validation.

Input port 1: one row per patient: patient_id, time (days), cens (1: event, 0: censored),
horTh, age (years), menostat, tsize (mm), tgrade, pnodes, progrec (fmol/l).
Output port 1: the concordance index of the model and of the baseline.
Output port 2: the calibration table, with predicted and observed risk at the horizon.

The baseline, "nodes only", is a Cox model with one covariate, the number of positive nodes,
which is the best known single predictor. It uses the same folds.

The DAG receives the metrics: {metric: {"model": value, "baseline": value}}.
"""

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from lifelines import KaplanMeierFitter
from pydantic import Field

from maxairesources.config_store import config, task
from maxairesources.errors import InputError
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors, ports
from maxaiusecases.healthcare.patient_outcomes.handlers import recurrence_model as model

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """The arguments of the task.

    Attributes:
        folds: the number of folds.
        repeats: the number of times that new folds are drawn.
        seed: the seed of the random folds.
        horizon_days: the period that the risk covers, in days.
    """

    folds: Annotated[int, Field(ge=2)]
    repeats: task.Count
    seed: task.Seed
    horizon_days: task.Count


def stratified_folds(
    events: npt.NDArray[np.float64], folds: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw a fold for each patient, with about the same number of events in each fold.

    Args:
        events: n values, 1 for an event and 0 for a censored time.
        folds: the number of folds.
        generator: the random number generator.

    Returns:
        n fold numbers, from 0.
    """
    numbers = np.empty(len(events), dtype=np.int64)
    for value in (0, 1):
        members = generator.permutation(np.flatnonzero(events == value))
        numbers[members] = np.arange(len(members)) % folds
    return numbers


def cross_validate(
    table: pd.DataFrame, args: Arguments
) -> tuple[pd.DataFrame, "pd.Series[float]"]:
    """Fit and test the model and the baseline in every fold of every repeat.

    Args:
        table: see `covariates`.
        args: the arguments of the task.

    Returns:
        The concordance indices (columns model and baseline, one row per fold), and each
        patient's mean risk from the models that were fitted without the patient. For the
        concordance index, see Harrell, Lee and Mark (1996), "Multivariable prognostic
        models", Statistics in Medicine 15.
    """
    generator = np.random.default_rng(args.seed)
    rows, risks = [], pd.Series(0.0, index=table.index)
    for _ in range(args.repeats):
        numbers = stratified_folds(table[model.EVENT].to_numpy(), args.folds, generator)
        for fold in range(args.folds):
            train, test = table[numbers != fold], table[numbers == fold]
            cox = model.fit(train)
            baseline = model.fit(train[[*model.NODES, model.TIME, model.EVENT]])
            rows.append([f.score(test, "concordance_index") for f in (cox, baseline)])
            risks.loc[test.index] += model.risk(cox, test, args.horizon_days)
    return pd.DataFrame(rows, columns=["model", "baseline"]), risks / args.repeats


def calibration(
    table: pd.DataFrame, risks: "pd.Series[float]", horizon: int
) -> pd.DataFrame:
    """Compare predicted and observed risk in thirds of the patients.

    Args:
        table: time and event of n patients, see `covariates`.
        risks: n predicted risks, 0 to 1.
        horizon: the period that the risk covers, in days.

    Returns:
        One row per third: group (1 has the lowest predicted risks), patients (their
        number), predicted (mean risk) and observed, which is one minus the survival
        estimate of Kaplan and Meier (1958), "Nonparametric estimation from incomplete
        observations", JASA 53.
    """
    group = ((risks.rank(method="first") - 1) * 3 // len(risks)).astype(int) + 1
    rows = []
    for number, members in table.groupby(group):
        survival = KaplanMeierFitter().fit(members[model.TIME], members[model.EVENT])
        observed = 1 - float(survival.predict(horizon))
        predicted = risks.loc[members.index].mean()
        rows.append((number, len(members), predicted, observed))
    return pd.DataFrame(rows, columns=["group", "patients", "predicted", "observed"])


@config.main()
def execute(**kwargs: Any) -> dict[str, dict[str, float]]:
    """Run the task and return the metrics."""
    settings = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    args, horizon = settings.args, settings.args.horizon_days
    patients = model.read_patients(settings.input, horizon)
    events = int(patients[model.EVENT].sum())
    if min(events, len(patients) - events) < 2 * args.folds:
        raise InputError(
            f"{events} of {len(patients)} patients have an event, which is too few or "
            f"too many for {args.folds} folds",
            "add patients or use fewer folds",
            ports.find_port(settings.input).address,
        )
    table = model.covariates(patients)
    indices, risks = cross_validate(table, args)
    metrics = pd.DataFrame(
        {
            "metric": ["concordance", "concordance_sd_of_folds"],
            **{name: [indices[name].mean(), indices[name].std()] for name in indices},
        }
    )
    connector = data_connectors.DataFrame()
    connector.write(metrics, settings.output, 1)
    connector.write(calibration(table, risks, horizon), settings.output, 2)
    logger.info(
        "%d patients, %d events, %d times %d folds: concordance %.4f, baseline %.4f",
        *(len(patients), events, args.repeats, args.folds, *indices.mean()),
    )
    return metrics.set_index("metric").to_dict("index")


if __name__ == "__main__":
    execute()
