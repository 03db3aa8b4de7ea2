"""Gives a domain's image_test.py and its objectives' run_test.py the image to run.

`runtime_package_dependencies` does the same for a target that says so in its BUILD file;
these tests need none for it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Iterable

from pants.backend.docker.goals.package_image import DockerPackageFieldSet
from pants.backend.python.goals.pytest_runner import (
    PytestPluginSetup,
    PytestPluginSetupRequest,
)
from pants.backend.python.target_types import PythonTestTarget
from pants.core.goals.package import OutputPathField
from pants.engine.addresses import Address, UnparsedAddressInputs
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import SpecialCasedDependencies, Target, Targets
from pants.engine.unions import UnionRule

from marketplace.release.provided_images import ProvidedImage

_TESTS_OF_IMAGES = re.compile(
    r"maxaiusecases/([^/]+)/image_test\.py|maxaidags/([^/]+)/[^/]+/[^/]+/run_test\.py"
)


class TestedImageField(SpecialCasedDependencies):
    alias = "tested_image"
    help = "The image that a test runs; it follows from the place of the test's file."

    # Prevent this class from being detected by pytest as a test class.
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
async def build_tested_image(request: TestedImageRequest) -> PytestPluginSetup:
    field = request.target.get(TestedImageField)
    images = await Get(
        Targets, UnparsedAddressInputs, field.to_unparsed_address_inputs()
    )
    provided = await MultiGet(
        Get(ProvidedImage, DockerPackageFieldSet, DockerPackageFieldSet.create(image))
        for image in images
    )
    # What the tests read of the file that `package` writes. The rest differs between two builds
    # of the same content, and would run the tests again.
    files = (
        FileContent(
            image[OutputPathField].value_or_default(file_ending="docker-info.json"),
            json.dumps({"registries": [{"tags": [{"name": each.name}]}]}).encode(),
        )
        for image, each in zip(images, provided)
    )
    return PytestPluginSetup(await Get(Digest, CreateDigest(files)))


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(PytestPluginSetupRequest, TestedImageRequest),
        PythonTestTarget.register_plugin_field(TestedImageField),
    ]
