"""Images in a registry: looked up and copied by skopeo, pushed by the Docker engine.

Both find the credentials that `docker login` stored. A registry on this machine may answer
without TLS; every other must prove its identity.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from maxairesources.errors import InputError
from maxaitools.deployments.process import ProcessFailed, run
from maxaitools.deployments.release import Image, to_json

_AT_ONCE = 8
_LOCAL = re.compile(r"(localhost|127(\.\d+){3})(:|/|$)")
# What registries answer about a name that they do not have. Any other answer, such as a
# missing permission, says nothing about the image.
_MISSING = re.compile(
    "manifest unknown|name unknown|artifact .* not found", re.IGNORECASE
)
_LOG_IN = "check that the registry answers, and log in: docker login HOST"

# Runs in an image, on its own Python and without any package. Prints the name and version
# of each Python distribution, then those of Debian's packages.
_LIST_PACKAGES = """
import importlib.metadata, json, pathlib, re
python = sorted(
    {(each.metadata["Name"], each.version) for each in importlib.metadata.distributions()}
)
debian = []
status = pathlib.Path("/var/lib/dpkg/status")
for entry in status.read_text().split("\\n\\n") if status.exists() else ():
    fields = dict(re.findall(r"^(Package|Version|Architecture): (.*)$", entry, re.M))
    if "install ok installed" in entry:
        debian.append((fields["Package"], fields["Version"], fields["Architecture"]))
print(json.dumps([python, debian]))
"""


def inspect_command(reference: str) -> list[str]:
    """Return the command that prints the manifest of an image."""
    flags = ["--tls-verify=false"] if _LOCAL.match(reference) else []
    command = ["skopeo", "--command-timeout=60s", "inspect", "--raw"]
    return [*command, *flags, f"docker://{reference}"]


def copy_command(source: str, target: str) -> list[str]:
    """Return the command that copies an image with its digest, or tags it again."""
    command = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests"]
    for option, reference in (("src", source), ("dest", target)):
        command += [f"--{option}-tls-verify=false"] if _LOCAL.match(reference) else []
    return [*command, f"docker://{source}", f"docker://{target}"]


def find_digest(reference: str) -> str | None:
    """Return the digest that a registry has under a reference, None if it has nothing.

    Raises:
        InputError: the registry refuses to answer, or has an index of several platforms.
    """
    try:
        manifest = run(inspect_command(reference))
    except ProcessFailed as failed:
        if _MISSING.search(failed.stderr):
            return None
        raise InputError(failed.reason, _LOG_IN, reference) from None
    # Docker adds attestations to an index, as images for an unknown platform.
    images = json.loads(manifest).get("manifests", [{}])
    systems = [each.get("platform", {}).get("os") for each in images]
    if len([each for each in systems if each != "unknown"]) != 1:
        advice = "push an image for linux/amd64 alone"
        raise InputError("is an index of several images", advice, reference)
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def find_missing(references: Iterable[str]) -> list[str]:
    """Return the references that no registry has."""
    wanted = [*references]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [
            each
            for each, found in zip(wanted, pool.map(find_digest, wanted))
            if not found
        ]


def copy(sources: Mapping[str, str]) -> None:
    """Copy an image to each target, from one registry to another or inside one."""

    def copy_one(target: str) -> None:
        try:
            run(copy_command(sources[target], target))
        except ProcessFailed as failed:
            raise InputError(failed.reason, _LOG_IN, target) from None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        [*pool.map(copy_one, sources)]


def push(registry: str, images: Iterable[Image]) -> list[str]:
    """Push images of the Docker engine, and return their digests."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [*pool.map(lambda image: _push(registry, image.name), images)]


def _push(registry: str, name: str) -> str:
    label = '{{index .Config.Labels "maxai.base.drifted"}}'
    try:
        drifted = run(["docker", "image", "inspect", "--format", label, name])
    except ProcessFailed:
        advice = "build it: ./pants package maxaiusecases/<domain>:image"
        raise InputError("is not in the Docker engine", advice, name) from None
    if drifted.strip() == b"true":
        problem = "its base image has drifted from the record of its packages"
        raise InputError(problem, "see build-support/images/base-image --help", name)
    try:
        run(["docker", "tag", name, f"{registry}/{name}"])
        printed = run(["docker", "push", f"{registry}/{name}"]).decode()
    except ProcessFailed as failed:
        raise InputError(failed.reason, _LOG_IN, f"{registry}/{name}") from None
    (digest,) = re.findall(r"digest: (sha256:[0-9a-f]{64})", printed)
    return str(digest)


def make_sbom(image: Image) -> bytes:
    """Return the bill of materials of an image, by running its Python without network."""
    names = "command -v python || command -v python3 || command -v python3.11"
    # The packages are in a virtual environment, if the image has one.
    script = f'PATH=/opt/venv/bin:$PATH; exec "$({names})" -c "$0"'
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint=/bin/sh"]
    try:
        printed = run([*command, image.reference, "-c", script, _LIST_PACKAGES])
    except ProcessFailed as failed:
        problem = f"its packages cannot be listed ({failed.reason})"
        advice = "check that its Python starts"
        raise InputError(problem, advice, image.reference) from None
    return write_sbom(json.loads(printed), image.name)


def write_sbom(packages: Any, image: str) -> bytes:
    """Return a CycloneDX 1.6 bill of materials, https://cyclonedx.org/docs/1.6/json/.

    Args:
        packages: the name and version of each Python distribution; then name, version and
            architecture of each Debian package.
        image: the image, with its content tag.
    """
    from packageurl import PackageURL

    python, debian = packages
    urls = [
        PackageURL("pypi", None, name.lower().replace("_", "-"), version)
        for name, version in python
    ]
    urls += [
        PackageURL("deb", "debian", name, version, {"arch": architecture})
        for name, version, architecture in debian
    ]
    components = [
        {"type": "library", "name": url.name, "version": url.version, "purl": str(url)}
        for url in sorted(urls, key=str)
    ]
    return to_json(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            # A random one would make another file of the same image.
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, image)}",
            "metadata": {"component": {"type": "container", "name": image}},
            "components": components,
        }
    )
