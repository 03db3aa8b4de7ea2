"""A complete Airflow on this machine, with its web pages."""

import contextlib
import json
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxaitools.local.home import session

USER = "admin"

# The most seconds until all parts of Airflow answer.
_PATIENCE = 180


def serve(folder: Path, environment: Mapping[str, str], run: str) -> int:
    """Serve the DAGs until Ctrl-C or until Airflow ends, and return the exit code.

    Args:
        folder: Airflow's home.
        environment: the environment for its processes.
        run: the id of the run.

    Raises:
        InputError: Airflow does not start.
    """
    print(f"Airflow starts in {folder}", flush=True)
    with started(folder, environment, run) as airflow:
        dags = Path(environment["AIRFLOW__CORE__DAGS_FOLDER"])
        files = {str(path.relative_to(dags)) for path in dags.glob("*/*/*/dag.py")}
        print(
            f"\naddress   {airflow.url}\nuser      {USER}\n"
            f"password  {airflow.password}\n\n"
            + _describe_dags(Api(airflow.url, airflow.password), files)
            + "\nA DAG runs once it is unpaused. Ctrl-C ends everything.",
            flush=True,
        )
        code = airflow.process.wait()
        raise InputError(f"ended with exit code {code}", _tail(airflow.log), "Airflow")


@dataclass(frozen=True)
class Airflow:
    """A running Airflow.

    Attributes:
        url: the address of its pages and its REST interface.
        password: of the user `USER`.
        process: its first process.
        log: the file with the output of all processes.
    """

    url: str
    password: str
    process: "subprocess.Popen[bytes]"
    log: Path


@contextlib.contextmanager
def started(
    folder: Path, environment: Mapping[str, str], run: str
) -> Iterator[Airflow]:
    """Start all parts of Airflow, yield it when they answer, and end them at the end.

    Args:
        folder: Airflow's home, which has the command bin/airflow.
        environment: the environment for its processes.
        run: the id of the run.

    Raises:
        InputError: Airflow does not start.
    """
    password, address = secrets.token_urlsafe(12), f"127.0.0.1:{_free_port()}"
    passwords = folder / "passwords.json"
    passwords.touch(0o600)
    passwords.write_text(json.dumps({USER: password}))
    host, _, port = address.partition(":")
    url = f"http://{address}"
    settings = {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": host,
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    }
    # The command that `airflow standalone` also uses to start its parts.
    command = [str(folder / "bin" / "airflow"), "standalone"]
    log = folder / "standalone.log"
    with log.open("wb") as output:
        with session(command, {**environment, **settings}, run, output) as process:
            _wait(url, process, log)
            yield Airflow(url, password, process, log)


class Api:
    """Airflow's REST interface, for the user of this run."""

    def __init__(self, url: str, password: str) -> None:
        self._url = url
        self._token = None
        login = {"username": USER, "password": password}
        self._token = self.call("POST", "/auth/token", login)["access_token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the JSON of its response."""
        request = urllib.request.Request(
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        with _direct.open(request, timeout=30) as answer:
            return json.load(answer)


# A proxy of the environment does not lead back to this machine.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until all parts of Airflow are healthy."""
    limit = time.monotonic() + _PATIENCE
    missing = ["api server"]
    while missing:
        if process.poll() is not None or time.monotonic() > limit:
            problem = f"does not start ({', '.join(missing)} missing)"
            raise InputError(problem, _tail(log), "Airflow")
        time.sleep(0.5)
        try:
            with _direct.open(f"{url}/api/v2/monitor/health", timeout=10) as answer:
                parts = json.load(answer)
        except (OSError, ValueError):
            continue
        names = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        missing = [n for n in names if (parts.get(n) or {}).get("status") != "healthy"]


def _describe_dags(api: Api, files: set[str]) -> str:
    """Wait until Airflow has read each file, and return its DAGs and import errors."""
    limit = time.monotonic() + _PATIENCE
    while True:
        dags = api.call("GET", "/api/v2/dags?limit=1000")["dags"]
        errors = api.call("GET", "/api/v2/importErrors?limit=1000")["import_errors"]
        read = {dag["relative_fileloc"] for dag in dags} | {
            e["filename"] for e in errors
        }
        if files <= read or time.monotonic() > limit:
            break
        time.sleep(0.5)
    lines = [dag["dag_id"] for dag in dags]
    lines += [
        f"error: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors
    ]
    lines += [f"error: {file}: Airflow has not read it" for file in files - read]
    return "\n".join(sorted(lines)) + "\n"


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "its last lines: " + " | ".join(lines[-20:])


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
