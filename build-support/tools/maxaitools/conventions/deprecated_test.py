"""Tests of the warnings to the readers of a deprecated usecase."""

import json
from pathlib import Path
from typing import Any

import pytest

from maxaitools.conventions.check import main
from maxaitools.conventions.deprecated import main as print_past

DOMAIN, ENDS = Path("maxaiconfigs/shop/domain.json"), "2027-03-01: use churn2"
READER = "maxaiconfigs/bank/risk/score/py_config.json"


def write(path: str | Path, data: Any) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(data if isinstance(data, str) else json.dumps(data))


def port(path: str) -> dict[str, Any]:
    return {"port": 1, "sourceDetails": {"source": "file", "filePath": path}}


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("marketplace.toml", 'prefix = "ai"\n[deployments.dev]\n')
    write(DOMAIN, {"deprecated": {"churn": ENDS}})
    output = {"input": [port("a.csv")], "output": [port("b.csv")]}
    write("maxaiconfigs/shop/churn/monthly/py_config.json", {"churn": output})
    again = {"$schema": "x", "again": {"input": [port("b.csv")], "output": []}}
    write("maxaiconfigs/shop/churn/daily/py_config.json", again)
    write(READER, {"score": {"input": [port("a.csv"), port("b.csv")], "output": []}})


def test_lint_warns_the_readers_and_does_not_fail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--domain=*"]) == 0
    warning = (
        f"{READER}: deprecated: task 'score' reads b.csv of shop/churn, "
        "which ends on 2027-03-01; use churn2"
    )
    assert capsys.readouterr().out.splitlines() == [warning]
    write(DOMAIN, {"deprecated": {"chrun": ENDS}})
    main(["--domain=shop"])
    expected = (
        "orphan: $.deprecated has an unknown usecase 'chrun'; did you mean churn?"
    )
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({"churn": "2020-03-01: use churn2"}, 2),
        ({"churn": "9999-03-01: use churn2"}, 0),
        ({"churn": "2020-13-01: use churn2", "b": 1}, 0),
        ([], 0),
        ("[" * 100_000, 0),
    ],
)
def test_the_command_prints_what_is_past_its_day(
    given: Any, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    write(DOMAIN, given if isinstance(given, str) else {"deprecated": given})
    write("maxaiconfigs/bank/risk/bad/py_config.json", {"a": [], "b": {"input": 1}})
    print_past()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == lines
    if lines:
        start = "- maxaiconfigs/shop/churn: deprecated since 2020-03-01; delete it (use"
        assert printed[0].startswith(start)
        assert printed[1].startswith(f"  - {READER}: ")
