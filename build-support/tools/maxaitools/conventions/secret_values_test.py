"""Tests of the search for secrets, with invented ones."""

from typing import Any

import pytest

from maxaitools.conventions.secret_values import find_secrets

KEYS = """
password Password db_password DB_PASSWORD dbPassword passphrase secret client_secret
clientSecret token oauthToken api_key apiKey api-key aws_secret_access_key
connection_string spark.authenticate.secret spark.ssl.rpc.keyStorePassword
spark.hadoop.fs.azure.account.key.lake.dfs.core.windows.net
spark.hadoop.fs.s3a.access.key spark.hadoop.fs.s3a.secret.key
spark.hadoop.fs.s3a.session.token spark.kubernetes.driverEnv.DB_PASSWORD
spark.kubernetes.authenticate.submission.oauthToken
""".split()
VALUES = [
    *("AKIA" + "A1B2" * 4, "ghp_" + "aB3d" * 9, "github_pat_" + "aB3d" * 6),
    *("glpat-" + "aB3d" * 5, "AIza" + "aB3d5" * 7, "xoxb-" + "12345" * 3),
    *("-----BEGIN RSA PRIVATE KEY-----", "redis://:hunter2@cache:6379"),
    *("postgresql://shop:hunter2@db/shop", "-Djavax.net.ssl.keyPassword=hunter2"),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
    "DefaultEndpointsProtocol=https;AccountKey=abc==",
    "jdbc:postgresql://db/shop?user=shop&password=hunter2",
    "https://lake.blob.core.windows.net/a?sv=2024&sig=hunter2",
]
# Keys and values that only name a secret, or resemble one.
FINE: list[tuple[str, Any]] = [
    *(("password", value) for value in ("", "{{ conn\n.shop.password }}", "$PASSWORD")),
    *(("password", "{% if x %}y{% endif %}"), ("pad_token", "[PAD]")),
    *(("eos_token", "</s>"), ("token", None), ("tokens", "12"), ("token_count", "12")),
    *(("max_token", 512), ("tokenizer", "words"), ("key", "customer_id")),
    *(("keys", ["customer_id"]), ("primary_key", "customer_id")),
    *(("credentials", "./key.json"), ("GOOGLE_APPLICATION_CREDENTIALS", "/key.json")),
    ("address", "postgresql://{{ conn.shop.login }}:{{ conn.shop.password }}@db"),
    *(("address", "s3://bucket/a:b@c"), ("clock", "https://host:443/a@b")),
    *(("address", "10.0.0.1"), ("run", "123e4567-e89b-12d3-a456-426614174000")),
    ("image", "registry.internal/maxai/shop@sha256:" + "0123456789abcdef" * 4),
    ("broken", "AKIA is how ids of AWS begin"),
    *(("image_pull_secrets", "registry"), ("automount_service_account_token", False)),
    ("env_from", [{"secretRef": {"name": "shop"}}]),
    ("env_vars", [{"name": "STAGE", "value": "dev"}]),
    ("env_vars", [{"name": "DB_PASSWORD", "value": "{{ conn.shop.password }}"}]),
    ("valueFrom", {"secretKeyRef": {"name": "shop", "key": "password"}}),
    ("volumes", [{"name": "v", "secret": {"secretName": "shop"}}]),
    ("spark.authenticate", True),
    ("spark.hadoop.fs.s3a.aws.credentials.provider", "org.example.Provider"),
    ("spark.kubernetes.authenticate.driver.serviceAccountName", "spark"),
    ("spark.kubernetes.authenticate.oauthTokenFile", "/var/run/token"),
    ("spark.kubernetes.container.image.pullSecrets", "registry"),
    ("spark.kubernetes.driver.secretKeyRef.DB_PASSWORD", "shop:password"),
    ("spark.kubernetes.executor.secrets.token", "/mnt/secrets"),
    ("spark.kubernetes.kerberos.tokenSecret.itemKey", "item"),
    ("spark.redaction.regex", "(?i)secret|password|token"),
    ("spark.sql.timeTravelTimestampKey", "timestampAsOf"),
]


@pytest.mark.parametrize("key", KEYS)
def test_secret_by_the_name_of_its_key_is_found(key: str) -> None:
    for value, end in (("hunter2", ()), (["hunter2"], (0,))):
        config = {"a": [{"b": {key: value}}]}
        assert [*find_secrets(config)] == [("a", 0, "b", key, *end)]


@pytest.mark.parametrize("value", VALUES)
def test_secret_by_its_looks_is_found(value: str) -> None:
    config = {"a": {"b": ["x", f"--at={value}"]}}
    assert [*find_secrets(config)] == [("a", "b", 1)]


def test_secret_in_a_variable_or_an_option_is_found() -> None:
    config = {"env_vars": [{"name": "DB_PASSWORD", "value": "hunter2"}]}
    assert [*find_secrets(config)] == [("env_vars", 0, "value")]
    assert [*find_secrets({"a": ["--db-password", "hunter2"]})] == [("a", 1)]
    assert [*find_secrets({"a": ["--db-password", "--user", "hunter2"]})] == []


@pytest.mark.parametrize(("key", "value"), FINE)
def test_what_only_names_a_secret_or_resembles_one_passes(key: str, value: Any) -> None:
    assert [*find_secrets({"a": [{key: value}]})] == []
