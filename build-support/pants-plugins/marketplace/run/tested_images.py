"""Gives a domain's image_test.py and its objectives' run_test.py the built image to run.

`runtime_package_dependencies` does the same for a target that says so in its BUILD file;
these tests need none for it.
"""

from __future__ import annotations

import re
from typing import Any, Iterable

from pants.backend.python.goals.pytest_runner import (
    PytestPluginSetup,
    PytestPluginSetupRequest,
)
from pants.backend.python.target_types import PythonTestTarget
from pants.core.goals.test import (
    BuildPackageDependenciesRequest,
    BuiltPackageDependencies,
    RuntimePackageDependenciesField,
)
from pants.engine.addresses import Address
from pants.engine.fs import Digest, MergeDigests
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import SpecialCasedDependencies, Target
from pants.engine.unions import UnionRule

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
    packages = await Get(
        BuiltPackageDependencies,
        BuildPackageDependenciesRequest(
            RuntimePackageDependenciesField(field.value, field.address)
        ),
    )
    digest = await Get(Digest, MergeDigests(package.digest for package in packages))
    return PytestPluginSetup(digest)


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(PytestPluginSetupRequest, TestedImageRequest),
        PythonTestTarget.register_plugin_field(TestedImageField),
    ]
