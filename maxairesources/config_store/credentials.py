"""The connections to other systems that a handler is given, from the environment.

A connection stands in an environment variable named after its id, AIRFLOW_CONN_SALES_DB
for sales_db, as JSON ({"conn_type": "postgres", "host": "db", "login": "me", "extra": {}})
or as a URI (postgres://me:...@db:5432/sales?sslmode=require), as Airflow documents them.
Object stores need no connection: see `maxairesources.utilities.storage`.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import ConfigDict, Json, SecretStr
from pydantic.dataclasses import dataclass

from maxairesources.errors import InputError

_PREFIX = "AIRFLOW_CONN_"
_Extra = dict[str, Any] | Json[dict[str, Any]]


class MissingConnection(InputError, KeyError):
    """No variable for a connection; a KeyError, so that `in` and `get` work."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Connection:
    """How another system is reached; its password is `password.get_secret_value()`.

    The fields are those of Airflow's connections. No text of it shows a secret.
    """

    conn_type: str | None = None
    description: str | None = None
    host: str | None = None
    login: str | None = None
    password: SecretStr | None = None
    schema: str | None = None
    port: int | None = None
    extra: _Extra = field(default_factory=dict, repr=False)


class Credentials(Mapping[str, Connection]):
    """The connections in the environment by their ids, read when they are asked for."""

    def __getitem__(self, connection_id: str) -> Connection:
        variable = f"{_PREFIX}{connection_id.upper()}"
        if (text := os.environ.get(variable)) is None:
            problem = f"connection {connection_id!r} is missing"
            remedy = "set it in the environment of the task, as JSON or a URI"
            raise MissingConnection(problem, remedy, variable)
        with suppress(TypeError, ValueError):
            fields = json.loads(text) if text.startswith("{") else _from_uri(text)
            return Connection(**fields)
        # Without the error above, which holds the secret.
        remedy = "use the JSON or URI form of an Airflow connection"
        raise InputError("is not a connection", remedy, variable)

    def __iter__(self) -> Iterator[str]:
        names = (name for name in os.environ if name.startswith(_PREFIX))
        return (name.removeprefix(_PREFIX).lower() for name in names)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _from_uri(uri: str) -> dict[str, Any]:
    parts = urlsplit(uri)
    # The host may not have a protocol of its own, as in http://https://host.
    if not parts.scheme or parts.path.startswith("//"):
        raise ValueError
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    texts = {
        "conn_type": parts.scheme.replace("-", "_"),
        "login": parts.username,
        "password": parts.password,
        "host": parts.hostname,
        "schema": parts.path[1:],
    }
    fields: dict[str, Any] = {n: unquote(text) for n, text in texts.items() if text}
    return {**fields, "port": parts.port, "extra": query.get("__extra__", query)}
