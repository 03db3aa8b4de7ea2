"""Tests of `./pants new adopt` with a domain as a company has it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from maxaitools import lock
from maxaitools.conventions.check import Domain, check
from maxaitools.new import create as new

CONFIGS, DAG = "maxaiconfigs/web/clicks", "maxaidags/web/clicks/daily"
CODE = "maxaiusecases/web"
MAIN = '\nif __name__ == "__main__":\n    main()\n'
OLD = {
    f"{CONFIGS}/spark_config.json": '{"spark.executor.memory": "2g"}',
    f"{CONFIGS}/daily/py_config.json": '{"count": {"input_path": "x.csv"}}',
    f"{DAG}/dag.py": "from airflow import DAG\n",
    f"{CODE}/Dockerfile": "FROM python:3.11-slim\nCOPY . .\n",
    f"{CODE}/README.md": "# Web\n",
    f"{CODE}/requirements.txt": "pyspark==3.5.1",
    f"{CODE}/setup.py": "setup(name='web')\n",
    f"{CODE}/clicks/handlers/__init__.py": "",
    f"{CODE}/clicks/handlers/count.py": f"import pyspark\n{MAIN}",
    f"{CODE}/clicks/handlers/tables.py": "import pyspark\n",
}
NEEDED = "fsspec, pandas, pyarrow, pydantic"
PROBLEM = (
    f"{CODE}/requirements.txt: maxairesources also needs {NEEDED}; run ./pants new"
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the old domain, in which a lock needs no package index."""
    for name in ("build-support/images", "3rdparty/python"):
        shutil.copytree(name, tmp_path / name)
    for name in ("pants.toml", "marketplace.toml"):
        shutil.copy(name, tmp_path)
    for path, text in OLD.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    def compile_lock(resolve: lock.Resolve, *, upgrade: bool) -> bool:
        resolve.lock.write_text("pyspark==3.5.1 \\\n")
        return True

    monkeypatch.setattr(lock, "compile_lock", compile_lock)
    monkeypatch.setenv("MAXAI_PROBLEMS", f"{CODE}_2/x: missing; y\n{PROBLEM}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def adopt(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return what a person has to decide, by the path of the file."""
    new.main(["adopt", "web"])
    printed = capsys.readouterr().out.partition("to decide:\n")[2].partition("next:")[0]
    return dict(line.strip().split(": ", 1) for line in printed.splitlines())


def test_only_missing_files_are_written_and_each_decision_is_a_line(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = adopt(capsys)
    written = {
        str(p.relative_to(tree)) for p in tree.glob("maxai*/**/*") if p.is_file()
    }
    names = ("BUILD", "image_test.py", "requirements.lock")
    tests = {f"{DAG}/dag_test.py", f"{DAG}/run_test.py"}
    assert written - OLD.keys() == {*(f"{CODE}/{name}" for name in names), *tests}
    changed = {path for path, text in OLD.items() if Path(path).read_text() != text}
    assert changed == {f"{CODE}/requirements.txt"}
    requirements = Path(CODE, "requirements.txt").read_text().splitlines()
    assert requirements[0] == "pyspark==3.5.1" and "fsspec>=2025.3" in requirements
    expected = {
        f"{CONFIGS}/spark_config.json": "has no tasks; write them, or delete it and run",
        f"{CONFIGS}/daily/py_config.json": "$.count has an unknown key 'input_path'",
        f"{DAG}/dag.py": "does not use DAGFactory",
        f"{CODE}/Dockerfile": "outside-pants: it does not use maxaiusecases.web/deps.pex",
        f"{CODE}/setup.py": "outside-pants: it does not use maxaiusecases",
        f"{CODE}/clicks/handlers/count.py": "does not use config.main and ports",
        f"{CODE}/requirements.txt": "pyspark 3.5.1 is locked; maxairesources needs pys",
    }
    assert found.keys() == expected.keys()
    assert all(found[path].startswith(text) for path, text in expected.items())


def test_a_deleted_file_is_written_as_that_of_a_new_domain(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    adopt(capsys)
    monkeypatch.setenv("MAXAI_PROBLEMS", "")
    for path in OLD:
        if not path.endswith(("README.md", "requirements.txt", "count.py")):
            Path(path).unlink()
    found = adopt(capsys)
    assert found.keys() == {
        f"{CODE}/requirements.txt",
        f"{CODE}/clicks/handlers/count.py",
    }
    assert check(Domain("web")) == []
    assert "FROM maxai/spark:" in Path(CODE, "Dockerfile").read_text()
    tasks = json.loads(Path(CONFIGS, "spark_config.json").read_text())["tasks"]
    config = json.loads(Path(CONFIGS, "daily/py_config.json").read_text())
    assert [task["name"] for task in tasks] == ["count"] == [*config][1:]
    assert config["count"]["function"]["args"] == {}


def test_a_line_that_is_not_valid_is_left_to_the_person(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = f"{CODE}/requirements.txt:1: not a valid requirement; write a line"
    monkeypatch.setenv("MAXAI_PROBLEMS", problem)
    found = adopt(capsys)
    assert found[f"{CODE}/requirements.txt:1"].startswith("not-built: not a valid")
    assert not Path(CODE, "requirements.lock").exists()


def test_a_domain_that_is_not_here(tree: Path) -> None:
    with pytest.raises(
        SystemExit, match="maxaiusecases/shop: missing; copy the domain"
    ):
        new.main(["adopt", "shop"])
