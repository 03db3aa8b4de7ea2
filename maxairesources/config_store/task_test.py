import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest

from maxairesources.config_store import config, task
from maxairesources.config_store.task import Arguments, open_task, read_task
from maxairesources.configs.document import validate
from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.testing.handlers import port, py_config

CONFIG = py_config("t", [port(1, "a.csv")], [port(2, "b.csv")], seed=7)


class Seeded(Arguments):
    seed: task.Seed


def model(kind: Any) -> type[Arguments]:
    return type("Model", (Arguments,), {"__annotations__": {"a": kind}})


def value(kind: Any, given: Any) -> Any:
    """Return what an argument of a kind becomes."""
    config = py_config("t", [], [], a=given)
    return vars(read_task(config, "t", model(kind)).args)["a"]


def test_read_task() -> None:
    found = read_task({"$schema": "x", **CONFIG}, "t", Seeded)
    assert (found.name, found.args.seed) == ("t", 7)
    assert found.input == [Port(**CONFIG["t"]["input"][0])]
    assert [port.port for port in found.output] == [2]
    assert read_task(py_config("t", [], []), "t", Arguments).args == Arguments()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "config: has no task 't'; add it"),
        ({"tt": CONFIG["t"]}, r"config: has no task 't'; did you mean tt\?"),
        ({"t": {**CONFIG["t"], "inputs": []}}, r"key 'inputs'; did you mean input\?"),
        (py_config("t", [], []), r"\$\.t\.function\.args\.seed is missing; add it"),
        (py_config("t", [], [], sed=1), r"args has an unknown key 'sed'.*mean seed"),
    ],
)
def test_malformed_task(config: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read_task(config, "t", Seeded)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (task.Seed, 2**32 - 1, 2**32 - 1),
        (task.Share, 0.3, 0.3),
        (task.Date, "2018-01-01", datetime.date(2018, 1, 1)),
        (task.TimeZone, "America/New_York", "America/New_York"),
        # What Airflow renders is a string.
        (task.Seed, "7", 7),
        (task.Share, "0.5", 0.5),
        (bool, "True", True),
        (list[int], ["1", 2], [1, 2]),
        (dict[str, float], {"a": "1.5"}, {"a": 1.5}),
        (str, "7", "7"),
        (str | int, "7", "7"),
    ],
)
def test_values(kind: Any, given: Any, expected: Any) -> None:
    assert value(kind, given) == expected


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (task.Count, 0, "is 0; it should be greater than or equal to 1"),
        (task.Seed, 2**32, "should be less than or equal to 4294967295"),
        (task.Seed, "2.5", "is '2.5'; it should be a valid integer"),
        (task.Seed, None, "is null; it should be a valid integer"),
        (task.Share, 1, "is 1; it should be less than 1"),
        (task.Date, "2018-02-30", "it should be a valid date .*out"),
        (task.Date, "20180101", "dates should have zero time"),
        (task.TimeZone, "Mars/Base", "not a time zone; use a name such as America/New"),
        (task.TimeZone, "../x", "not a time zone; use a name such as America/New"),
    ],
)
def test_wrong_values(kind: Any, given: Any, expected: str) -> None:
    with pytest.raises(
        InputError, match=rf"^config: \$\.t\.function\.args\.a.*{expected}"
    ):
        value(kind, given)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (task.Seed, 7),
        (task.Seed, "{{ params.seed }}"),
        (task.Date, "{{ ds }}"),
        (list[int], [1, "{% if a %}1{% endif %}"]),
    ],
)
def test_a_template_is_checked_when_its_value_is_known(kind: Any, given: Any) -> None:
    validate(model(kind), {"a": given}, templates=True)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"seed": "7"}, r"\.seed is '7'; it should be a valid integer"),
        ({"sed": "{{ x }}"}, r"unknown key 'sed'; did you mean seed"),
        ({"seed": ["{{ x }}"]}, r"\.seed is \['{{ x }}'\]; it should be a valid int"),
    ],
)
def test_a_committed_argument_has_its_type(args: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        validate(Seeded, args, templates=True)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout. The current folder is that of a usecase's notebooks in it."""
    for objective, tasks in {"first": ["score", "both"], "second": ["both"]}.items():
        path = tmp_path / "maxaiconfigs/bank/risk" / objective / "py_config.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(dict.fromkeys(tasks, CONFIG["t"])))
    (folder := tmp_path / "maxaiusecases/bank/risk/notebooks").mkdir(parents=True)
    monkeypatch.chdir(folder)
    # Without MAXAI_DATA_ROOT, and a copy, because the process gets a default.
    monkeypatch.setattr(os, "environ", {})
    return tmp_path


def test_a_notebook_opens_a_task(root: Path) -> None:
    opened = open_task("score")
    assert (opened.name, opened.args.seed) == ("score", 7)
    assert opened.input[0].address == f"{root}/data/a.csv"
    assert open_task("score", Seeded).args == Seeded(seed=7)
    second = "../../../../maxaiconfigs/bank/risk/second/py_config.json"
    with pytest.raises(InputError, match=f"several .*/first/py_config.json, {second}$"):
        open_task("both")
    assert open_task("both", config=second).args.seed == 7
    with pytest.raises(
        InputError, match="bank/risk: no py_config .*did you mean score"
    ):
        open_task("scroe")
    os.chdir("../..")
    with pytest.raises(
        InputError, match="^/.*/bank: is not in a usecase; move the not"
    ):
        open_task("score")


def test_a_handler_in_a_checkout_finds_its_config(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = root / "maxaiusecases/bank/risk/handlers/score.py"
    code = "def execute(**kwargs): print([*kwargs['config']], kwargs['task'])"
    handler: dict[str, Any] = {"__file__": str(file)}
    exec(code, handler)
    assert config.run_command(handler["execute"], ["--task", "score"]) == 0
    assert capsys.readouterr().out == "['score', 'both'] score\n"
    assert os.environ["MAXAI_DATA_ROOT"] == f"{root}/data"
    assert config.run_command(handler["execute"], ["--task", "both"]) == 1
    assert "several py_configs have a task 'both'" in capsys.readouterr().err
