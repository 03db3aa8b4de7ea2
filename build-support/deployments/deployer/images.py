"""The images of a release in the Docker engine and in a registry, by the docker command.

So its credentials, proxies and certificates count. A registry on this machine may answer
without TLS, as it may to the engine; every other has to prove who it is.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from deployer.release import Image
from maxairesources.errors import InputError

# How many images are pushed or looked for at the same time.
_AT_ONCE = 4
# How long a registry may take, in seconds, until what was pushed can be read.
_PATIENCE = 60

_LOCAL = re.compile(r"(localhost|127(\.\d+){3})(:|/|$)")
_MISSING = re.compile(r"no such manifest|manifest unknown|not found", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """What a registry has under a name.

    Attributes:
        digest: of the manifest, as sha256:<64 hex digits>.
        layers: the size of each layer in bytes, by its digest.
    """

    digest: str
    layers: dict[str, int]


@dataclass(frozen=True)
class Pushed:
    """An image in the registry.

    Attributes:
        digest: its digest there.
        size: how many bytes were pushed for it; 0 if it was there.
    """

    digest: str
    size: int


def look_up(reference: str) -> Found | None:
    """Return what a registry has under a reference, or None if it has nothing.

    Raises:
        InputError: the registry does not answer, or refuses to.
    """
    arguments = ["manifest", "inspect", "--verbose"]
    if _LOCAL.match(reference):
        arguments.append("--insecure")
    done = _docker(*arguments, reference, timeout=60)
    if done.returncode:
        if _MISSING.search(done.stderr):
            return None
        remedy = "see that the registry answers, and log in: docker login HOST"
        raise InputError(_last_line(done), remedy, reference)
    told = json.loads(done.stdout)
    if isinstance(told, list):
        problem = "is an index of several images"
        remedy = "push one image, built for linux/amd64 alone and without attestations"
        raise InputError(problem, remedy, reference)
    manifest = told.get("SchemaV2Manifest") or told.get("OCIManifest") or {}
    layers = {each["digest"]: each["size"] for each in manifest.get("layers", [])}
    return Found(told["Descriptor"]["digest"], layers)


def find_digests(
    registry: str, images: Mapping[str, Image], known: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the digest that each domain's image has in a registry, None if it is missing.

    Args:
        registry: the registry.
        images: the image of each domain.
        known: the digest that a domain's image had before. It is kept where the registry
            still has it, since a tag can be moved and a digest cannot.
    """

    def find(domain: str) -> str | None:
        name = f"{registry}/{images[domain].repository}"
        if domain in known and look_up(f"{name}@{known[domain]}"):
            return known[domain]
        found = look_up(f"{name}:{images[domain].tag}")
        return found.digest if found else None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(images, pool.map(find, images)))


def missing(references: list[str]) -> list[str]:
    """Return those of some references, each with a digest, that no registry has."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [
            r
            for r, found in zip(references, pool.map(look_up, references))
            if not found
        ]


def push(registry: str, images: Mapping[str, Image]) -> Iterator[tuple[str, Pushed]]:
    """Push images from the engine to a registry, several at a time.

    Args:
        registry: the registry.
        images: the image of each domain.

    Yields:
        Each domain with its image, as soon as that can be read by its digest.

    Raises:
        InputError: the engine lacks one, or the registry refuses it.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        pushes = {
            pool.submit(_push, registry, image): name for name, image in images.items()
        }
        for done in as_completed(pushes):
            yield pushes[done], done.result()


def copy(source: str, target: str) -> None:
    """Copy an image from one registry to another, with its digest.

    Args:
        source: registry/repository@digest.
        target: registry/repository:tag.

    Raises:
        InputError: skopeo is missing, or a registry refuses.
    """
    command = ["skopeo", "copy", "--quiet", "--preserve-digests"]
    for option, reference in (("src", source), ("dest", target)):
        if _LOCAL.match(reference):
            command.append(f"--{option}-tls-verify=false")
    command += [f"docker://{source}", f"docker://{target}"]
    done = _run(command, timeout=1800)
    if done.returncode:
        raise InputError(_last_line(done), "see that both registries answer", source)
    _wait_for(f"{target.rpartition(':')[0]}@{source.rpartition('@')[2]}")


def _push(registry: str, image: Image) -> Pushed:
    local = f"{image.repository}:{image.tag}"
    reference = f"{registry}/{local}"
    label = '{{index .Config.Labels "maxai.base.drifted"}}'
    done = _docker("image", "inspect", "--format", label, local, timeout=60)
    if done.returncode:
        remedy = "build it: ./pants package maxaiusecases/<domain>:image"
        raise InputError("neither the registry nor the engine has it", remedy, local)
    if done.stdout.strip() == "true":
        problem = "is made from a base that has drifted from the record of its packages"
        remedy = "see build-support/docker/base-image --help"
        raise InputError(problem, remedy, local)
    for arguments in (("tag", local, reference), ("push", reference)):
        done = _docker(*arguments, timeout=1800)
        if done.returncode:
            remedy = "see that the registry answers, and log in: docker login HOST"
            raise InputError(_last_line(done), remedy, reference)
    told = re.search(r"digest: (sha256:[0-9a-f]{64})", done.stdout)
    if not told:
        raise InputError("docker push told no digest", "push it again", reference)
    by_digest = f"{registry}/{image.repository}@{told[1]}"
    found = _wait_for(by_digest)
    return Pushed(told[1], _pushed_size(found, done.stdout))


def _wait_for(reference: str) -> Found:
    """Return what a registry has under a reference, as soon as it can be read."""
    limit = time.monotonic() + _PATIENCE
    while not (found := look_up(reference)):
        if time.monotonic() > limit:
            raise InputError("was pushed, but cannot be read", "try again", reference)
        time.sleep(0.5)
    return found


def _pushed_size(found: Found, output: str) -> int:
    """Return how many bytes of layers a push sent, by what it printed.

    Docker names each layer, the last one first, and then says as they come which ones it
    had to send.
    """
    names = dict.fromkeys(re.findall(r"^([0-9a-f]{12}): ", output, re.MULTILINE))
    sent = {*re.findall(r"^([0-9a-f]{12}): Pushed", output, re.MULTILINE)}
    sizes = reversed(found.layers.values())
    return sum(size for name, size in zip(names, sizes) if name in sent)


def _docker(*arguments: str, timeout: int) -> "subprocess.CompletedProcess[str]":
    return _run(["docker", *arguments], timeout)


def _run(command: list[str], timeout: int) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError:
        remedy = "install it: build-support/setup"
        raise InputError("is not installed", remedy, command[0]) from None
    except subprocess.TimeoutExpired:
        problem = f"does not end within {timeout} seconds"
        remedy = "see that the registry answers"
        raise InputError(problem, remedy, " ".join(command)) from None


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    return (done.stderr.strip().splitlines() or ["docker failed"])[-1]
