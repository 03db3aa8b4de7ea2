"""Tests of the search for secrets, with invented ones."""

from typing import Any

import pytest

from maxaitools.conventions.secret_values import find_secrets


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
def test_secret_by_the_name_of_its_key_is_found(key: str) -> None:
    for value, end in (("hunter2", ()), (["hunter2"], (0,))):
        config = {"a": [{"b": {key: value}}]}
        assert [*find_secrets(config)] == [("a", 0, "b", key, *end)]


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
def test_secret_by_its_looks_is_found(value: str) -> None:
    config = {"a": {"b": ["x", f"--at={value}"]}}
    assert [*find_secrets(config)] == [("a", "b", 1)]


def test_secret_in_a_list_of_environment_variables_is_found() -> None:
    config = {"env_vars": [{"name": "DB_PASSWORD", "value": "hunter2"}]}
    assert [*find_secrets(config)] == [("env_vars", 0, "value")]


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
        ("pad_token", "[PAD]"),
        ("eos_token", "</s>"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/var/secrets/google/key.json"),
        ("credentials", "./key.json"),
        ("password", "$DB_PASSWORD"),
        ("password", "{% if x %}{{ conn.shop.password }}{% endif %}"),
        ("image", "registry.internal/maxai/shop@sha256:" + "0123456789abcdef" * 4),
        ("run", "123e4567-e89b-12d3-a456-426614174000"),
        ("address", "10.0.0.1"),
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
    assert [*find_secrets({"a": [{key: value}]})] == []
