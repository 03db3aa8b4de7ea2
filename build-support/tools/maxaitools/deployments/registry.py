"""Find and copy images in a registry with skopeo, and push them with the Docker engine.

Both use the credentials that `docker login` stored. TLS is optional for a registry on this
machine, and required for any other.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from maxairesources.errors import InputError
from maxairesources.tree import repository_of
from maxaitools.deployments.process import ProcessFailed, run
from maxaitools.deployments.record import Images, Record, references_of

_AT_ONCE = 8
_LOCAL = re.compile(r"(localhost|127(\.\d+){3})(:|/|$)")
# The answers of registries for an image that they lack. Any other answer, such as a missing
# permission, does not mean that the image is missing.
_MISSING = re.compile("(?i)manifest unknown|name unknown|artifact .* not found")


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


def is_missing(answer: str) -> bool:
    """Return if a registry answered that it lacks an image."""
    return bool(_MISSING.search(answer))


def find_missing(record: Record) -> dict[str, str]:
    """Return the images, by domain, that the registry of a deployment lacks.

    Raises:
        InputError: the registry does not answer, or refuses access.
    """

    def lacks(reference: str) -> bool:
        try:
            run(inspect_command(reference))
        except ProcessFailed as failed:
            if is_missing(failed.stderr):
                return True
            raise _explain(failed, reference) from None
        return False

    wanted = references_of(record)
    answers = dict(zip(wanted, _at_once(lacks, wanted.values())))
    return {domain: each for domain, each in wanted.items() if answers[domain]}


def find_unbuilt(record: Record) -> list[str]:
    """Return the domains whose image must be pushed: no digest of it is live and present."""
    missing = find_missing(record)
    images = record["images"].items()
    return [d for d, image in images if "digest" not in image or d in missing]


def push(record: Record, domains: Iterable[str]) -> Images:
    """Push images of domains from the Docker engine, and return all images of a record."""

    def push_one(domain: str) -> dict[str, str]:
        tag = record["images"][domain]["tag"]
        name = f"{repository_of(domain)}:{tag}"
        target = f"{record['registry']}/{name}"
        try:
            run(["docker", "tag", name, target])
        except ProcessFailed:
            remedy = f"build it: ./pants package maxaiusecases/{domain}:image"
            raise InputError("is not in the Docker engine", remedy, name) from None
        try:
            printed = run(["docker", "push", target])
        except ProcessFailed as failed:
            raise _explain(failed, target) from None
        (digest,) = re.findall(r"digest: (sha256:[0-9a-f]{64})", printed)
        return {"tag": tag, "digest": digest}

    wanted = [*domains]
    return record["images"] | dict(zip(wanted, _at_once(push_one, wanted)))


def copy(sources: Mapping[str, str]) -> None:
    """Copy images between registries, or inside one; `sources` has them by target."""

    def copy_one(target: str) -> None:
        try:
            run(copy_command(sources[target], target))
        except ProcessFailed as failed:
            raise _explain(failed, target) from None

    _at_once(copy_one, sources)


def copy_missing(record: Record, origin: Record) -> list[str]:
    """Copy the images that a registry lacks from that of the origin; return their names.

    Raises:
        InputError: the registry of the origin lacks one, or one does not answer.
    """
    missing, sources = find_missing(record), references_of(origin)
    copies = {}
    for domain, reference in missing.items():
        source, (name, digest) = sources.get(domain, ""), reference.split("@")
        if source == reference or not source.endswith(digest):
            remedy = f"push it again: ./pants experimental-deploy //:{origin['name']}"
            raise InputError("is not in the registry", remedy, reference)
        copies[f"{name}:{record['images'][domain]['tag']}"] = source
    copy(copies)
    return [*missing.values()]


def tag_all(record: Record, tag: str) -> None:
    """Tag all images of a record: the retention of a registry removes untagged ones."""
    references = references_of(record).values()
    copy({f"{each.split('@')[0]}:{tag}": each for each in references})


def _at_once(function: Callable[[str], Any], values: Iterable[str]) -> list[Any]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [*pool.map(function, values)]


def _explain(failed: ProcessFailed, reference: str) -> InputError:
    host = reference.split("/")[0]
    remedy = f"check that the registry answers, and log in: docker login {host}"
    return InputError(failed.reason, remedy, reference)
