"""Tests of the command line of local runs, and of what they print."""

import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from maxairesources.errors import InputError
from maxaitools.local import dag_run, run_dags

OBJECTIVE = "maxaidags/shop/one/first"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["maxaidags", "--from", "x"], 2, "--from, --retries and --report"),
        ([OBJECTIVE, "--report", "none/a.html"], 2, "can't open 'none/a.html'"),
        ([OBJECTIVE, "--date", "June"], 2, "argument --date: invalid"),
        ([OBJECTIVE, "--task", "a", "--from", "b"], 2, "not allowed with argument"),
        ([OBJECTIVE, "--deployment", "pord"], 2, "toml; did you mean prod?"),
        # It has no overlay.
        (
            [OBJECTIVE, "--deployment", "dev", "--conf", "[1]"],
            1,
            "--conf: is not a JSO",
        ),
        ([OBJECTIVE, "--conf", "[1]"], 1, "--conf: is not a JSON object"),
        ([OBJECTIVE], 1, "create it with the input files"),
        (["maxaidags"], 1, "the Docker engine: docker is not installed; run build-sup"),
    ],
)
def test_wrong_use(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("MAXAI_DATA_ROOT", raising=False)
    settings = 'prefix = "maxai"\n[deployments]\ndev = {}\nprod = {}\n'
    (tmp_path / "marketplace.toml").write_text(settings)
    if arguments == ["maxaidags"]:
        (tmp_path / "data").mkdir()
    try:
        assert run_dags.main(arguments) == code
    except SystemExit as error:
        assert error.code == code
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_the_configs_are_checked_without_an_image_or_an_engine(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("MAXAI_DATA_ROOT", ".")
    (tmp_path / "marketplace.toml").write_text('prefix = "maxai"')
    assert run_dags.main([OBJECTIVE, "--check"]) == 0
    folder = tmp_path / "maxaiconfigs/shop/one"
    folder.mkdir(parents=True)
    (folder / "kubepod_config.json").write_text('{"taks": []}')
    for options in ([], ["--check"]):
        assert run_dags.main([OBJECTIVE, *options]) == 1
        (message,) = capsys.readouterr().err.splitlines()
        assert "shop/one/kubepod_config.json: $ has an unknown key 'taks'" in message


def test_a_run_may_begin_at_a_task_or_be_of_one_alone() -> None:
    with DAG("dag") as dag:
        first, second, third = (EmptyOperator(task_id=name) for name in "abc")
        first >> second >> third
    assert {*dag_run.select(dag, None, None).task_ids} == {"a", "b", "c"}
    assert {*dag_run.select(dag, "b", None).task_ids} == {"b"}
    assert {*dag_run.select(dag, None, "b").task_ids} == {"b", "c"}
    message = "--from: the DAG has no task 'x'; use one of: a, b, c"
    with pytest.raises(InputError, match=message):
        dag_run.select(dag, None, "x")


def test_a_date_is_in_the_dags_time_zone_and_after_its_start() -> None:
    start = datetime.datetime(2018, 1, 1, tzinfo=ZoneInfo("America/New_York"))
    with DAG("dag", start_date=start) as dag:
        EmptyOperator(task_id="a")
    assert dag_run.check_date(dag, datetime.datetime(2018, 1, 1)) == start
    for year, message in ((2017, "--date: .* of 2017-06-01"), (2999, "before now")):
        with pytest.raises(InputError, match=message):
            dag_run.check_date(dag, datetime.datetime(year, 6, 1))
