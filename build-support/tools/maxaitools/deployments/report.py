"""Report the differences between two releases, and the history of a deployment."""

import contextlib
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxairesources.tree import CONFIGS, DAGS, LIBRARY, json_path
from maxaitools.deployments import changes
from maxaitools.deployments.deployment import find, read_all
from maxaitools.deployments.history import Entry
from maxaitools.deployments.live import read_origin
from maxaitools.deployments.process import read_log
from maxaitools.deployments.release import (
    MANIFEST,
    UNKNOWN_DIGEST,
    Release,
    read_folder,
)
from maxaitools.deployments.repository import Repository, Tree


def read_sides(
    repository: Repository, new: str, old: str
) -> tuple[Release | None, Release]:
    """Return the old and the new side of a diff; the old one is None before any deploy.

    A side is a deployment, a commit of one, or the folder of a release. A folder is
    compared as the deployment on the other side would run it.

    Raises:
        InputError: a side is anything else.
    """
    found = {side: _find_side(repository, side) for side in (old, new)}
    live = [side.facts["deployment"] for side in found.values() if side and side.facts]
    name = [*live, old][0]

    def show_side(side: str) -> Release | None:
        release = found[side]
        if release and not release.facts and name in read_all():
            return changes.draft(release, find(name), changes.NO_SOURCE)
        return release

    after = show_side(new) or read_origin(repository, new, None).live
    return show_side(old), after


def _find_side(repository: Repository, side: str) -> Release | None:
    if side in repository.tips:
        return read_origin(repository, side, None).live
    if side in read_all():
        return None
    if Path(side, MANIFEST).is_file():
        return read_folder(Path(side))
    for name in repository.tips:
        with contextlib.suppress(InputError):
            return read_origin(repository, name, side).live
    problem = f"{side!r} is not a deployment, a commit of one, or a release folder"
    names = ", ".join(repository.tips) or "nothing was deployed yet"
    remedy = f"use a deployment ({names}), or a commit that `history` lists"
    raise InputError(problem, remedy, "diff")


def compare(old: Release | None, new: Release) -> dict[str, list[str]]:
    """Return the lines of a diff for each of its sections."""
    before, after = old.files if old else {}, new.files
    return {
        "release": [f"{old.id if old else 'nothing'} -> {new.id}"],
        "images": [*_compare_images(old, new)],
        "DAGs": [*_compare_texts(before, after, f"{DAGS}/")],
        "configs": [*_compare_configs(before, after)],
        "library": [*_compare_texts(before, after, f"{LIBRARY}/")],
    }


def show(difference: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a diff, with the titles of its sections."""
    for title, lines in difference.items():
        yield from (title, *(f"  {line}" for line in lines or ["no difference"]))


def show_history(history: Sequence[Entry]) -> Iterator[str]:
    """Yield a line for each commit, and an indented line for each of its trailers."""
    for entry in history:
        yield f"{entry.commit[:12]}  {entry.time}  {entry.author}  {entry.subject}"
        for trailer, values in entry.trailers.items():
            if trailer not in ("Action", "Release"):
                yield from (f"    {trailer}: {value}" for value in values)


def _compare_images(old: Release | None, new: Release) -> Iterator[str]:
    images = old.images if old else {}
    for domain in sorted({*images, *new.images}):
        before, after = images.get(domain), new.images.get(domain)
        if not before or not after:
            yield f"- {before.name}" if before else f"+ {after.name if after else ''}"
            continue
        known = UNKNOWN_DIGEST not in (before.digest, after.digest)
        if before.tag == after.tag and (before.digest == after.digest or not known):
            continue
        commits = f"{before.commit[:12]} -> {after.commit[:12] or 'not deployed yet'}"
        yield f"~ {after.repository}:{before.tag[:12]} -> {after.tag[:12]}  {commits}"
        folders = (f"maxaiusecases/{domain}", "maxairesources")
        for line in read_log(before.commit, after.commit or "HEAD", *folders):
            yield f"    {line}"
        path = f"maxaiusecases/{domain}/sbom.json"
        was, now = (_read_versions(each.files.get(path)) for each in (old or new, new))
        for name in sorted({*was, *now}) if was and now else ():
            if was.get(name) != now.get(name):
                yield f"    {name} {was.get(name, 'none')} -> {now.get(name, 'none')}"


def _read_versions(sbom: bytes | None) -> dict[str, str]:
    components = json.loads(sbom)["components"] if sbom else []
    return {each["purl"].split("@")[0]: each["version"] for each in components}


def _compare_texts(old: Tree, new: Tree, folder: str) -> Iterator[str]:
    for path in sorted({*old, *new}):
        if path.startswith(folder) and old.get(path) != new.get(path):
            yield f"{'-' if path not in new else '~' if path in old else '+'} {path}"
            texts = (
                each.get(path, b"").decode(errors="replace") for each in (old, new)
            )
            before, after = (text.splitlines() for text in texts)
            diff = difflib.unified_diff(before, after, lineterm="", n=2)
            if path in old and path in new:
                yield from (f"    {line}" for line in [*diff][2:])


def _compare_configs(old: Tree, new: Tree) -> Iterator[str]:
    for path in sorted(p for p in {*old, *new} if p.startswith(f"{CONFIGS}/")):
        if path not in old or path not in new:
            yield f"{'+' if path in new else '-'} {path}"
            continue
        try:
            was, now = (dict(_read_values(each[path])) for each in (old, new))
        except ValueError:
            # A file that is not JSON is one value.
            was, now = ({"$": repr(each[path])} for each in (old, new))
        changed = [key for key in {**was, **now} if was.get(key) != now.get(key)]
        if changed:
            yield f"~ {path}"
        for key in changed:
            yield f"    {key}: {was.get(key, 'not set')} -> {now.get(key, 'not set')}"


def _read_values(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the path and the JSON of each value in a JSON document."""

    def walk(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[str, str]]:
        if isinstance(value, (dict, list)) and value:
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, item in items:
                yield from walk(item, (*path, key))
        else:
            yield json_path(path), json.dumps(value)

    # The section on images shows the digests.
    yield from walk(json.loads(re.sub(rb"@sha256:[0-9a-f]{64}", b"", content)), ())
