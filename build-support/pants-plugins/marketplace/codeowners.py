"""Writes .github/CODEOWNERS from the domain.json of each domain: `fmt` writes, `lint` checks it.

Lines of other paths than the folders of a domain are kept, in front.
"""

from __future__ import annotations

from typing import Any, Collection, Iterable, Mapping

from pants.core.goals.fmt import FmtFilesRequest, FmtResult
from pants.core.util_rules.partitions import Partition, Partitions
from pants.engine.fs import CreateDigest, Digest, DigestContents, FileContent, PathGlobs
from pants.engine.fs import Snapshot
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.option.subsystem import Subsystem

from marketplace.graph import MarketplaceError
from maxairesources.domains import find_mistake, read_owners
from maxairesources.tree import CONFIGS, DOMAIN_CONFIG

FILE = ".github/CODEOWNERS"
_CONFIGS = f"{CONFIGS}/*/{DOMAIN_CONFIG}"
# The folders of a domain in the three trees.
_FOLDERS = "/maxai*/"


class CodeOwners(Subsystem):
    options_scope = name = "codeowners"
    help = "Writes .github/CODEOWNERS from the domain.json of each domain."


class CodeOwnersRequest(FmtFilesRequest):
    tool_subsystem = CodeOwners  # type: ignore[assignment]


@rule
async def partition_code_owners(
    request: CodeOwnersRequest.PartitionRequest,
) -> Partitions[str, Any]:
    # Whatever the files are: a deleted domain.json, whose lines must go, is not among them.
    files = await Get(DigestContents, PathGlobs([FILE, _CONFIGS]))
    # Pants stops `fmt` if a file of a partition neither exists nor is written.
    is_needed = any(
        f.path == FILE or find_mistake(f.content) or read_owners(f.content)
        for f in files
    )
    return Partitions([Partition((FILE,), None)] if is_needed else [])


@rule(desc="Write CODEOWNERS")
async def write_code_owners(request: CodeOwnersRequest.Batch) -> FmtResult:
    configs, old = await MultiGet(
        Get(DigestContents, PathGlobs([_CONFIGS])),
        Get(DigestContents, Digest, request.snapshot.digest),
    )
    for each in configs:
        if mistake := find_mistake(each.content):
            raise MarketplaceError(f"{each.path}: {mistake}")
    owners = {each.path.split("/")[1]: read_owners(each.content) for each in configs}
    text = add_owners("".join(file.content.decode() for file in old), owners)
    new = await Get(Snapshot, CreateDigest([FileContent(FILE, text.encode())]))
    return FmtResult(request.snapshot, new, "", "", tool_name=request.tool_name)


def add_owners(text: str, owners: Mapping[str, Collection[str]]) -> str:
    """Return the text of CODEOWNERS with the owners of each domain."""
    kept = [line for line in text.splitlines() if not line.startswith(_FOLDERS)]
    lines = [f"{_FOLDERS}{d}/ {' '.join(o)}" for d, o in sorted(owners.items()) if o]
    return "".join(f"{line}\n" for line in (*kept, *lines))


def rules() -> Iterable[Any]:
    return [*collect_rules(), *CodeOwnersRequest.rules()]
