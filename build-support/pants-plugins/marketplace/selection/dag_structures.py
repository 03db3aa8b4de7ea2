"""Asks Airflow for the schedule and the tasks of DAGs, at the merge base and now."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass
from typing import Any, Iterable

from pants.backend.python.target_types import EntryPoint
from pants.backend.python.util_rules.pex import PexRequest, VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.engine.addresses import Address
from pants.engine.fs import CreateDigest, Digest, FileContent, PathGlobs
from pants.engine.process import FallibleProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule

from marketplace.selection.changes import Changes, read_archive
from maxairesources.tree import CONFIGS, DAGS, domain_of, path_of

TOOL = Address(
    "build-support/tools/maxaitools/deployments", relative_file_path="describe_dags.py"
)
# These files change the structure of no DAG.
_OTHER = re.compile(r".*(_test\.py|/BUILD)")


@dataclass(frozen=True)
class DagStructuresRequest:
    """Asks for the structures of DAGs.

    Attributes:
        base: the commit to compare with.
        files: the dag.py files; those that are missing then or now do not count.
        deployments: the names of the deployments whose overlays apply.
    """

    base: str
    files: tuple[str, ...]
    deployments: tuple[str, ...]


@dataclass(frozen=True)
class DagStructures:
    """The structures at the commit and now, as the tool prints them, or why there are none.

    Attributes:
        before: JSON: by file and deployment, as `describe_dags` describes it.
        after: the same for the files as they are now.
        problem: the reason if the tool failed, or an empty string.
    """

    before: str = "{}"
    after: str = "{}"
    problem: str = ""


def find_files(changes: Changes, dags: Iterable[str]) -> tuple[str, ...]:
    """Return the dag.py files whose structure may differ.

    Args:
        changes: the changes.
        dags: the ids of the affected DAGs. They count if a DAG or a config of their domain
            changed: neither a handler nor the library says what a DAG consists of.
    """
    domains = {
        domain_of(path)
        for path in changes.files
        if path.startswith((f"{CONFIGS}/", f"{DAGS}/")) and not _OTHER.fullmatch(path)
    }
    names = (dag.split(".") for dag in dags)
    return tuple(path_of(DAGS, n, "dag.py") for n in names if n[0] in domains)


@rule(desc="Compare the DAGs")
async def find_structures(request: DagStructuresRequest) -> DagStructures:
    if not request.files:
        return DagStructures()
    domains = sorted({domain_of(file) or "" for file in request.files})
    folders = [f"{tree}/{domain}" for tree in (CONFIGS, DAGS) for domain in domains]
    folders.append("maxairesources")
    earlier = io.BytesIO(read_archive(request.base, folders))
    with tarfile.open(fileobj=earlier) as archive:
        files = [
            FileContent(member.name, content.read())
            for member in archive
            if (content := archive.extractfile(member))
        ]
    pex, before, after = await MultiGet(
        Get(
            PexRequest,
            PexFromTargetsRequest(
                [TOOL],
                output_filename="describe_dags.pex",
                internal_only=True,
                main=EntryPoint("maxaitools.deployments.describe_dags"),
            ),
        ),
        Get(Digest, CreateDigest(files)),
        Get(Digest, PathGlobs([f"{folder}/**" for folder in folders])),
    )
    venv = await Get(VenvPex, PexRequest, pex)
    results = await MultiGet(
        Get(
            FallibleProcessResult,
            VenvPexProcess(
                venv,
                argv=(*request.deployments, "--", *request.files),
                input_digest=digest,
                description=f"Load the DAGs {time}",
            ),
        )
        for time, digest in (("of the merge base", before), ("of now", after))
    )
    for result in results:
        if result.exit_code:
            reason = result.stderr.decode(errors="replace").strip().splitlines()
            return DagStructures(problem=reason[-1] if reason else "no reason given")
    # Airflow and the DAGs may print other lines before the last one.
    return DagStructures(*(r.stdout.decode().splitlines()[-1] for r in results))


def rules() -> Iterable[Any]:
    return collect_rules()
