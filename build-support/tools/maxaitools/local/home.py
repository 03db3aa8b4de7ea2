"""The home folder and environment of Airflow for one run, removed after it."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from maxaitools.local.containers import Settings, remove_containers

# Nothing connects to a cluster, but Airflow's operator requires one.
_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""

# By default, Airflow serves the logs of workers on all addresses of the machine. Here the
# server reads them from its disk.
AIRFLOW_COMMAND = """\
#!/bin/sh
case $1 in scheduler | triggerer) set -- "$@" --skip-serve-logs ;; esac
exec "{python}" -m airflow "$@"
"""
_SPARK_SUBMIT = '#!/bin/sh\nexec "{python}" -m maxaitools.local.spark "$@"\n'


@contextlib.contextmanager
def home(
    dags: Path, to: Settings, deployment: str | None
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Create Airflow's home, and yield it and the environment of its processes.

    Args:
        dags: the folder with the DAGs.
        to: the settings of the run.
        deployment: the deployment whose overlays apply, if any.
    """
    with tempfile.TemporaryDirectory(
        prefix="maxai-local-", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        (folder / "config").mkdir()
        (folder / "config" / "airflow_local_settings.py").write_text(
            "from maxaitools.local.policy import task_policy as task_policy\n"
        )
        (folder / "kubeconfig").write_text(_KUBECONFIG)
        commands = folder / "bin"
        commands.mkdir()
        for command, text in (
            ("airflow", AIRFLOW_COMMAND),
            ("spark-submit", _SPARK_SUBMIT),
        ):
            (commands / command).write_text(text.format(python=sys.executable))
            (commands / command).chmod(0o755)
        environment = _environment(folder, dags, commands)
        if deployment:
            environment["MAXAI_DEPLOYMENT"] = deployment
        to.export(environment)
        yield folder, environment


def _environment(folder: Path, dags: Path, commands: Path) -> dict[str, str]:
    """Return the environment of Airflow with its home in a folder."""
    # A person's settings of another Airflow do not apply. Connections are for the handlers.
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AIRFLOW_", "_AIRFLOW_"))
        or key.startswith("AIRFLOW_CONN_")
    }
    here = Path(__file__).resolve().parents[2]
    paths = [str(here), *(os.path.abspath(path) for path in sys.path if path)]
    environment.update(
        AIRFLOW_HOME=str(folder),
        AIRFLOW__CORE__DAGS_FOLDER=str(dags),
        AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE="False",
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        # Each idle worker is a process, so a laptop runs few tasks at once.
        AIRFLOW__CORE__PARALLELISM="4",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{folder}/airflow.db",
        # People read the log lines of a failed task.
        AIRFLOW__LOGGING__LOG_FORMAT="%(levelname)s %(message)s",
        AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(folder / "logs"),
        AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
        AIRFLOW_CONN_SPARK_DEFAULT='{"conn_type": "spark", "host": "local[*]"}',
        KUBECONFIG=str(folder / "kubeconfig"),
        PATH=os.pathsep.join([str(commands), environment.get("PATH", os.defpath)]),
        PYTHONPATH=os.pathsep.join(paths),
        PYTHONUNBUFFERED="1",
        SCARF_NO_ANALYTICS="true",
    )
    environment.pop("MAXAI_DEPLOYMENT", None)
    # Without compiled files, Airflow's modules take three times as long to import.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


@contextlib.contextmanager
def session(
    command: Sequence[str],
    environment: Mapping[str, str],
    run: str,
    output: IO[bytes] | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a command in a session of its own; at the end, end all that it started.

    Args:
        command: the command.
        environment: its environment.
        run: the id of the run, whose containers are removed, too.
        output: where it prints; None means where this process does.
    """
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output and subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # Impatience must not leave anything behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(process.pid)
        process.wait()
        remove_containers(run)


def _end(session_id: int) -> None:
    """End all processes of a session, the ones in process groups of their own, too.

    None is given time to tidy up: all that they know is thrown away, and containers end
    with those who started them.
    """
    limit = time.monotonic() + 10
    while members := _members(session_id):
        if time.monotonic() > limit:
            left = [process.pid for process in members]
            print(f"warning: processes are left: {left}", file=sys.stderr)
            return
        for process in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.05)


def _members(session_id: int) -> list[Any]:
    """Return the living processes of a session."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.Error, PermissionError):
            if (
                os.getsid(process.pid) == session_id
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found


def new_run() -> str:
    """Return an id for a run."""
    return secrets.token_hex(6)
