import json
from typing import Any

import pytest

from maxairesources.config_store.credentials import Connection, Credentials
from maxairesources.errors import InputError

FIELDS = {
    "conn_type": "postgres",
    "host": "db",
    "login": "me",
    "password": "hunter2",
    "schema": "sales",
    "port": 5432,
    "extra": {"sslmode": "require", "key": "hunter2"},
}
AS_TEXTS = {**FIELDS, "port": "5432", "extra": json.dumps(FIELDS["extra"])}
URI = "postgres://me:hunter2@db:5432/sales?sslmode=require&key=hunter2"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Any:
    def connect(text: str) -> Connection:
        monkeypatch.setenv("AIRFLOW_CONN_SALES_DB", text)
        return Credentials()["sales_db"]

    return connect


@pytest.mark.parametrize("text", [json.dumps(FIELDS), json.dumps(AS_TEXTS), URI])
def test_forms_of_a_connection(text: str, connect: Any) -> None:
    found = connect(text)
    assert found.password.get_secret_value() == "hunter2"
    assert {n: getattr(found, n) for n in FIELDS if n != "password"} == {
        name: value for name, value in FIELDS.items() if name != "password"
    }
    assert "hunter2" not in f"{found} {vars(found)['password']} {Credentials()}"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("aws://", {"conn_type": "aws", "host": None, "extra": {}}),
        ("google-cloud-platform://", {"conn_type": "google_cloud_platform"}),
        ("x://a%40b:c@h/d%2Fe", {"login": "a@b", "host": "h", "schema": "d/e"}),
        ("x://?a=1&b=&e=http://h", {"extra": {"a": "1", "b": "", "e": "http://h"}}),
        ("x://?__extra__=%7B%22a%22%3A+1%7D", {"extra": {"a": 1}}),
    ],
)
def test_uris(uri: str, expected: dict[str, Any], connect: Any) -> None:
    found = connect(uri)
    assert {name: getattr(found, name) for name in expected} == expected


def test_credentials_are_a_mapping_of_the_environment(connect: Any) -> None:
    connect(URI)
    credentials = Credentials()
    assert "sales_db" in credentials and "sales_db" in [*credentials]
    assert "b" not in credentials and credentials.get("b") is None
    expected = "^AIRFLOW_CONN_B: connection 'b' is missing; set it in the environment"
    with pytest.raises(InputError, match=expected):
        credentials["b"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        '{"password": "hunter2"',
        "postgres://me:hunter2/x@db/sales",
        "http://https://me:hunter2@db",
        json.dumps({**FIELDS, "port": "hunter2"}),
        json.dumps({**FIELDS, "password": ["hunter2"]}),
        json.dumps({**FIELDS, "extra": "hunter2"}),
        json.dumps({**FIELDS, "hunter2": 1}),
    ],
)
def test_a_malformed_variable_is_reported_without_its_value(
    text: str, connect: Any
) -> None:
    with pytest.raises(InputError) as raised:
        connect(text)
    message = str(raised.value)
    assert message.startswith(
        "AIRFLOW_CONN_SALES_DB: is not a connection; use the JSON"
    )
    assert "hunter2" not in message and raised.value.__context__ is None
