"""Bring the images of a release into the registry of a deployment."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from maxairesources.errors import InputError
from maxairesources.tree import domain_of
from maxaitools.deployments import registry
from maxaitools.deployments.deployment import Deployment
from maxaitools.deployments.publish import Options, say
from maxaitools.deployments.release import (
    Image,
    Release,
    parse_image,
    parse_live,
    to_json,
)
from maxaitools.deployments.repository import Repository, Tree


def fill_in(live: Release, images: Mapping[str, Image]) -> Release:
    """Return the files of a deployment with the digests of some images filled in."""
    files = dict(live.files)
    for path, content in files.items():
        domain = str(domain_of(path))
        if image := images.get(domain):
            old, new = (each.reference for each in (live.images[domain], image))
            files[path] = content.replace(old.encode(), new.encode())
            if path.endswith("/image.json"):
                files[path] = to_json(vars(image))
    return parse_live(files, f"release {live.id}")


def find_images(
    repository: Repository,
    new: Release,
    live: Mapping[str, Image],
    trust_registry: bool,
) -> dict[str, Image]:
    """Return the images, by domain, that the registry has and that a deploy may use.

    Anybody who can read the source can compute a content tag. So a deploy uses an image
    only by a digest that a deployment has recorded.

    Args:
        repository: the deployments repository, which has the recorded digests.
        new: the release.
        live: images by domain; their digests are preferred if the content tag is the same.
        trust_registry: also use an image whose digest no deployment has recorded.
    """
    candidates: dict[str, list[Image]] = {domain: [] for domain in new.images}
    for path, content in repository.read_image_files():
        # A release has no digest, and a deployment may have another registry.
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            image, wanted = parse_image(content), new.images.get(str(domain_of(path)))
            if wanted and wanted.tag == image.tag and image.commit:
                found = replace(image, repository=wanted.repository)
                candidates[str(domain_of(path))].append(found)
    for domain, image in live.items():
        if domain in new.images and image.tag == new.images[domain].tag:
            target = new.images[domain].repository
            candidates[domain] = [replace(image, repository=target)]
    references = {i.reference for images in candidates.values() for i in images}
    missing = {*registry.find_missing(sorted(references))}
    result = {}
    for domain, images in candidates.items():
        present = [image for image in images if image.reference not in missing]
        if not present and trust_registry:
            if digest := registry.find_digest(new.images[domain].name):
                present = [_record(new, domain, digest)]
        if present:
            result[domain] = present[0]
    return result


def provide(
    repository: Repository,
    to: Deployment,
    release: Release,
    new: Release,
    known: Mapping[str, Image],
    options: Options,
) -> dict[str, Image]:
    """Copy or push the images that the registry lacks; a dry run only reports them.

    Args:
        repository: the deployments repository.
        to: the deployment.
        release: the release, whose images the Docker engine may have.
        new: the files of the deployment, without digests.
        known: images by domain that may be copied; see `find_images` too.
        options: the options of the change.

    Returns:
        The images by domain, with their digests.

    Raises:
        InputError: the registry does not answer, or nothing has one of the images.
    """
    try:
        found = find_images(repository, new, known, options.trust_registry)
    except InputError as error:
        if not options.dry_run:
            raise
        say(f"warning: the images were not checked ({error})")
        return dict(new.images)
    for image in found.values():
        say(f"{image.repository}:{image.tag[:12]} is in the registry")
    missing = {d: image for d, image in new.images.items() if d not in found}
    if options.dry_run:
        for image in missing.values():
            say(f"{image.repository}:{image.tag[:12]} would be pushed or copied")
        return {**new.images, **found}
    copies = {}
    for domain, image in missing.items():
        source = known.get(domain)
        if source and source.tag == image.tag:
            if source.repository == image.repository:
                first = to.after or to.name
                remedy = f"push it again: ./pants experimental-deploy //:{first}"
                raise InputError(registry.MISSING, remedy, source.reference)
            say(f"{image.repository}: copying it from {source.repository}")
            copies[image.name] = source.reference
            found[domain] = replace(source, repository=image.repository)
    registry.copy(copies)
    pushed = {d: release.images[d] for d in missing if d not in found}
    if pushed:
        say(f"pushing {', '.join(image.repository for image in pushed.values())}")
    digests = registry.push(str(to.registry), pushed.values())
    return found | {d: _record(new, d, each) for d, each in zip(pushed, digests)}


def find_sboms(images: Mapping[str, Image], earlier: Sequence[Release | None]) -> Tree:
    """Return the SBOM of each image by path: from an earlier deploy, or from the image."""
    sboms = {}
    for domain, image in images.items():
        path = f"maxaiusecases/{domain}/sbom.json"
        known = [each for each in earlier if each and path in each.files]
        same = [e for e in known if e.images[domain].digest == image.digest]
        sboms[path] = same[0].files[path] if same else registry.make_sbom(image)
    return sboms


def _record(new: Release, domain: str, digest: str) -> Image:
    """Return the image of a domain with its digest and the source commit of the release."""
    return replace(new.images[domain], digest=digest, commit=new.sources[0][0])
