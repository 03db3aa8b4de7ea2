"""The home of Airflow for one run, and a complete Airflow with its web pages."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from maxairesources.deployed import read_file

VARIABLES = "local/variables.json"

# `airflow standalone` starts its parts with this command. They serve no logs, which Airflow
# does on all addresses of the machine: the API server reads them from the disk.
_COMMAND = """\
#!/bin/sh
case $1 in scheduler | triggerer) set -- "$@" --skip-serve-logs ;; esac
exec "{python}" -m airflow "$@"
"""


def make_home(folder: Path, dags: Path, deployment: str | None) -> dict[str, str]:
    """Fill Airflow's home, and return the environment of its processes.

    Args:
        folder: the home, which is empty.
        dags: the folder with the DAGs.
        deployment: the deployment whose overlays apply, if any.
    """
    variables = {}
    for key, value in read_file(Path.cwd(), VARIABLES).items():
        # `airflow variables export` also writes objects, with a value and its description.
        if isinstance(value, dict) and "value" in value:
            value = value["value"]
        # Airflow would prefer the file to the environment, and reads strings only.
        if f"AIRFLOW_VAR_{key.upper()}" not in os.environ:
            variables[key] = value if isinstance(value, str) else json.dumps(value)
    (folder / "variables.json").write_text(json.dumps(variables))
    (folder / "config").mkdir()
    (folder / "config" / "airflow_local_settings.py").write_text(
        "from maxaitools.local.local_policy import task_policy as task_policy\n"
    )
    # A person's settings of another Airflow do not apply. Connections are for the handlers.
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AIRFLOW_", "_AIRFLOW_", "MAXAI_DEPLOYMENT"))
        or key.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_"))
    }
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
        "AIRFLOW__LOGGING__LOG_FORMAT": "%(levelname)s %(message)s",
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARG__VARIABLES_FILE_PATH": f"{folder}/variables.json",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "MAXAI_DEPLOYMENT": deployment or "",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }


def free_port() -> int:
    """Return a port of this machine that nothing uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def standalone(
    environment: Mapping[str, str], port: int
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start `airflow standalone`, which prints its password, and end it at the end.

    Args:
        environment: its environment; AIRFLOW_HOME is a folder of this run.
        port: the port of its pages and of its REST interface.
    """
    command = Path(environment["AIRFLOW_HOME"], "bin", "airflow")
    command.parent.mkdir(parents=True)
    command.write_text(_COMMAND.format(python=sys.executable))
    command.chmod(0o755)
    more = {
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "PATH": os.pathsep.join([str(command.parent), environment["PATH"]]),
    }
    process = subprocess.Popen(
        [str(command), "standalone"],
        env={**environment, **more},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # Airflow gives its tasks process groups of their own. What they know is thrown away,
        # so none needs time to tidy up.
        for _ in range(3):
            for pid in psutil.pids():
                with contextlib.suppress(OSError):
                    if os.getsid(pid) == process.pid:
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        process.wait()
