from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.python.dependency_inference import rules as python_inference
from pants.backend.python.target_types import (
    PythonSourcesGeneratorTarget,
    PythonTestsGeneratorTarget,
)
from pants.backend.python.target_types_rules import rules as python_target_rules
from pants.core.goals import package
from pants.core.target_types import FilesGeneratorTarget, FileTarget, ResourceTarget
from pants.core.target_types import rules as core_target_rules
from pants.core.util_rules import source_files
from pants.engine.addresses import Address
from pants.engine.fs import (
    Digest,
    DigestContents,
    DigestEntries,
    FileEntry,
    PathGlobs,
)
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import Get, rule
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.graph import configs, release_target
from marketplace.release import release
from marketplace.release.image_tags import TaggedImage
from marketplace.release.release import Release, ReleaseFieldSet, base_of, hash_tree

CODE = """\
python_sources(name='{}', sources=['*/**/*.py', '!**/*_test.py'])
python_tests(name='tests', sources=['**/*_test.py'])
"""
HANDLERS = "maxaiusecases/shop/churn/handlers"
CONFIGS, DAG = "maxaiconfigs/shop/churn", "maxaidags/shop/churn/weekly"
KUBEPOD = {
    "tasks": [
        {
            "conf": {
                "image": "maxai/shop",
                "arguments": [f"{HANDLERS}/fit".replace("/", ".")],
            }
        }
    ]
}
FILES: dict[str, Any] = {
    "BUILD": "marketplace_release(name='release')",
    "maxaiusecases/shop/BUILD": "docker_image(name='image', repository='maxai/shop')\n"
    + CODE.format("handlers"),
    "maxaiusecases/shop/Dockerfile": "FROM maxai/spark:1 AS deps\nFROM maxai/spark:2\n",
    "maxaiusecases/shop/README.md": "",
    f"{HANDLERS}/fit.py": "",
    f"{HANDLERS}/fit_test.py": "",
    "maxaiconfigs/BUILD": "marketplace_configs(name='shop', sources=['shop/**/*.json'])",
    f"{CONFIGS}/kubepod_config.json": json.dumps(KUBEPOD),
    f"{CONFIGS}/kubepod_config.prod.json": "{}",
    f"{CONFIGS}/weekly/notes.txt": "",
    f"{CONFIGS}/weekly/py_config.json": "{}",
    f"{CONFIGS}/weekly/py_config.dev.json": "{}",
    "maxaidags/BUILD": "file(name='ignore', source='.airflowignore')\n"
    + CODE.format("dags"),
    "maxaidags/.airflowignore": "",
    f"{DAG}/dag.py": "from maxairesources.dagfactory import DAGFactory\n",
    f"{DAG}/dag_test.py": "import maxairesources.testing\n",
    "maxairesources/BUILD": "python_sources(dependencies=[':table'])\n"
    "resource(name='table', source='table.json')\n",
    "maxairesources/__init__.py": "",
    "maxairesources/dagfactory.py": "import maxairesources.store\n",
    "maxairesources/store.py": "",
    "maxairesources/table.json": "{}",
    "maxairesources/testing.py": "",
}
RELEASED = {
    ".airflowignore",
    "maxaiusecases/shop/image.json",
    f"{CONFIGS}/kubepod_config.json",
    f"{CONFIGS}/kubepod_config.prod.json",
    f"{CONFIGS}/weekly/py_config.json",
    f"{CONFIGS}/weekly/py_config.dev.json",
    f"{DAG}/dag.py",
    "maxairesources/__init__.py",
    "maxairesources/dagfactory.py",
    "maxairesources/store.py",
    "maxairesources/table.json",
}


@rule
async def tag_by_the_handlers(field_set: DockerPackageFieldSet) -> TaggedImage:
    """Replace the rule of content tags, which needs a PEX."""
    folder = field_set.address.spec_path
    globs = PathGlobs([f"{folder}/*/handlers/*.py", f"!{folder}/*/handlers/*_test.py"])
    contents = await Get(DigestContents, PathGlobs, globs)
    tag = hashlib.sha256(repr(contents).encode()).hexdigest()
    return TaggedImage(field_set, str(field_set.repository.value), tag)


@pytest.fixture
def rule_runner() -> RuleRunner:
    result = RuleRunner(
        rules=[
            *configs.rules(),
            *core_target_rules(),
            *package.rules(),
            *python_inference.rules(),
            *python_target_rules(),
            *release.rules(),
            *release_target.rules(),
            *source_files.rules(),
            tag_by_the_handlers,
            QueryRule(DigestEntries, [Digest]),
            QueryRule(Release, [ReleaseFieldSet]),
        ],
        target_types=[
            configs.ConfigsTarget,
            configs.ConfigTarget,
            DockerImageTarget,
            FilesGeneratorTarget,
            FileTarget,
            ResourceTarget,
            PythonSourcesGeneratorTarget,
            PythonTestsGeneratorTarget,
            release_target.MarketplaceRelease,
        ],
    )
    result.set_options(
        ["--python-infer-use-rust-parser", "--python-infer-init-files=always"]
    )
    result.write_files(FILES)
    return result


def build(rule_runner: RuleRunner) -> Release:
    target = rule_runner.get_target(Address("", target_name="release"))
    return rule_runner.request(Release, [ReleaseFieldSet.create(target)])


def contents(rule_runner: RuleRunner, built: Release) -> dict[str, bytes]:
    files = rule_runner.request(DigestContents, [built.digest])
    return {file.path[len(built.path) + 1 :]: file.content for file in files}


def test_a_release_holds_exactly_the_files_that_dags_need(
    rule_runner: RuleRunner,
) -> None:
    files = contents(rule_runner, build(rule_runner))
    assert files.keys() == RELEASED
    assert b"maxaidags" not in files[".airflowignore"]
    image = json.loads(files["maxaiusecases/shop/image.json"])
    tag = {"repository": "maxai/shop", "tag": image["tag"]}
    assert image == {"base": "maxai/spark:2", **tag}


def test_the_name_of_a_release_is_the_hash_of_its_git_tree(
    rule_runner: RuleRunner, tmp_path: Path
) -> None:
    built = build(rule_runner)
    assert built.path == f"release/{hash_tree(contents(rule_runner, built))}"
    # Git sorts the folder `a` between the two files.
    files = {"a.b": "é".encode(), "a/b/c": b"", "a0": b"1\r\n", "b/c": b""}
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), *arguments]
        return subprocess.check_output(command, text=True).strip()

    git("init", "--quiet")
    git("add", "--all")
    assert hash_tree(files) == git("write-tree")


def test_the_same_content_is_the_same_release(rule_runner: RuleRunner) -> None:
    before = build(rule_runner)
    # The mode of a file and the files outside the release are not its content.
    for path in (f"{DAG}/dag.py", f"{CONFIGS}/kubepod_config.json"):
        Path(rule_runner.build_root, path).chmod(0o755)
    for path in (
        f"{DAG}/dag_test.py",
        f"{HANDLERS}/fit_test.py",
        "maxaiusecases/shop/README.md",
        "maxairesources/testing.py",
        f"{CONFIGS}/weekly/notes.txt",
    ):
        rule_runner.write_files({path: "# Changed.\n"})
    rule_runner.write_files({"BUILD": f"{FILES['BUILD']}  # Changed.\n"})
    after = build(rule_runner)
    assert (after.path, after.digest) == (before.path, before.digest)
    entries = rule_runner.request(DigestEntries, [after.digest])
    assert not any(isinstance(e, FileEntry) and e.is_executable for e in entries)


@pytest.mark.parametrize(
    "path",
    [
        f"{CONFIGS}/kubepod_config.json",
        f"{CONFIGS}/kubepod_config.prod.json",
        f"{CONFIGS}/weekly/py_config.dev.json",
        f"{DAG}/dag.py",
        f"{HANDLERS}/fit.py",
        "maxairesources/store.py",
        "maxairesources/table.json",
        "maxaiusecases/shop/Dockerfile",
    ],
)
def test_a_changed_byte_makes_another_release(
    path: str, rule_runner: RuleRunner
) -> None:
    before = build(rule_runner)
    rule_runner.write_files({path: FILES[path].replace("spark:2", "spark:3") + "\n"})
    assert build(rule_runner).path != before.path


def test_a_new_overlay_and_a_new_dag_are_in_the_release(
    rule_runner: RuleRunner,
) -> None:
    new = "maxaidags/shop/churn/daily"
    rule_runner.write_files(
        {
            f"{CONFIGS}/kubepod_config.staging_2.json": "{}",
            f"{new}/BUILD": CODE,
            f"{new}/dag.py": "",
        }
    )
    files = contents(rule_runner, build(rule_runner))
    assert {f"{CONFIGS}/kubepod_config.staging_2.json", f"{new}/dag.py"} < files.keys()


def test_a_dependency_outside_the_release_is_reported(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "other/BUILD": "python_sources()",
            "other/helper.py": "",
            f"{DAG}/dag.py": "import other.helper\n",
        }
    )
    message = "//:release: a DAG depends on other/helper.py, which a release cannot hold; move"
    with pytest.raises(ExecutionError, match=message):
        build(rule_runner)


@pytest.mark.parametrize(
    ("dockerfile", "base"),
    [
        ("FROM maxai/spark:1\nRUN x", "maxai/spark:1"),
        ("# FROM no\nFROM a:1 AS deps\nFROM b:2\nCOPY --from=deps a b", "b:2"),
        (
            "from --platform=linux/amd64 r.test:5000/a@sha256:0 as x",
            "r.test:5000/a@sha256:0",
        ),
        ("ARG base=debian\nFROM ${base}:12\n", "debian:12"),
        ("FROM a:1 AS x\nFROM x AS y\nFROM y\n", "a:1"),
    ],
)
def test_the_base_is_the_base_of_the_last_stage(dockerfile: str, base: str) -> None:
    assert base_of(dockerfile) == base
