"""Find and copy images in a registry with skopeo, and push them with the Docker engine.

Both use the credentials that `docker login` stored. TLS is optional for a registry on this
machine, and required for any other.
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

# The problem of a missing image, in errors and warnings.
MISSING = "is not in the registry"
_AT_ONCE = 8
_LOCAL = re.compile(r"(localhost|127(\.\d+){3})(:|/|$)")
# The answers of registries for an image that they lack. Any other answer, such as a missing
# permission, does not mean that the image is missing.
_MISSING = re.compile("(?i)manifest unknown|name unknown|artifact .* not found")

# Runs on the Python of an image, without other packages. Prints the Python distributions
# and the Debian packages as `write_sbom` accepts them.
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
    """Return the command that copies an image, or adds a tag; the digest stays the same."""
    command = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests"]
    for option, reference in (("src", source), ("dest", target)):
        command += [f"--{option}-tls-verify=false"] if _LOCAL.match(reference) else []
    return [*command, f"docker://{source}", f"docker://{target}"]


def find_digest(reference: str) -> str | None:
    """Return the digest of an image in its registry, or None if the image is missing.

    Raises:
        InputError: the registry does not answer, refuses access, or has an index of images
            for several platforms.
    """
    try:
        manifest = run(inspect_command(reference))
    except ProcessFailed as failed:
        if _MISSING.search(failed.stderr):
            return None
        raise _failed(failed, reference) from None
    # Docker adds attestations to an index, with the platform "unknown".
    images = json.loads(manifest).get("manifests", [{}])
    systems = [each.get("platform", {}).get("os") for each in images]
    if len([each for each in systems if each != "unknown"]) != 1:
        problem = "is an index of images for several platforms"
        raise InputError(problem, "push an image for linux/amd64 only", reference)
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def find_missing(references: Iterable[str]) -> list[str]:
    """Return the images that are missing in their registries; see `find_digest`."""
    wanted = [*references]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        digests = pool.map(find_digest, wanted)
        return [each for each, digest in zip(wanted, digests) if not digest]


def describe_missing(references: Iterable[str]) -> list[str]:
    """Return a line for each image that is missing in its registry."""
    return [f"{each} {MISSING}" for each in find_missing(references)]


def copy(sources: Mapping[str, str]) -> None:
    """Copy images between registries, or inside one; `sources` has them by target."""

    def copy_one(target: str) -> None:
        try:
            run(copy_command(sources[target], target))
        except ProcessFailed as failed:
            raise _failed(failed, target) from None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        [*pool.map(copy_one, sources)]


def push(registry: str, images: Iterable[Image]) -> list[str]:
    """Push images from the Docker engine to a registry, and return their digests."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [*pool.map(lambda image: _push(registry, image.name), images)]


def _push(registry: str, name: str) -> str:
    try:
        run(["docker", "image", "inspect", name])
    except ProcessFailed:
        remedy = "build it: ./pants package maxaiusecases/<domain>:image"
        raise InputError("is not in the Docker engine", remedy, name) from None
    try:
        run(["docker", "tag", name, f"{registry}/{name}"])
        printed = run(["docker", "push", f"{registry}/{name}"]).decode()
    except ProcessFailed as failed:
        raise _failed(failed, f"{registry}/{name}") from None
    (digest,) = re.findall(r"digest: (sha256:[0-9a-f]{64})", printed)
    return str(digest)


def _failed(failed: ProcessFailed, reference: str) -> InputError:
    host = reference.split("/")[0]
    remedy = f"check that the registry answers, and log in: docker login {host}"
    return InputError(failed.reason, remedy, reference)


def make_sbom(image: Image) -> bytes:
    """Return the bill of materials of an image; its Python lists the packages."""
    names = "command -v python || command -v python3 || command -v python3.11"
    # The packages are in a virtual environment, if the image has one.
    script = f'PATH=/opt/venv/bin:$PATH; exec "$({names})" -c "$0"'
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint=/bin/sh"]
    try:
        printed = run([*command, image.reference, "-c", script, _LIST_PACKAGES])
        inspect = ["docker", "image", "inspect", "--format={{.Size}}"]
        size = int(run([*inspect, image.reference]))
    except ProcessFailed as failed:
        problem = f"its packages cannot be listed ({failed.reason})"
        remedy = "check that its Python starts"
        raise InputError(problem, remedy, image.reference) from None
    return write_sbom(json.loads(printed), image.name, size)


def write_sbom(packages: Any, image: str, size: int) -> bytes:
    """Return a CycloneDX 1.6 bill of materials, https://cyclonedx.org/docs/1.6/json/.

    Args:
        packages: two lists: the name and version of each Python distribution; the name,
            version and architecture of each Debian package.
        image: the image with its content tag.
        size: its size in the engine, in bytes.
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
            # A random number would give the same image another file each time.
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, image)}",
            "metadata": {
                "component": {
                    "type": "container",
                    "name": image,
                    "properties": [{"name": "maxai:size", "value": str(size)}],
                }
            },
            "components": components,
        }
    )
