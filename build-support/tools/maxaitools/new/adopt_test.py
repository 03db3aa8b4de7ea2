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
# The tools read these.
SETTINGS = {
    "marketplace.toml": 'prefix = "example.com/ai"\n',
    "3rdparty/python/library.txt": "fsspec>=2025.3\npandas\npyarrow\npydantic\npyspark>=4.3\n",
    "pants.toml": """\
[python]
interpreter_constraints = ["CPython==3.11.*"]
resolves = {library = "3rdparty/python/library.lock"}
resolves_to_interpreter_constraints = {}
""",
}
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


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the old domain, in which a lock needs no package index."""
    shutil.copytree("build-support/images", tmp_path / "build-support/images")
    for path, text in (SETTINGS | OLD).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    def compile_lock(resolve: lock.Resolve, *, upgrade: bool) -> bool:
        resolve.lock.write_text("pyspark==3.5.1 \\\n")
        return True

    monkeypatch.setenv("MAXAI_PREFIX", "example.com/ai")
    monkeypatch.setattr(lock, "compile_lock", compile_lock)
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
    with pytest.raises(SystemExit, match="maxaiusecases/wib: missing; copy the domain"):
        new.main(["adopt", "wib"])
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
    see = "see build-support/docs/adopt.md"
    again = f"{see}, or delete it and run this again"
    fix = "delete it, run ./pants new adopt web, and add your own lines"
    unused = "outside-pants: it does not use maxaiusecases"
    assert found == {
        f"{CONFIGS}/spark_config.json": f"has no tasks; {again}",
        f"{CONFIGS}/daily/py_config.json": f"does not describe ports; {again}",
        f"{DAG}/dag.py": f"does not use DAGFactory; {again}",
        f"{CODE}/Dockerfile": f"{unused}.web/deps.pex and sources/maxaiusecases; {fix}",
        f"{CODE}/setup.py": f"{unused}; {fix}",
        f"{CODE}/clicks/handlers/count.py": f"does not use config.main and ports; {see}",
        f"{CODE}/requirements.txt": "maxairesources needs pyspark>=4.3, not 3.5.1; change it",
    }


def test_a_deleted_file_is_written_as_that_of_a_new_domain(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adopt(capsys)
    for path in OLD:
        if not path.endswith(("README.md", "requirements.txt", "count.py")):
            Path(path).unlink()
    found = adopt(capsys)
    assert found.keys() == {
        f"{CODE}/requirements.txt",
        f"{CODE}/clicks/handlers/count.py",
    }
    assert check(Domain("web")) == []
    assert "FROM example.com/ai/spark:" in Path(CODE, "Dockerfile").read_text()
    tasks = json.loads(Path(CONFIGS, "spark_config.json").read_text())["tasks"]
    config = json.loads(Path(CONFIGS, "daily/py_config.json").read_text())
    assert [task["name"] for task in tasks] == ["count"] == [*config][1:]
    assert config["count"]["function"]["args"] == {}
