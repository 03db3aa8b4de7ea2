"""Tests that `--changed-since` selects exactly the images and tests whose inputs differ.

An oracle computes the inputs, without dependents and without the selection: the goal `inputs`
prints a hash of the build context of each image, of the process that runs each test, and of the
release. A change affects what has another hash afterwards. An image has another content tag if
it has another build context.
"""

from __future__ import annotations

import hashlib
import json
import sys
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any, Callable, Iterable

import pytest
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.docker.util_rules.docker_build_context import (
    DockerBuildContext,
    DockerBuildContextRequest,
)
from pants.backend.python.goals import pytest_runner
from pants.backend.python.subsystems.pytest import PythonTestFieldSet
from pants.backend.python.target_types import PythonTestTarget
from pants.core.goals.package import BuiltPackage, PackageFieldSet
from pants.core.goals.test import TestRequest
from pants.core.util_rules.partitions import Partitions
from pants.engine.addresses import Address
from pants.engine.console import Console
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.rules import Get, MultiGet, collect_rules, goal_rule
from pants.engine.target import (
    FieldSetsPerTarget,
    FieldSetsPerTargetRequest,
    Targets,
)

from marketplace.small_marketplace import (
    CONFIGS,
    DAG,
    FRAUD,
    HANDLERS,
    MACROS,
    NEW_LOCK,
    TEST_FILES,
    Repository,
    add_domain,
    delete_domain,
    install_docker,
)
from marketplace.tags import TaggedImage
from maxairesources.tree import TREES

pytest_plugins = ("marketplace.small_marketplace",)


class InputsSubsystem(GoalSubsystem):
    name = "inputs"
    help = "Prints a hash of the inputs of each image and test, and of the release."


class Inputs(Goal):
    subsystem_cls = InputsSubsystem
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


@goal_rule
async def print_inputs(targets: Targets, console: Console) -> Inputs:
    images = [target for target in targets if isinstance(target, DockerImageTarget)]
    tests = [target for target in targets if isinstance(target, PythonTestTarget)]
    contexts = await MultiGet(
        Get(DockerBuildContext, DockerBuildContextRequest(address=image.address))
        for image in images
    )
    # The tests of a batch share a process, so each test is partitioned alone.
    partitions = await MultiGet(
        Get(
            Partitions,
            TestRequest.PartitionRequest,
            pytest_runner.PyTestRequest.PartitionRequest(
                (PythonTestFieldSet.create(test),)
            ),
        )
        for test in tests
    )
    setups = await MultiGet(
        Get(
            pytest_runner.TestSetup,
            pytest_runner.TestSetupRequest(
                partition.elements, partition.metadata, is_debug=False
            ),
        )
        for (partition,) in partitions
    )
    release = [target for target in targets if target.alias == "marketplace_release"]
    field_sets = await Get(
        FieldSetsPerTarget, FieldSetsPerTargetRequest(PackageFieldSet, release)
    )
    releases = await MultiGet(
        Get(BuiltPackage, PackageFieldSet, each) for each in field_sets.field_sets
    )
    tagged = await MultiGet(
        Get(TaggedImage, Address, image.address) for image in images
    )
    values = (*contexts, *(setup.process for setup in setups), *releases)
    found = zip((*images, *tests, *release), values)
    hashes = {
        target.address.spec: hashlib.sha256(repr(value).encode()).hexdigest()
        for target, value in found
    }
    tags = {f"{image.address}'s tag": each.tag for image, each in zip(images, tagged)}
    console.print_stdout(json.dumps({**hashes, **tags}))
    return Inputs(exit_code=0)


def rules() -> Iterable[Any]:
    return collect_rules()


# Pants looks for the rules of the backend `oracle` in this module.
sys.modules["oracle.register"] = sys.modules[__name__]


class Oracle:
    """Finds the inputs of images, tests and the release.

    Attributes:
        before: the hashes of the inputs at the base, by address.
        affected: the number of targets that all cases so far affect, without images.
        surplus: the other targets that were selected.
    """

    def __init__(self, repository: Repository, docker: Path) -> None:
        # A test that runs an image has its content tag as an input.
        install_docker(docker)
        self._options = (
            "--backend-packages=+['oracle']",
            f"--docker-executable-search-paths=['{docker}']",
        )
        self._repository = repository
        self.before = self.inputs()
        self.affected = 0
        self.surplus: list[str] = []

    def inputs(self, *options: str) -> dict[str, str]:
        """Return the hashes of the inputs, of all targets or of those that options select."""
        result = self._repository.pants(*self._options, *options, "inputs", "::")
        assert result.returncode == 0, result.stderr
        inputs: dict[str, str] = json.loads(result.stdout)
        return inputs


@pytest.fixture(scope="module")
def oracle(
    shared_repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> Oracle:
    return Oracle(shared_repository, tmp_path_factory.mktemp("docker"))


# A change of files: `append(path)` calls the method `append` of a repository.
Edit = Callable[[Repository], object]
append, commit, delete, git, move, replace, write = (
    partial(methodcaller, name)
    for name in ("append", "commit", "delete", "git", "move", "replace", "write")
)


def both(*edits: Edit) -> Edit:
    def edit(repository: Repository) -> None:
        for each in edits:
            each(repository)

    return edit


def copy_usecase(repository: Repository) -> None:
    for tree in TREES:
        repository.copy(f"{tree}/bank/fraud", f"{tree}/bank/added", "fraud", "added")


def beside(*edits: Edit) -> Edit:
    """Commit a change on the branch `side`, and return to the base."""
    back = git("checkout", "--quiet", "-B", "case", "base")
    return both(git("checkout", "--quiet", "-B", "side"), *edits, commit(), back)


ODD, MOVED = "two words [1].py", "maxaiusecases/shop/churn/handlers/moved [2].py"
OVERLAY, CONFIG = (f"{CONFIGS}/kubepod_config{end}.json" for end in (".prod", ""))
CODE = HANDLERS.replace("/", ".")
PROGRAM = '{"tasks": [{"conf": {"image": "maxai/bank", "arguments": ["/opt/run.sh"]}}]}'
RANK = (f"{HANDLERS}/rank.py", f"{HANDLERS}/rank_test.py")
WEEKLY = [f"{tree}/bank/risk/weekly" for tree in TREES[:2]]

DEFAULTS = """\
__defaults__(
    {python_tests: dict(resolve="airflow", extra_env_vars=["A=1"])}, extend=True
)
"""
CASES: dict[str, Edit] = {
    "handler": append(f"{HANDLERS}/rank.py"),
    "handler that others import": append(f"{HANDLERS}/model.py"),
    "handler added": both(
        write(f"{HANDLERS}/added.py", ""),
        write(f"{HANDLERS}/added_test.py", f"import {CODE}.added\n"),
    ),
    "handler deleted": delete(*RANK),
    "handler that others import deleted": delete(f"{HANDLERS}/model.py"),
    "handler renamed": both(
        *(move(path, path.replace("rank", "order")) for path in RANK),
        write(f"{HANDLERS}/order_test.py", f"import {CODE}.order\n"),
        replace(CONFIG, f"{CODE}.rank", f"{CODE}.order"),
    ),
    "handler moved to another domain": move(f"{HANDLERS}/{ODD}", MOVED),
    "handler with an odd name": append(f"{HANDLERS}/{ODD}"),
    "handler with an odd name added": write(f"{FRAUD}/handlers/{ODD}", ""),
    "handler with an odd name deleted": delete(f"{HANDLERS}/{ODD}"),
    "handler executable": lambda r: (r.root / RANK[0]).chmod(0o755),
    "__init__ emptied": write(f"{HANDLERS}/__init__.py", ""),
    "__init__ deleted": delete(f"{HANDLERS}/__init__.py"),
    "test": append(RANK[1]),
    "test deleted": delete(RANK[1]),
    **{f"{path.split('/')[-1]} of tests": append(path) for path in TEST_FILES},
    **{
        f"{path.split('/')[-1]} of tests deleted": delete(path)
        for path in TEST_FILES[1:]
    },
    "conftest deleted": delete("maxaidags/shop/churn/conftest.py"),
    "image test": append("maxaiusecases/bank/image_test.py"),
    "data beside handlers": append(f"{HANDLERS}/query.sql"),
    "data below handlers": append(f"{HANDLERS}/sql/deep [1].sql"),
    "data beside handlers added": write(f"{HANDLERS}/more/a [b]?.txt", "a"),
    "data with an address in its name": both(
        *(write(f"{HANDLERS}/{name}.txt", "a") for name in ("#a:b@c", ":d", "-e", "é"))
    ),
    "data beside handlers deleted": delete(f"{HANDLERS}/query.sql"),
    "data below handlers deleted": delete(f"{HANDLERS}/sql/deep [1].sql"),
    "data beside handlers renamed": move(f"{HANDLERS}/query.sql", f"{HANDLERS}/q.sql"),
    "data beside a DAG": append(f"{DAG}/load.sql"),
    "data beside a DAG deleted": delete(f"{DAG}/load.sql"),
    "data of all DAGs of a usecase": append("maxaidags/bank/risk/shared.sql"),
    "launch config": append(CONFIG, "\n"),
    "launch config of another program": write(CONFIG, PROGRAM),
    "overlay": append(OVERLAY, "\n"),
    "overlay added": write(f"{CONFIGS}/kubepod_config.dev.json", "{}"),
    "overlay deleted": delete(OVERLAY),
    "overlay renamed": move(OVERLAY, f"{CONFIGS}/kubepod_config.dev.json"),
    "py_config": append(f"{CONFIGS}/weekly/py_config.json", "\n"),
    "py_config's overlay added": write(f"{CONFIGS}/weekly/py_config.dev.json", "{}"),
    "py_config with an odd name": write(f"{CONFIGS}/weekly/py_config.a [b].json", "{}"),
    "py_config deleted": delete(f"{CONFIGS}/weekly/py_config.json"),
    "DAG": append(f"{DAG}/dag.py"),
    "DAG's test": append(f"{DAG}/dag_test.py"),
    "objective deleted": delete(*WEEKLY),
    "objective renamed": both(
        *(move(path, path.replace("weekly", "daily")) for path in WEEKLY)
    ),
    "usecase added": copy_usecase,
    "usecase deleted": delete(*(f"{tree}/bank/fraud" for tree in TREES)),
    "usecase renamed": both(
        copy_usecase, delete(*(f"{tree}/bank/fraud" for tree in TREES))
    ),
    "domain added": partial(add_domain, name="zoo"),
    "domain deleted": partial(delete_domain, name="bank"),
    "lock": write("maxaiusecases/bank/requirements.lock", NEW_LOCK),
    "requirements": write("maxaiusecases/bank/requirements.txt", "iniconfig>=2\n"),
    "Dockerfile": append("maxaiusecases/bank/Dockerfile"),
    "README": append("maxaiusecases/bank/README.md"),
    "README deleted": delete("maxaiusecases/bank/README.md"),
    "setup.py": append("maxaiusecases/bank/setup.py"),
    "library of all handlers": append("maxairesources/all.py"),
    "library of one domain": append("maxairesources/some.py"),
    "library of DAGs": append("maxairesources/dagfactory.py"),
    "library that nothing imports": append("maxairesources/none.py"),
    "workflow": append(".github/workflows/main.yml"),
    "change and revert": both(
        append(RANK[0]), commit(), git("revert", "--no-edit", "HEAD")
    ),
    "merge": both(
        beside(append(RANK[0])),
        append(f"{DAG}/dag.py"),
        commit(),
        git("merge", "--quiet", "--no-edit", "side"),
    ),
    "base moved on": both(beside(append("maxairesources/all.py")), append(RANK[0])),
    "uncommitted and untracked": both(append(RANK[0]), write(f"{HANDLERS}/new.py", "")),
    # Changes of BUILD files, and of what everything depends on, may select more.
    "pants.toml": append("pants.toml"),
    "pants.toml, an option": replace("pants.toml", '"--no-header", ', ""),
    "pants.toml, a build argument": replace(
        "pants.toml", "[docker]\n", '[docker]\nbuild_args = ["A=1"]\n'
    ),
    "launcher": append("pants"),
    "lock of a tool": append("3rdparty/python/pytest.lock"),
    "plugin": write("build-support/pants-plugins/marketplace/new.py", ""),
    "base image": append("build-support/images/refreshed"),
    "macros": append(MACROS),
    "macros, a variable of tests": replace(MACROS, '"PATH"]', '"PATH", "A=1"]'),
    "BUILD file": append("maxaiusecases/bank/BUILD"),
    "BUILD file with other defaults": append("maxaidags/BUILD", DEFAULTS),
}
NOTHING = {"test deleted", "README", "README deleted", "setup.py", "workflow"}
NOTHING |= {"library that nothing imports", "change and revert"}
# Not inputs of the small marketplace, but of all that CI builds and tests.
EVERYTHING = {"launcher", "lock of a tool", "plugin", "base image"}
UNLIMITED = [*CASES][[*CASES].index("pants.toml") :]


@pytest.mark.parametrize("case", CASES)
def test_what_is_selected_is_what_has_other_inputs(
    case: str, repository: Repository, oracle: Oracle
) -> None:
    CASES[case](repository)
    if case != "uncommitted and untracked":
        repository.commit()
    since = "side" if case == "base moved on" else "base"
    after = oracle.inputs()
    selected = {*oracle.inputs(f"--changed-since={since}")}
    affected = {
        each
        for each in after
        if case in EVERYTHING or oracle.before.get(each) != after[each]
    }
    assert not affected - selected, "missed"
    if case in UNLIMITED:
        return
    assert bool(affected) == (case not in NOTHING)
    images, images_selected = (
        {each for each in some if ":image" in each} for some in (affected, selected)
    )
    assert images_selected == images
    assert not ("test" in case and images)
    oracle.affected += len(affected - images)
    for each in selected - affected:
        # By design, the tests of a DAG belong to the handlers and the image that it launches.
        image = f"maxaiusecases/{each.split('/')[1]}:image"
        if "/dag_test.py:" not in each or image not in images:
            oracle.surplus.append(f"{case}: {each}")


def test_few_others_are_selected(oracle: Oracle) -> None:
    # ./pants test --output=all --force <this file> -- -s
    print(f"{oracle.affected} affected, {len(oracle.surplus)} more: {oracle.surplus}")
    assert len(oracle.surplus) <= 0.05 * oracle.affected, oracle.surplus
