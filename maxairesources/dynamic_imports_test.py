import pytest

from maxairesources.dynamic_imports import find_dynamic_import


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import a\nimportlib.import_module(N)", (2, "import_module")),
        ("from importlib import import_module as load", (1, "import_module")),
        ("a = map(import_module, N)", (1, "import_module")),
        ("getattr(importlib, 'import_module')(N)", (1, "import_module")),
        ("\n__import__(N)", (2, "__import__")),
        ("spec.loader.exec_module(N)", (1, "exec_module")),
        ("import runpy\nimport_module = 1", (1, "runpy")),
        ("from runpy import run_path", (1, "runpy")),
        ("match 1:\n    case _:\n        __import__(N)", (3, "__import__")),
        ("not Python but __import__", (1, "__import__")),
        ("# Not importlib.import_module(N): it\nimport a", None),
        ('"A string about import_module."\ndef run_path(a): pass\nrun_path(1)', None),
        ("not Python", None),
    ],
)
def test_the_first_dynamic_import_is_found(
    text: str, expected: tuple[int, str] | None
) -> None:
    assert find_dynamic_import(text) == expected
