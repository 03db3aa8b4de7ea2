import json
import pickle
import traceback
from typing import Any

import pytest

from maxairesources.config_store.credentials import Connection, Credentials
from maxairesources.errors import InputError

SECRET = "hunter2"
FIELDS = {
    "conn_type": "postgres",
    "host": "db",
    "login": "me",
    "password": SECRET,
    "schema": "sales",
    "port": 5432,
    "extra": {"sslmode": "require", "key": SECRET},
}
URI = f"postgres://me:{SECRET}@db:5432/sales?sslmode=require&key={SECRET}"


def connection(text: str) -> Connection:
    return Credentials({"AIRFLOW_CONN_SALES_DB": text})["sales_db"]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(FIELDS),
        json.dumps({**FIELDS, "port": "5432", "extra": json.dumps(FIELDS["extra"])}),
        URI,
        URI.replace("postgres:", "postgresql:"),
    ],
)
def test_forms_of_a_connection(text: str) -> None:
    found = connection(text)
    assert found.password and found.password.get_secret_value() == SECRET
    others = {name: getattr(found, name) for name in FIELDS if name != "password"}
    assert others == {name: FIELDS[name] for name in others}


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("aws://", {"conn_type": "aws", "host": None, "extra": {}}),
        ("google-cloud-platform://", {"conn_type": "google_cloud_platform"}),
        ("x://a%40b:c@h/d%2Fe", {"login": "a@b", "host": "h", "schema": "d/e"}),
        ("http://https://api:443/v", {"host": "https://api", "port": 443}),
        ("aws://?endpoint=http://h", {"host": None, "extra": {"endpoint": "http://h"}}),
        ("x://?a=1&b=&c=%5B2%5D", {"extra": {"a": 1, "b": "", "c": [2]}}),
        ("x://?__extra__=%7B%22a%22%3A+1%7D", {"extra": {"a": 1}}),
    ],
)
def test_uris(uri: str, expected: dict[str, Any]) -> None:
    found = connection(uri)
    assert {name: getattr(found, name) for name in expected} == expected


def test_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_A", "x://h")
    credentials = Credentials()
    assert "a" in credentials and credentials["A"].host == "h"
    assert "b" not in credentials and credentials.get("b") is None
    assert list(Credentials({"AIRFLOW_CONN_A": "x://", "PATH": ""})) == ["a"]
    assert len(Credentials({})) == 0


def test_missing_connection_names_the_variable() -> None:
    expected = "^AIRFLOW_CONN_SALES_DB: there is no connection 'sales_db'; set it in"
    with pytest.raises(InputError, match=expected):
        Credentials({})["sales_db"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it is not a connection"),
        (SECRET, "it is not a connection"),
        (f'{{"password": "{SECRET}"', "it is not a connection"),
        (f"postgres://me:{SECRET}/x@db/sales", "it is not a connection"),
        (json.dumps({**FIELDS, "port": SECRET}), "port is wrong"),
        (json.dumps({**FIELDS, "password": [SECRET]}), "password is wrong"),
        (json.dumps({**FIELDS, "extra": SECRET}), "extra is wrong"),
        (json.dumps({**FIELDS, "extra": [SECRET]}), "extra is wrong"),
        (json.dumps({**FIELDS, SECRET: 1}), "it has an unknown field"),
    ],
)
def test_malformed_variable_is_reported_without_its_value(
    text: str, expected: str
) -> None:
    with pytest.raises(InputError) as raised:
        connection(text)
    message = str(raised.value)
    assert message.startswith(f"AIRFLOW_CONN_SALES_DB: {expected}; use the JSON or URI")
    reported = traceback.TracebackException.from_exception(
        raised.value, capture_locals=True
    )
    frames = [frame for frame in reported.stack if "credentials.py" in frame.filename]
    shown = [str(frame.locals) for frame in frames] + [message]
    assert frames and not any(SECRET in text for text in shown)
    assert raised.value.__context__ is None


def test_nothing_shows_a_secret() -> None:
    credentials = Credentials({"AIRFLOW_CONN_A": json.dumps(FIELDS)})
    found = credentials["a"]
    assert "sslmode" in repr(found)
    for thing in (credentials, found, found.password, found.extra):
        again = pickle.loads(pickle.dumps(thing))
        shown = f"{thing} {thing!r} {[thing]} {vars(credentials)} {again!r}"
        assert SECRET not in shown and SECRET not in "%s" % thing
