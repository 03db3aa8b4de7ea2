from __future__ import annotations

import pytest
from pants.backend.python.target_types import PythonSourcesGeneratorTarget
from pants.backend.python.target_types_rules import rules as python_target_rules
from pants.core.target_types import FilesGeneratorTarget
from pants.core.target_types import rules as core_target_rules
from pants.engine.addresses import Address
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.target import InferredDependencies
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph import data_files
from marketplace.graph.data_files import folders_that_read

HANDLERS = "maxaiusecases/shop/churn/handlers"
DAG = "maxaidags/shop/churn/weekly"
FILES = {
    "maxaidags/BUILD": "data_files(name='data')",
    "maxaiusecases/BUILD": "data_files(name='data')",
    f"{HANDLERS}/BUILD": "python_sources()",
    f"{HANDLERS}/__init__.py": "",
    f"{HANDLERS}/score.py": "",
    f"{HANDLERS}/query.sql": "",
    f"{HANDLERS}/README.md": "",
    f"{HANDLERS}/sql/deep/most.sql": "",
    f"{HANDLERS}/prompts/BUILD": "python_sources()",
    f"{HANDLERS}/prompts/read.py": "",
    f"{HANDLERS}/prompts/ask.md": "",
    "maxaiusecases/shop/churn/notebooks/look.ipynb": "",
    "maxaiusecases/shop/common/BUILD": "python_sources()",
    "maxaiusecases/shop/common/dates.py": "",
    "maxaiusecases/shop/common/holidays.csv": "",
    "maxaiusecases/shop/README.md": "",
    f"{DAG}/BUILD": "python_sources()",
    f"{DAG}/dag.py": "",
    f"{DAG}/load.sql": "",
    "maxaidags/shop/churn/BUILD": "python_sources()",
    "maxaidags/shop/churn/helper.py": "",
    "maxaidags/shop/churn/shared.sql": "",
    "maxaidags/shop/other/daily/BUILD": "python_sources()",
    "maxaidags/shop/other/daily/dag.py": "",
}


@pytest.fixture
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *data_files.rules(),
            *python_target_rules(),
            *core_target_rules(),
            QueryRule(InferredDependencies, [data_files.InferDataFilesRequest]),
            QueryRule(Owners, [OwnersRequest]),
        ],
        target_types=[
            data_files.DataFilesTarget,
            FilesGeneratorTarget,
            PythonSourcesGeneratorTarget,
        ],
    )
    runner.write_files(FILES)
    return runner


def infer(rule_runner: RuleRunner, path: str) -> set[str]:
    folder, _, name = path.rpartition("/")
    target = rule_runner.get_target(Address(folder, relative_file_path=name))
    request = data_files.InferDataFilesRequest(
        data_files.DataFilesFieldSet.create(target)
    )
    inferred = rule_runner.request(InferredDependencies, [request])
    return {f"{each.target_name}: {each.filename}" for each in inferred.include}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (
            f"{HANDLERS}/score.py",
            {f"{HANDLERS}/query.sql", f"{HANDLERS}/sql/deep/most.sql"},
        ),
        (f"{HANDLERS}/prompts/read.py", {f"{HANDLERS}/prompts/ask.md"}),
        (
            "maxaiusecases/shop/common/dates.py",
            {"maxaiusecases/shop/common/holidays.csv"},
        ),
        (f"{DAG}/dag.py", {f"{DAG}/load.sql", "maxaidags/shop/churn/shared.sql"}),
        ("maxaidags/shop/churn/helper.py", {"maxaidags/shop/churn/shared.sql"}),
        ("maxaidags/shop/other/daily/dag.py", set()),
    ],
)
def test_modules_depend_on_the_data_files_beside_them(
    rule_runner: RuleRunner, module: str, expected: set[str]
) -> None:
    assert infer(rule_runner, module) == {f"data: {path}" for path in expected}


def test_a_declared_owner_of_a_data_file_is_inferred_too(
    rule_runner: RuleRunner,
) -> None:
    build = "python_sources()\nfiles(name='own', sources=['query.sql'])"
    rule_runner.write_files({f"{HANDLERS}/BUILD": build})
    assert f"own: {HANDLERS}/query.sql" in infer(rule_runner, f"{HANDLERS}/score.py")


@pytest.mark.parametrize(
    "path",
    [
        f"{HANDLERS}/README.md",
        "maxaiusecases/shop/README.md",
        "maxaiusecases/shop/churn/notebooks/look.ipynb",
    ],
)
def test_other_files_have_no_owner(rule_runner: RuleRunner, path: str) -> None:
    assert list(rule_runner.request(Owners, [OwnersRequest((path,))])) == []


def test_there_may_be_no_data_file() -> None:
    runner = RuleRunner(
        rules=[*data_files.rules(), *core_target_rules()],
        target_types=[data_files.DataFilesTarget],
    )
    runner.write_files({"BUILD": "data_files(name='data')"})
    assert runner.get_target(Address("", target_name="data"))


@pytest.mark.parametrize(
    ("path", "python", "expected"),
    [
        (f"{HANDLERS}/gone.sql", {HANDLERS}, {HANDLERS}),
        (f"{HANDLERS}/sql/gone.sql", {HANDLERS}, {HANDLERS}),
        (f"{HANDLERS}/a/b.sql", {HANDLERS, f"{HANDLERS}/a"}, {f"{HANDLERS}/a"}),
        ("maxaidags/shop/churn/x.sql", {DAG, HANDLERS}, {DAG}),
        (f"{DAG}/x.sql", {DAG, "maxaidags/shop/churn"}, {DAG}),
        ("maxaiusecases/shop/README.md", {"maxaiusecases/shop"}, set()),
        ("maxaiusecases/shop/churn/notebooks/a.csv", {HANDLERS}, set()),
        ("README.md", {HANDLERS}, set()),
    ],
)
def test_the_folders_that_read_a_file(
    path: str, python: set[str], expected: set[str]
) -> None:
    assert folders_that_read(path, python) == expected
