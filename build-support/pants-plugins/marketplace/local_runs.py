"""The goal `run`: runs an objective, or an Airflow with all objectives, on this machine.

It lets the runner in build-support/tools/maxaitools/local check the options and configs, provides
the images in the same session, and passes their names to the runner. An image is that of the
engine, or of the registry, or else a new build: the content tag names the same image everywhere.
A domain's image_test.py and its objectives' run_test.py get the image of their domain, too. Pants'
`runtime_package_dependencies` would build it, even if the registry has it, and run the tests again
for each build of the same content.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, replace
from typing import Any, Iterable

from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.backend.python.goals.pytest_runner import (
    PytestPluginSetup,
    PytestPluginSetupRequest,
)
from pants.backend.python.goals.run_python_source import PythonSourceFieldSet
from pants.backend.python.target_types import PythonTestTarget
from pants.base.build_root import BuildRoot
from pants.core.goals.package import BuiltPackage, EnvironmentAwarePackageRequest
from pants.core.goals.run import RunFieldSet, RunInSandboxBehavior
from pants.core.goals.run import RunRequest, RunSubsystem
from pants.engine.addresses import Address, Addresses, UnparsedAddressInputs
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import CreateDigest, Digest, FileContent, PathGlobs, Paths
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    SingleSourceField,
    SpecialCasedDependencies,
    Target,
    Targets,
)
from pants.engine.unions import UnionRule

from marketplace.graph import source_address
from marketplace.tags import TaggedImage
from maxairesources.tree import DAG_FILE, DAGS, USECASES

_TESTS_OF_IMAGES = re.compile(
    r"maxaiusecases/([^/]+)/image_test\.py|maxaidags/([^/]+)/[^/]+/[^/]+/run_test\.py"
)
# docker finds the engine, credentials and proxies by these.
_ENVIRONMENT = (
    *("HOME", "PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST"),
    *("DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    "MAXAI_REGISTRY",
)
LOOK_AND_PULL = """\
"$0" image inspect "$1" || {
  [ -n "$MAXAI_REGISTRY" ] && "$0" pull --quiet "$MAXAI_REGISTRY/$1" &&
    "$0" tag "$MAXAI_REGISTRY/$1" "$1"
}"""


@dataclass(frozen=True)
class ProvidedImage:
    """An image that the engine has."""

    tagged: TaggedImage


@rule
async def provide_image(address: Address, docker: DockerBinary) -> ProvidedImage:
    image, env = await MultiGet(
        Get(TaggedImage, Address, address),
        Get(EnvironmentVars, EnvironmentVarsRequest(_ENVIRONMENT)),
    )
    look = Process(
        ("/bin/sh", "-c", LOOK_AND_PULL, docker.path, image.name),
        env=env,
        description=f"Look for docker image {image.name}, or pull it",
        cache_scope=ProcessCacheScope.PER_SESSION,
    )
    found = await Get(FallibleProcessResult, Process, look)
    if found.exit_code != 0:
        # Also if no engine or registry answers: the build says what is wrong.
        await Get(BuiltPackage, EnvironmentAwarePackageRequest(image.field_set))
    return ProvidedImage(image)


class TestedImageField(SpecialCasedDependencies):
    alias = "tested_image"
    help = "The image that a test runs; it follows from the place of the test's file."

    # pytest would take this class for tests.
    __test__ = False

    @classmethod
    def compute_value(
        cls, raw_value: Iterable[str] | None, address: Address
    ) -> tuple[str, ...] | None:
        path = address.filename if address.is_file_target else ""
        found = _TESTS_OF_IMAGES.fullmatch(path)
        return found and (f"//maxaiusecases/{found[1] or found[2]}:image",)


class TestedImageRequest(PytestPluginSetupRequest):
    @classmethod
    def is_applicable(cls, target: Target) -> bool:
        return bool(target.get(TestedImageField).value)


@rule
async def provide_tested_image(request: TestedImageRequest) -> PytestPluginSetup:
    asked = request.target.get(TestedImageField).to_unparsed_address_inputs()
    (address,) = await Get(Addresses, UnparsedAddressInputs, asked)
    image = (await Get(ProvidedImage, Address, address)).tagged
    # The part of the file that tests read. The rest differs between two builds of the same
    # content, and would run the tests again.
    info = {"registries": [{"tags": [{"name": image.name}]}]}
    output = image.field_set.output_path
    path = output.value_or_default(file_ending="docker-info.json")
    file = FileContent(path, json.dumps(info).encode())
    return PytestPluginSetup(await Get(Digest, CreateDigest([file])))


RUNNER = Address(
    "build-support/tools/maxaitools/local", relative_file_path="run_dags.py"
)
# The file of the target maxaidags:airflow.
ALL_DAGS = f"{DAGS}/.airflowignore"


@dataclass(frozen=True)
class LocalRunFieldSet(RunFieldSet):
    """A file whose folder has the DAGs to run: the dag.py of an objective, or ALL_DAGS."""

    required_fields = (SingleSourceField,)
    run_in_sandbox_behavior = RunInSandboxBehavior.NOT_SUPPORTED

    source: SingleSourceField

    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        path = tgt[SingleSourceField].file_path
        return path != ALL_DAGS and not DAG_FILE.fullmatch(path)


@rule
async def run_locally(
    field_set: LocalRunFieldSet, run_subsystem: RunSubsystem, build_root: BuildRoot
) -> RunRequest:
    path = field_set.source.file_path
    domain = "*" if path == ALL_DAGS else path.split("/")[1]
    dockerfiles, (tool,) = await MultiGet(
        Get(Paths, PathGlobs([f"{USECASES}/{domain}/Dockerfile"])),
        Get(Targets, Addresses([RUNNER])),
    )
    runner, env = await MultiGet(
        Get(RunRequest, RunFieldSet, PythonSourceFieldSet.create(tool)),
        Get(EnvironmentVars, EnvironmentVarsRequest(["MAXAI_DATA_ROOT"])),
    )
    runner = replace(runner, args=(*runner.args, posixpath.dirname(path)))
    in_root = ("/bin/sh", "-c", 'cd "$0" && exec "$@"', build_root.path)
    check = Process(
        (*in_root, *runner.args, "--check", *run_subsystem.args),
        input_digest=runner.digest,
        env={**env, **runner.extra_env},
        append_only_caches=runner.append_only_caches,
        description=f"Check the options and configs of {posixpath.dirname(path)}",
        cache_scope=ProcessCacheScope.PER_SESSION,
    )
    checked = await Get(FallibleProcessResult, Process, check)
    if checked.exit_code or checked.stdout:
        # The runner prints what is wrong, or its help, and needs no image for that.
        return runner
    # All images at the same time.
    provided = await MultiGet(
        Get(ProvidedImage, Address, source_address(path)) for path in dockerfiles.files
    )
    names = (f"--image={each.tagged.name}" for each in provided)
    return replace(runner, args=(*runner.args, *names))


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        *LocalRunFieldSet.rules(),
        PythonTestTarget.register_plugin_field(TestedImageField),
        UnionRule(PytestPluginSetupRequest, TestedImageRequest),
    ]
