"""Tests that a tag changes if, and only if, the content of the image changes."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.docker.util_rules import docker_build_args, docker_build_env
from pants.backend.python.dependency_inference import rules as python_inference
from pants.backend.python.macros.python_requirements import (
    PythonRequirementsTargetGenerator,
)
from pants.backend.python.macros.python_requirements import (
    rules as requirements_rules,
)
from pants.backend.python.target_types import (
    PexBinary,
    PythonRequirementTarget,
    PythonSourcesGeneratorTarget,
)
from pants.backend.python.target_types_rules import rules as python_target_rules
from pants.backend.python.util_rules import pex_cli
from pants.core.target_types import FilesGeneratorTarget, FileTarget, GenericTarget
from pants.core.target_types import rules as core_target_rules
from pants.core.util_rules import source_files
from pants.engine.addresses import Address
from pants.engine.internals.scheduler import ExecutionError
from pants.testutil.rule_runner import QueryRule, RuleRunner

from marketplace.release import image_sources, image_tags
from marketplace.release.image_tags import TaggedImage

BUILD = """\
python_requirements(name="requirements", source="requirements.txt")
target(name="handlers", dependencies=["lab/probe/handlers", "lab/probe/handlers:data"])
pex_binary(
    name="deps", dependencies=[":handlers"], include_sources=False, layout="packed"
)
image_sources(name="sources", dependencies=[":handlers"])
docker_image(
    name="image", repository="maxai/lab", image_tags=[], dependencies=[":deps", ":sources"]
)
"""
LOCK = """\
numpy==2.3 \\
    --hash=sha256:01
    # via pandas
pandas==2.3.3 \\
    --hash=sha256:02
    # via -r requirements.txt
polars==1.0 \\
    --hash=sha256:03
    # via -r requirements.txt
"""
HANDLERS = "lab/probe/handlers"
FILES = {
    "BUILD": BUILD,
    "Dockerfile": "FROM maxai/python:1\nCOPY sources /opt/maxai\n",
    "requirements.txt": "pandas>=2\npolars\n",
    "requirements.lock": LOCK,
    f"{HANDLERS}/BUILD": "python_sources()\nfiles(name='data', sources=['*.csv'])",
    f"{HANDLERS}/fit.py": "import pandas\n",
    f"{HANDLERS}/table.csv": "a\n1\n",
    "other.py": "import polars\n",
}


class Repository:
    """A repository with one image.

    It has no rule that builds a PEX or an image: a tag needs neither.
    """

    def __init__(self) -> None:
        self.rule_runner = RuleRunner(
            rules=[
                *core_target_rules(),
                *docker_build_args.rules(),
                *docker_build_env.rules(),
                *image_sources.rules(),
                *image_tags.rules(),
                *pex_cli.rules(),
                *python_inference.rules(),
                *python_target_rules(),
                *requirements_rules(),
                *source_files.rules(),
                QueryRule(TaggedImage, [DockerPackageFieldSet]),
            ],
            target_types=[
                DockerImageTarget,
                FilesGeneratorTarget,
                FileTarget,
                GenericTarget,
                PexBinary,
                PythonRequirementTarget,
                PythonRequirementsTargetGenerator,
                PythonSourcesGeneratorTarget,
                image_sources.ImageSources,
            ],
        )
        self.rule_runner.write_files(FILES)
        self.first_tag = self.tag()

    def tag(self, *options: str) -> str:
        options = (
            "--source-root-patterns=['/']",
            "--python-interpreter-constraints=['CPython==3.11.*']",
            "--python-enable-resolves",
            "--no-python-enable-lockfile-targets",
            "--python-infer-use-rust-parser",
            "--python-resolves={'python-default': 'requirements.lock'}",
            *options,
        )
        self.rule_runner.set_options(options, env_inherit={"PATH", "HOME"})
        target = self.rule_runner.get_target(Address("", target_name="image"))
        field_set = DockerPackageFieldSet.create(target)
        return self.rule_runner.request(TaggedImage, [field_set]).tag


@pytest.fixture(scope="module")
def first() -> Repository:
    return Repository()


@pytest.fixture
def repository(first: Repository) -> Iterator[Repository]:
    yield first
    first.rule_runner.write_files(FILES)


CONTENT = [
    ("Dockerfile", "python:1", "python:2"),
    ("Dockerfile", "FROM", "# A comment may be a directive.\nFROM"),
    ("requirements.lock", "numpy==2.3", "numpy==2.4"),
    ("requirements.lock", "sha256:01", "sha256:11"),
    ("requirements.txt", "pandas>=2", "pandas>=2.1"),
    (f"{HANDLERS}/fit.py", "pandas", "pandas  # This too."),
    (f"{HANDLERS}/fit.py", "pandas", "pandas, polars"),
    (f"{HANDLERS}/fit.py", "pandas", "pandas, other"),
    (f"{HANDLERS}/table.csv", "1", "2"),
    ("BUILD", "image_tags=[]", "image_tags=[], extra_build_args=['A=1']"),
    ("BUILD", "image_tags=[]", "image_tags=[], target_stage='x'"),
    ("BUILD", 'layout="packed"', 'layout="packed", include_tools=True'),
]
NO_CONTENT = [
    ("requirements.lock", "sha256:03", "sha256:33"),
    ("requirements.lock", "numpy==", "# A comment.\nnumpy=="),
    ("requirements.txt", "polars", "polars>=1  # Why."),
    ("other.py", "polars", "numpy"),
    ("BUILD", "docker_image", "# A comment.\ndocker_image"),
]


@pytest.mark.parametrize(("path", "old", "new"), [*CONTENT, *NO_CONTENT])
def test_a_tag_changes_if_the_content_does(
    repository: Repository, path: str, old: str, new: str
) -> None:
    assert old in FILES[path]
    repository.rule_runner.write_files({path: FILES[path].replace(old, new)})
    is_changed = (path, old, new) in CONTENT
    assert (repository.tag() != repository.first_tag) == is_changed


@pytest.mark.parametrize(
    "option",
    [
        "--docker-build-args=['A=1']",
        "--pex-cli-version=v2.1.136",
        "--python-interpreter-constraints=['CPython==3.12.*']",
    ],
)
def test_options_that_reach_the_image_change_the_tag(
    repository: Repository, option: str
) -> None:
    assert repository.tag(option) != repository.first_tag


def test_an_executable_file_changes_the_tag(repository: Repository) -> None:
    file = Path(repository.rule_runner.build_root, HANDLERS, "fit.py")
    file.chmod(0o755)
    repository.rule_runner.write_files({f"{HANDLERS}/fit.py": file.read_text()})
    assert repository.tag() != repository.first_tag
    file.chmod(0o644)


@pytest.mark.parametrize("others", ['":sources"', '":deps", ":sources", "//:other"'])
def test_other_dependencies_are_an_error(repository: Repository, others: str) -> None:
    build = BUILD.replace('":deps", ":sources"', others)
    other = "docker_image(name='other', image_tags=['x'])\n"
    repository.rule_runner.write_files({"BUILD": build + other})
    problem = (
        "//:image: an image depends on exactly one image_sources and one pex_binary"
    )
    with pytest.raises(ExecutionError, match=problem):
        repository.tag()
