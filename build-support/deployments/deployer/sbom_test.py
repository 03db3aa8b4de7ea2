"""Tests of `sbom` without an image; the tests with a registry make that of a real one."""

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deployer.sbom import write_sbom

FOUND = [
    [["Pandas", "2.3.3"], ["typing_extensions", "4.1"]],
    [["libc6", "2.36-9+deb12u10", "amd64"]],
]
IMAGE = "registry.test/maxai/lab@sha256:1"


def test_it_lists_what_was_found() -> None:
    told = json.loads(write_sbom(FOUND, IMAGE, "maxai/lab"))
    assert {each["purl"] for each in told["components"]} == {
        "pkg:pypi/pandas@2.3.3",
        "pkg:pypi/typing-extensions@4.1",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64",
    }
    component = told["metadata"]["component"]
    assert (component["name"], component["version"]) == ("maxai/lab", "sha256:1")


def test_it_is_cyclonedx() -> None:
    text = write_sbom(FOUND, IMAGE, "maxai/lab").decode()
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"library"', '"libary"')) is not None


def test_the_same_image_has_the_same_one() -> None:
    made = write_sbom(FOUND, IMAGE, "maxai/lab")
    assert made == write_sbom(FOUND, IMAGE, "maxai/lab")
    other = json.loads(write_sbom(FOUND, f"{IMAGE}2", "maxai/lab"))
    assert other["serialNumber"] != json.loads(made)["serialNumber"]
