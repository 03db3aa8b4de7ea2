import json
from typing import Any

import pytest
from pydantic import Field, field_validator

from maxairesources.configs.document import ConfigModel, Wrong, parse, validate
from maxairesources.errors import InputError
from maxairesources.tree import json_path


def message(text: str) -> str:
    """Return the message of the error that a config's text ends in."""
    with pytest.raises(InputError) as error:
        parse(text, "a.json")
    return str(error.value)


def test_object_is_returned_as_it_is() -> None:
    data = {"$schema": "x", "a": [1, 2.5, True, None, "é"], "b": {}}
    assert parse(json.dumps(data), "a.json") == data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "",
            "is not valid JSON (Expecting value, line 1, column 1); fix the syntax there",
        ),
        (
            "{\n  'a': 1}",
            "is not valid JSON (Expecting property name enclosed in double quote",
        ),
        ("{\n  'a': 1}", ", line 2, column 3); fix the syntax there"),
        ('{"a": 1,\n "b": 2,}', "line 2, column 9"),
        ('{"a": 1} x', "is not valid JSON (Extra data, line 1, column 10)"),
        ('{"a": True}', "is not valid JSON (Expecting value, line 1, column 7)"),
        ('{"a": 1 // one\n}', "line 1, column 9"),
        ("\ufeff{}", "is not valid JSON (Unexpected UTF-8 BOM"),
        ("[]", "is not a JSON object; put the content in braces"),
        ("null", "is not a JSON object; put the content in braces"),
        ('"{}"', "is not a JSON object; put the content in braces"),
        ('{"a": 1, "a": 1}', "key 'a' is defined twice; remove one"),
        ('{"t": [{"id": 1, "id": 2}]}', "key 'id' is defined twice; remove one"),
        ('{"a": NaN}', "NaN is not a JSON number; use a finite number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number; use a finite number"),
        ('{"a": 1e999}', "1e999 is not a JSON number; use a finite number"),
    ],
)
def test_unusable_text(text: str, expected: str) -> None:
    assert message(text).startswith("a.json: ")
    assert expected in message(text)


@pytest.mark.parametrize("depth", [51, 990, 99_999])
def test_what_is_nested_too_deeply_is_reported(depth: int) -> None:
    text = f'{{"a": {"[" * depth}{"]" * depth}}}'
    assert message(text) == "a.json: is nested too deeply; flatten it"


def test_number_with_too_many_digits_is_reported() -> None:
    reported = message(f'{{"a": {"1" * 5000}}}')
    assert reported.startswith(
        "a.json: is not valid JSON (a number has too many digits); write"
    )


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "Password",
        "db_password",
        "DB_PASSWORD",
        "dbPassword",
        "passphrase",
        "secret",
        "client_secret",
        "clientSecret",
        "token",
        "oauthToken",
        "api_key",
        "apiKey",
        "api-key",
        "aws_secret_access_key",
        "connection_string",
        "spark.authenticate.secret",
        "spark.hadoop.fs.azure.account.key.lake.dfs.core.windows.net",
        "spark.hadoop.fs.s3a.access.key",
        "spark.hadoop.fs.s3a.secret.key",
        "spark.hadoop.fs.s3a.session.token",
        "spark.kubernetes.authenticate.submission.oauthToken",
        "spark.kubernetes.driverEnv.DB_PASSWORD",
        "spark.ssl.rpc.keyStorePassword",
    ],
)
def test_secret_by_the_name_of_its_key_is_reported_and_never_printed(key: str) -> None:
    for value in ("hunter2", ["hunter2"]):
        reported = message(json.dumps({"a": [{"b": {key: value}}]}))
        assert reported.startswith(f"a.json: {json_path(('a', 0, 'b', key))}")
        assert "looks like a secret; remove it, revoke it" in reported
        assert "hunter2" not in reported


@pytest.mark.parametrize(
    "value",
    [
        "AKIA" + "A1B2" * 4,
        "ghp_" + "aB3d" * 9,
        "github_pat_" + "aB3d" * 6,
        "glpat-" + "aB3d" * 5,
        "AIza" + "aB3d5" * 7,
        "xoxb-" + "12345" * 3,
        "DefaultEndpointsProtocol=https;AccountKey=abc==",
        "-----BEGIN RSA PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
        "postgresql://shop:hunter2@db/shop",
        "redis://:hunter2@cache:6379",
        "jdbc:postgresql://db/shop?user=shop&password=hunter2",
        "https://lake.blob.core.windows.net/a?sv=2024&sig=hunter2",
        "-Djavax.net.ssl.trustStorePassword=hunter2",
    ],
)
def test_secret_by_its_looks_is_reported_and_never_printed(value: str) -> None:
    reported = message(json.dumps({"a": {"b": ["x", f"--at={value}"]}}))
    assert reported.startswith("a.json: $.a.b[1] looks like a secret")
    assert value[-8:] not in reported


def test_secret_in_a_list_of_environment_variables_is_reported() -> None:
    data = {"env_vars": [{"name": "DB_PASSWORD", "value": "hunter2"}]}
    reported = message(json.dumps(data))
    assert reported.startswith("a.json: $.env_vars[0].value looks like a secret")
    assert "hunter2" not in reported


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("password", "{{ conn.shop.password }}"),
        ("password", "{{ conn\n.shop.password }}"),
        ("password", ""),
        ("token", None),
        ("max_token", 512),
        ("address", "postgresql://{{ conn.shop.login }}:{{ conn.shop.password }}@db"),
        ("address", "s3://bucket/a:b@c"),
        ("clock", "https://host:443/a@b"),
        ("key", "customer_id"),
        ("keys", ["customer_id"]),
        ("primary_key", "customer_id"),
        ("token_count", "12"),
        ("tokens", "12"),
        ("tokenizer", "words"),
        ("broken", "AKIA is how ids of AWS begin"),
        ("image_pull_secrets", "registry"),
        ("env_from", [{"secretRef": {"name": "shop"}}]),
        ("env_vars", [{"name": "STAGE", "value": "dev"}]),
        ("env_vars", [{"name": "DB_PASSWORD", "value": "{{ conn.shop.password }}"}]),
        (
            "env_vars",
            [
                {
                    "name": "DB_PASSWORD",
                    "valueFrom": {"secretKeyRef": {"name": "shop", "key": "password"}},
                }
            ],
        ),
        ("volumes", [{"name": "v", "secret": {"secretName": "shop"}}]),
        ("automount_service_account_token", False),
        ("spark.authenticate", True),
        ("spark.hadoop.fs.s3a.aws.credentials.provider", "org.example.Provider"),
        ("spark.kerberos.keytab", "/etc/keytab"),
        ("spark.kubernetes.authenticate.driver.serviceAccountName", "spark"),
        ("spark.kubernetes.authenticate.oauthTokenFile", "/var/run/token"),
        ("spark.kubernetes.container.image.pullSecrets", "registry"),
        ("spark.kubernetes.driver.secretKeyRef.DB_PASSWORD", "shop:password"),
        ("spark.kubernetes.executor.secrets.token", "/mnt/secrets"),
        ("spark.kubernetes.kerberos.dt-secret-key", "item"),
        ("spark.redaction.regex", "(?i)secret|password|token"),
        ("spark.sql.timeTravelTimestampKey", "timestampAsOf"),
    ],
)
def test_what_only_names_a_secret_or_resembles_one_passes(key: str, value: Any) -> None:
    data = {"a": [{key: value}]}
    assert parse(json.dumps(data)) == data


class Inner(ConfigModel):
    name: str
    size: int = Field(ge=1)
    ratio: float = 0.5

    @field_validator("name")
    @classmethod
    def _check(cls, value: str) -> str:
        if value == "wrong":
            raise Wrong("is wrong", "right it", ("deep", 0))
        return value


class Outer(ConfigModel):
    inner: list[Inner]
    by_name: dict[str, Inner] = {}
    either: Inner | None = None


GOOD = {"name": "n", "size": 1}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "$.inner is missing; add it"),
        ({"inner": None}, "$.inner is null; it should be a valid array"),
        (
            {"inner": [], "iner": []},
            "$ has an unknown key 'iner'; did you mean inner or ei",
        ),
        # One misspelt key is two mistakes; the one that can be fixed is reported.
        ({"iner": []}, "$ has an unknown key 'iner' (and 1 more); did you mean inner"),
        (
            {"inner": [GOOD, {**GOOD, "nam": 1}]},
            "$.inner[1] has an unknown key 'nam'; did you mean name?",
        ),
        (
            {"inner": [], "by_name": {"a b": {**GOOD, "sizes": 1}}},
            "$.by_name['a b'] has an unknown key 'sizes'; did you mean size?",
        ),
        (
            {"inner": [{**GOOD, "colour": 1}]},
            "unknown key 'colour'; use one of: name, ratio, size",
        ),
        (
            {"inner": [{**GOOD, "size": "1"}]},
            "$.inner[0].size is '1'; it should be a v",
        ),
        (
            {"inner": [{**GOOD, "size": True}]},
            "$.inner[0].size is True; it should be a",
        ),
        (
            {"inner": [{**GOOD, "size": 1.5}]},
            "$.inner[0].size is 1.5; it should be a v",
        ),
        (
            {"inner": [{**GOOD, "size": 0}]},
            "is 0; it should be greater than or equal to",
        ),
        (
            {"inner": [{**GOOD, "ratio": "a" * 99}]},
            f"ratio is '{'a' * 56}...; it should",
        ),
        (
            {"inner": [{**GOOD, "name": "wrong"}]},
            "$.inner[0].name.deep[0]: is wrong; ri",
        ),
        ({"inner": [1, 2, 3]}, "$.inner[0] is 1 (and 2 more); it should be an object"),
        ({"inner": [], "either": {"name": "n"}}, "$.either.size is missing; add it"),
    ],
)
def test_data_that_does_not_fit(data: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        validate(Outer, data, "a.json")
    assert str(error.value).startswith("a.json: $")
    assert expected in str(error.value)


def test_path_of_a_part_begins_where_the_part_stands() -> None:
    with pytest.raises(InputError, match=r"^a\.json: \$\.tasks\[3\]\.size is missing"):
        validate(Inner, {"name": "n"}, "a.json", ("tasks", 3))


def test_json_path_quotes_what_is_no_name() -> None:
    assert json_path([]) == "$"
    assert json_path(["tasks", 0, "a_1"]) == "$.tasks[0].a_1"
    assert json_path(["$schema", "spark.app.name"]) == "$['$schema']['spark.app.name']"
