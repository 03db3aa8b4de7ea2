"""The home folder and environment of Airflow for one run."""

import os
import sys
from pathlib import Path


def make_home(folder: Path, dags: Path, deployment: str | None) -> dict[str, str]:
    """Fill Airflow's home, and return the environment of its processes.

    Args:
        folder: the home, which is empty.
        dags: the folder with the DAGs.
        deployment: the deployment whose overlays apply, if any.
    """
    (folder / "config").mkdir()
    (folder / "config" / "airflow_local_settings.py").write_text(
        "from maxaitools.local.local_policy import task_policy as task_policy\n"
    )
    # A person's settings of another Airflow do not apply. Connections are for the handlers.
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AIRFLOW_", "_AIRFLOW_", "MAXAI_DEPLOYMENT"))
        or key.startswith("AIRFLOW_CONN_")
    }
    if deployment:
        environment["MAXAI_DEPLOYMENT"] = deployment
    # Without compiled files, Airflow's modules take three times as long to import.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    paths = (os.path.abspath(path) for path in sys.path if path)
    return environment | {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE": "False",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # Each idle worker is a process, so a laptop runs few tasks at once.
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        # People read the output of the tasks.
        "AIRFLOW__LOGGING__LOG_FORMAT": "%(levelname)s %(message)s",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "SCARF_NO_ANALYTICS": "true",
    }
