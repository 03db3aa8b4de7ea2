"""Find and copy images in a registry with skopeo, and push them with the Docker engine.

Both use the credentials that `docker login` stored. TLS is optional for a registry on this
machine, and required for any other. Each function raises an InputError if a registry does
not answer, refuses access or lacks an image that must exist.
"""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from maxairesources.errors import InputError
from maxaitools.deployments.process import ProcessFailed, run
from maxaitools.deployments.record import Images, Record, references_of

_LOCAL = re.compile(r"(localhost|127(\.\d+){3})(:|/|$)")
# The answers of registries for an image that they lack. Any other answer, such as a missing
# permission, does not mean that the image is missing.
MISSING = re.compile("(?i)manifest unknown|name unknown|artifact .* not found")


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


def find_missing(record: Record) -> dict[str, str]:
    """Return the images, by domain, that the registry of a deployment lacks."""
    wanted = references_of(record)
    commands = {each: inspect_command(each) for each in wanted.values()}
    found = _run_all(commands, may_lack=True)
    return {domain: each for domain, each in wanted.items() if found[each] is None}


def find_unbuilt(record: Record) -> list[str]:
    """Return the domains whose image must be pushed: no digest of it is live and present."""
    missing = find_missing(record)
    images = record["images"].items()
    return [d for d, image in images if "digest" not in image or d in missing]


def push(record: Record, domains: Sequence[str]) -> Images:
    """Push images of domains from the Docker engine, and return all images of a record."""
    commands = {}
    for domain in domains:
        image = record["images"][domain]
        name = f"{image['name']}:{image['tag']}"
        target = f"{record['registry']}/{name}"
        commands[target] = ["docker", "push", target]
        try:
            run(["docker", "tag", name, target])
        except ProcessFailed:
            remedy = f"build it: ./pants package maxaiusecases/{domain}:image"
            raise InputError("is not in the Docker engine", remedy, name) from None
    images = {domain: dict(image) for domain, image in record["images"].items()}
    for domain, printed in zip(domains, _run_all(commands).values()):
        (digest,) = re.findall(r"digest: (sha256:[0-9a-f]{64})", str(printed))
        images[domain]["digest"] = digest
    return images


def copy(sources: Mapping[str, str]) -> None:
    """Copy images between registries, or inside one; `sources` has them by target."""
    _run_all({target: copy_command(sources[target], target) for target in sources})


def copy_missing(record: Record, origin: Record) -> list[str]:
    """Copy the images that a registry lacks from that of the origin; return their names."""
    missing, sources = find_missing(record), references_of(origin)
    copies = {}
    for domain, reference in missing.items():
        source, (name, digest) = sources.get(domain, ""), reference.split("@")
        if source == reference or not source.endswith(digest):
            remedy = f"push it again: ./pants deployments deploy {origin['name']}"
            raise InputError("is not in the registry", remedy, reference)
        copies[f"{name}:{record['images'][domain]['tag']}"] = source
    copy(copies)
    return [*missing.values()]


def tag_all(record: Record, tag: str) -> None:
    """Tag all images of a record: the retention of a registry removes untagged ones."""
    references = references_of(record).values()
    copy({f"{each.split('@')[0]}:{tag}": each for each in references})


def _run_all(
    commands: Mapping[str, list[str]], may_lack: bool = False
) -> dict[str, str | None]:
    """Run the command of each image, several at once, and return what they print.

    If `may_lack` is true, None stands for an image that the registry lacks.
    """

    def run_one(reference: str) -> str | None:
        try:
            return run(commands[reference])
        except ProcessFailed as failed:
            if may_lack and MISSING.search(failed.stderr):
                return None
            host = reference.split("/")[0]
            remedy = f"check that the registry answers, and log in: docker login {host}"
            raise InputError(failed.reason, remedy, reference) from None

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(commands, pool.map(run_one, commands)))
