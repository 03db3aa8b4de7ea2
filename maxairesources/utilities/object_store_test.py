"""Tests with a real object store: moto's server answers as S3 does."""

import json
import logging
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
import s3fs
from moto.server import ThreadedMotoServer

from maxairesources.config_store import config
from maxairesources.config_store.task import Arguments, read_task
from maxairesources.errors import InputError
from maxairesources.testing.handlers import check_error, port, py_config
from maxairesources.utilities.data_connectors import DataFrame
from maxairesources.utilities.tables import read_table

TABLE = pd.DataFrame({"n": [1, 2], "t": ["a", "001"]})


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3 that lets in one user, who has a bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    yield address
    server.stop()


@pytest.fixture(autouse=True)
def store(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The secret key of the user, whose credentials are in the environment."""
    settings = {
        "AWS_ENDPOINT_URL": server,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "maker",
        "AWS_SECRET_ACCESS_KEY": "maker",
    }
    for name in list(os.environ):
        if name.startswith(("AWS_", "FSSPEC_")):
            monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    iam, everything = boto3.client("iam"), {"Effect": "Allow", "Resource": "*"}
    statement = {**everything, "Action": "s3:*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.create_user(UserName="user")
    iam.put_user_policy(
        UserName="user", PolicyName="all", PolicyDocument=json.dumps(policy)
    )
    key = iam.create_access_key(UserName="user")["AccessKey"]
    boto3.client("s3").create_bucket(Bucket="bucket")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    # From here on the server checks who asks.
    post(f"{server}/moto-api/reset-auth", b"0")
    s3fs.S3FileSystem.clear_instance_cache()
    yield key["SecretAccessKey"]
    post(f"{server}/moto-api/reset-auth", b"Infinity")
    post(f"{server}/moto-api/reset", b"")


def post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "text/plain"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def copy(**kwargs: Any) -> None:
    """A handler that copies its table."""
    settings = read_task(kwargs["config"], kwargs["task"], Arguments)
    DataFrame().write(read_table(settings.input, {"n": "number"}), settings.output)


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_what_is_written_is_read(suffix: str) -> None:
    ports = [port(1, f"bucket/new/x.{suffix}", source="s3")]
    for table in (TABLE, TABLE[1:]):
        DataFrame().write(table, ports)
        assert DataFrame().get(ports)["n"].tolist() == table["n"].tolist()
    assert s3fs.S3FileSystem().find("bucket") == [f"bucket/new/x.{suffix}"]


def test_folder_of_parquet_files() -> None:
    for part in range(2):
        ports = [port(1, f"bucket/x.parquet/{part}.parquet", source="s3")]
        DataFrame().write(TABLE[part : part + 1], ports)
    found = DataFrame().get([port(1, "bucket/x.parquet", source="s3")])
    pd.testing.assert_frame_equal(found, TABLE)


def test_handler_with_its_config_and_data_root_in_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAXAI_DATA_ROOT", "s3://bucket/folder")
    DataFrame().write(TABLE, [port(1, "in.csv")])
    reported = py_config("copy", [port(1, "in.csv")], [port(1, "out/x.parquet")])
    s3fs.S3FileSystem().pipe_file("bucket/c.json", json.dumps(reported).encode())
    argv = ["--config", "s3://bucket/c.json", "--task", "copy"]
    assert config.run_command(copy, argv) == 0
    found = DataFrame().get([port(1, "bucket/folder/out/x.parquet", source="s3")])
    assert found["n"].tolist() == [1, 2]


def test_missing_bucket() -> None:
    ports = [port(1, "no-bucket/x.csv", source="s3")]
    with pytest.raises(InputError, match="^s3://no-bucket/x.csv: no such file; write"):
        DataFrame().get(ports)
    with pytest.raises(InputError, match="^s3://no-bucket/x.csv: cannot be written "):
        DataFrame().write(TABLE, ports)


def test_wrong_credentials_are_reported_in_one_line_without_a_key(
    store: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ports = [port(1, "bucket/x.csv", source="s3")]
    DataFrame().write(TABLE, ports)
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    given = py_config("copy", ports, [port(1, tmp_path / "x.csv")])
    for text in (json.dumps(given), "s3://bucket/x.csv"):
        assert config.run_command(copy, ["--config", text, "--task", "copy"]) == 1
        stderr = capsys.readouterr().err
        check_error(stderr, "error: s3://bucket/x.csv: cannot be read (")
        check_error(stderr, "permissions or credentials of this process")
        assert "hunter2" not in stderr and store not in stderr
    with pytest.raises(InputError, match="cannot be written ") as raised:
        DataFrame().write(TABLE, ports)
    assert "hunter2" not in str(raised.value) and store not in str(raised.value)
