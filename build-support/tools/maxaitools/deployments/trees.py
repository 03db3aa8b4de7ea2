"""Releases as Git trees: the hash of the tree is the name of the release.

A commit of a deployment has the entries of a release and deployment.json.
"""

import json
import tempfile
from collections.abc import Collection
from pathlib import Path

from maxairesources.errors import InputError
from maxairesources.tree import CONFIGS, DAGS, LIBRARY, TREES, USECASES, nearest
from maxaitools.deployments.process import git
from maxaitools.deployments.record import RECORD_FILE, Images, Record

_AGAIN = "package it again: ./pants package //:release"


def read_images(folder: Path) -> Images:
    """Return the name and the content tag of each domain's image in the folder of a release."""
    files = sorted(folder.glob(f"{USECASES}/*/image.json"))
    return {file.parent.name: json.loads(file.read_bytes()) for file in files}


def store(folder: Path) -> str:
    """Store the release of a folder in this clone, and return the hash of its tree.

    Raise an InputError if the folder is not as it was packaged, or has no DAG.
    """
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    hash_files = ("hash-object", "-w", "--no-filters", "--stdin-paths")
    names = "".join(f"{path.absolute()}\n" for path in paths)
    hashes = git(*hash_files, stdin=names.encode()).split()
    lines = "".join(
        f"100644 {hash}\t{path.relative_to(folder).as_posix()}\0"
        for hash, path in zip(hashes, paths)
    )
    with tempfile.TemporaryDirectory(prefix="maxai-tree-") as scratch:
        index = f"{scratch}/index"
        update = ("update-index", "-z", "--index-info")
        git(*update, stdin=lines.encode(), GIT_INDEX_FILE=index)
        release = git("write-tree", GIT_INDEX_FILE=index)
    if release != folder.name:
        raise InputError("is not a release as it was packaged", _AGAIN, folder)
    if not any(folder.glob(f"{DAGS}/*/*/*/dag.py")):
        remedy = "add a DAG: ./pants new usecase --help"
        raise InputError("the release has no DAG", remedy, folder)
    return release


def check_sources(folder: Path) -> None:
    """Raise an InputError if this clone has changed since a release was packaged."""
    new = {*Path().glob(f"{DAGS}/*/*/*/dag.py"), *Path().glob(f"{CONFIGS}/**/*.json")}
    old = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    for path in sorted(old | new):
        pair = [p.read_bytes() if p.is_file() else None for p in (folder / path, path)]
        if path.parts[0] in (CONFIGS, DAGS, LIBRARY) and pair[0] != pair[1]:
            problem = f"{path} has changed since the release was packaged"
            raise InputError(problem, _AGAIN, f"release {folder.name[:12]}")


def list_entries(tree: str) -> dict[str, str]:
    """Return the lines of `git ls-tree` by name; none for a tree that does not exist."""
    root, _, path = tree.partition(":")
    listed = git("ls-tree", "-z", "--full-tree", root, *([f"{path}/"] if path else ()))
    lines = filter(None, listed.split("\0"))
    return {line.split("\t", 1)[1].rpartition("/")[2]: line for line in lines}


def make_tree(entries: dict[str, str]) -> str:
    """Return the hash of a new tree with entries of `list_entries`."""
    lines = [f"{line.partition(chr(9))[0]}\t{name}\0" for name, line in entries.items()]
    return git("mktree", "-z", stdin="".join(lines).encode())


def add_record(release: str, record: Record) -> str:
    """Return the hash of the tree that a deployment runs: a release and its record."""
    content = json.dumps(record, indent=2, sort_keys=True) + "\n"
    blob = git("hash-object", "-w", "--stdin", stdin=content.encode())
    return make_tree({**list_entries(release), RECORD_FILE: f"100644 blob {blob}"})


def release_of(commit: str) -> str:
    """Return the hash of the release that a commit of a deployment has."""
    entries = list_entries(commit)
    entries.pop(RECORD_FILE, None)
    return make_tree(entries)


def replace_domains(base: str, other: str, domains: Collection[str]) -> str:
    """Return the hash of a release with some domains of another one.

    Raise an InputError if the other release lacks a domain or differs in the shared files.
    """
    where = f"release {other[:12]}"
    known = {name for tree in TREES for name in list_entries(f"{other}:{tree}")}
    for domain in sorted({*domains} - known):
        raise InputError(f"domain {domain!r} is missing", nearest(domain, known), where)
    roots = [list_entries(base), list_entries(other)]
    shared = [{k: line for k, line in root.items() if k not in TREES} for root in roots]
    if shared[0] != shared[1]:
        problem = f"its {LIBRARY}, which all domains share, is not that of {base[:12]}"
        raise InputError(problem, "leave out --domain to change all domains", where)
    result = shared[0]
    for tree in TREES:
        old, new = (list_entries(f"{each}:{tree}") for each in (base, other))
        mixed = {name: line for name, line in old.items() if name not in domains}
        mixed |= {name: line for name, line in new.items() if name in domains}
        if mixed:
            result[tree] = f"040000 tree {make_tree(mixed)}"
    return make_tree(result)
