"""The connections to other systems that a handler is given, from the environment.

A connection stands in an environment variable named after its id, AIRFLOW_CONN_SALES_DB
for sales_db, in either form that Airflow documents for it:
https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html

- JSON: {"conn_type": "postgres", "host": "db", "login": "me", "password": "...",
  "schema": "sales", "port": 5432, "extra": {"sslmode": "require"}}
- a URI: postgres://me:...@db:5432/sales?sslmode=require

Object stores need no connection: see `maxairesources.utilities.storage`.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BeforeValidator, ConfigDict, SecretStr, ValidationError
from pydantic.dataclasses import dataclass

from maxairesources.errors import InputError

_PREFIX = "AIRFLOW_CONN_"


class MissingConnection(InputError, KeyError):
    """No variable for a connection; a KeyError, so that `in` and `get` work."""


class Extra(dict[str, Any]):
    """What a connection holds beside its fields; shown without its values."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, "***"))


def _extra(value: Any) -> Extra:
    fields = json.loads(value) if isinstance(value, str) else value or {}
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")
    return Extra(fields)


@dataclass(frozen=True, config=ConfigDict(extra="forbid", arbitrary_types_allowed=True))
class Connection:
    """How another system is reached; its password is `password.get_secret_value()`.

    The fields are those of Airflow's connections.
    """

    conn_type: str | None = None
    description: str | None = None
    host: str | None = None
    login: str | None = None
    password: SecretStr | None = None
    schema: str | None = None
    port: int | None = None
    extra: Annotated[Extra, BeforeValidator(_extra)] = field(default_factory=Extra)


class Credentials(Mapping[str, Connection]):
    """The connections in the environment by their ids, which are in lower case.

    A variable is read when its connection is asked for, so a malformed one troubles
    only who needs it. No text of this mapping or of a connection shows a secret.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._texts = {
            name.removeprefix(_PREFIX).lower(): SecretStr(text)
            for name, text in environment.items()
            if name.startswith(_PREFIX)
        }

    def __getitem__(self, connection_id: str) -> Connection:
        variable = f"{_PREFIX}{connection_id.upper()}"
        text = self._texts.get(connection_id.lower())
        if text is None:
            raise MissingConnection(
                f"there is no connection {connection_id!r}",
                "set it in the environment of the task, as JSON or a URI",
                variable,
            )
        connection = _parse(text)
        # Raised here, where no other exception is being handled: that would hold the
        # value, and an error keeps it as its context.
        if isinstance(connection, str):
            remedy = "use the JSON or URI form of an Airflow connection"
            raise InputError(connection, remedy, variable)
        return connection

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"


def _parse(secret: SecretStr) -> Connection | str:
    """Return the connection in a variable, or what is wrong without any of its text."""
    text = secret.get_secret_value()
    try:
        fields = json.loads(text) if text.startswith("{") else _from_uri(text)
        return Connection(**fields)
    except ValidationError as errors:
        name = errors.errors()[0]["loc"][0]
        known = name in Connection.__dataclass_fields__
        return f"{name} is wrong" if known else "it has an unknown field"
    except (ValueError, RecursionError):
        return "it is not a connection"


def _from_uri(uri: str) -> dict[str, Any]:
    """Return the fields in a URI as Airflow reads them."""
    kind, separator, rest = uri.partition("://")
    if not separator:
        raise ValueError("no URI")
    # The host may have a protocol of its own, as in my-type://https://host.
    parts = urlsplit(rest if "://" in rest.partition("?")[0] else f"//{rest}")
    host = unquote(parts.hostname or "")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return {
        "conn_type": {"postgresql": "postgres"}.get(kind, kind.replace("-", "_")),
        "host": f"{parts.scheme}://{host}" if parts.scheme else host or None,
        "login": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
        "schema": unquote(parts.path[1:]) or None,
        "port": parts.port,
        "extra": query.get("__extra__") or {k: _json(v) for k, v in query.items()},
    }


def _json(text: str) -> Any:
    """Return the JSON value of a text, or the text when it has none."""
    try:
        return json.loads(text)
    except ValueError:
        return text
