"""The software in an image, as a CycloneDX bill of materials in JSON."""

import json
import subprocess
import uuid
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from maxairesources.errors import InputError

# Runs in the image, on its own Python and without any package: prints the name and version
# of each Python distribution there, then those of Debian's packages.
_LIST = """
import importlib.metadata, json, pathlib, re
python = sorted(
    {(each.metadata["Name"], each.version) for each in importlib.metadata.distributions()}
)
debian = []
status = pathlib.Path("/var/lib/dpkg/status")
for entry in status.read_text().split("\\n\\n") if status.exists() else ():
    told = dict(re.findall(r"^(Package|Version|Architecture): (.*)$", entry, re.M))
    if "install ok installed" in entry:
        debian.append((told["Package"], told["Version"], told["Architecture"]))
print(json.dumps([python, debian]))
"""


def make_sbom(reference: str, name: str) -> bytes:
    """Return the bill of materials of an image.

    It is made from what is really there: by running Python in the image, without network.
    The same image always has the same one.

    Args:
        reference: the image, which the engine pulls if it has to.
        name: its repository, without a registry.

    Raises:
        InputError: the image cannot be run.
    """
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint=/bin/sh"]
    # The packages are in a virtual environment, if the image has one.
    script = 'PATH=/opt/venv/bin:$PATH exec python3.11 -c "$0"'
    command += [reference, "-c", script, _LIST]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        problem = (done.stderr.strip().splitlines() or ["docker failed"])[-1]
        remedy = "see that the image starts: docker run --rm IMAGE --help"
        raise InputError(f"what is in it cannot be read ({problem})", remedy, reference)
    return write_sbom(json.loads(done.stdout), reference, name)


def write_sbom(found: Any, reference: str, name: str) -> bytes:
    """Return the bill of materials of what was found in an image.

    Args:
        found: the name and version of each Python distribution, and the name, version and
            architecture of each of Debian's packages.
        reference: the image, by its digest.
        name: its repository.
    """
    python, debian = found
    digest = reference.rpartition("@")[2]
    # A random number and the time would make each one another.
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"{name}@{digest}"))
    root = Component(
        name=name, version=digest, type=ComponentType.CONTAINER, bom_ref=name
    )
    bom.metadata.component = root
    for distribution, version in python:
        plain = distribution.lower().replace("_", "-")
        bom.components.add(_library(PackageURL("pypi", None, plain, version)))
    for package, version, architecture in debian:
        kind = {"arch": architecture}
        bom.components.add(
            _library(PackageURL("deb", "debian", package, version, kind))
        )
    bom.register_dependency(root, bom.components)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    told = json.loads(text)
    told["metadata"].pop("timestamp", None)
    return (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()


def _library(url: PackageURL) -> Component:
    return Component(
        name=url.name,
        version=url.version,
        purl=url,
        type=ComponentType.LIBRARY,
        bom_ref=url.to_string(),
    )
