"""Each client's probability of a late payment, by the model fitted on all clients.

Reads (port 1) the same clients as evaluate_model. Writes (port 1) one row a client:
client_id, late_probability (0 to 1) and decile (1: the tenth of clients most at risk).

The model has seen the clients that it scores, so how good it is for others is what
evaluate_model says.
"""

from typing import Any

import pandas as pd

from maxairesources.config_store import config, task
from maxairesources.logging.logger import get_logger
from maxairesources.utilities import data_connectors
from maxaiusecases.finance.credit_risk.handlers.late_payment_model import (
    CLIENT,
    TARGET,
    fit,
    predict,
    read_clients,
)

logger = get_logger(__name__)


class Arguments(task.Arguments):
    """The task takes none."""


def score(clients: pd.DataFrame) -> pd.DataFrame:
    """Return client_id, late_probability and decile, in the order of the clients."""
    probability = predict(fit(clients), clients)
    rank = probability.rank(method="first", ascending=False)
    return pd.DataFrame(
        {
            CLIENT: clients[CLIENT],
            "late_probability": probability,
            "decile": ((rank - 1) * 10 // len(rank)).astype(int) + 1,
        }
    )


@config.main()
def execute(**kwargs: Any) -> None:
    """Run the task; see the module's text."""
    told = task.read_task(kwargs["config"], kwargs["task"], Arguments)
    clients = read_clients(told.input)
    scores = score(clients)
    data_connectors.DataFrame().write(scores, told.output)
    top = scores["decile"] == 1
    logger.info(
        "%d clients, mean probability %.4f; of the top decile %.4f, late indeed %.4f",
        *(len(scores), scores["late_probability"].mean()),
        *(scores["late_probability"][top].mean(), clients[TARGET][top].mean()),
    )


if __name__ == "__main__":
    execute()
