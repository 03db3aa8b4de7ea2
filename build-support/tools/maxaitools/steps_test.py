"""Tests of the steps that commands print."""

import re
import sys

import pytest

from maxaitools.steps import paint, say


@pytest.mark.parametrize(
    ("terminal", "no_color", "shown"),
    [(True, "", "\033[31mx\033[0m"), (True, "1", "x"), (False, "", "x")],
)
def test_colors_are_for_a_terminal(
    terminal: bool, no_color: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert paint("x", "red") == shown
    assert paint("x", None) == "x"


def test_a_step_has_the_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    say("first: started")
    assert re.fullmatch(r" *\d+\.\d s  first: started\n", capsys.readouterr().out)
