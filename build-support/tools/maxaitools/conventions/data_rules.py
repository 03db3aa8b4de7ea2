"""The rule about the tables that objectives exchange, over all domains."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from maxairesources.lineage import Use, find_edges
from maxairesources.tree import CONFIGS, PY_CONFIG, nearest, path_of

# What is in the folder of a usecase and comes from elsewhere has one of these names there.
_SOURCES = re.compile(r"sources|input(\..*)?")


def find_wrong_tables(uses: list[Use]) -> Iterator[tuple[str, str, str]]:
    """Yield the file, the problem and the fix of each mistake in what all tasks use."""
    edges, writers = find_edges(uses), {use.address: use for use in uses if use.writes}
    found = {reader for _, reader in edges}
    domains = {use.objective.split("/")[0] for use in uses}
    for use in uses:
        file = path_of(CONFIGS, [use.objective], PY_CONFIG)
        domain, *folders = use.address.split("/")
        other = writers.get(use.address, use)
        if use.writes and (use.objective, use.task) != (other.objective, other.task):
            problem = f"task {use.task!r} writes {use.address}, and so does "
            problem += f"{other.task!r} of {other.objective}"
            yield file, problem, "write different tables"
        is_inside = domain in domains and len(folders) > 1
        if not (use.writes or use in found) and is_inside:
            if not _SOURCES.fullmatch(folders[1]):
                problem = f"task {use.task!r} reads {use.address}, which no task writes"
                sources = f"{domain}/{folders[0]}/sources"
                fix = f"correct the path, or put a table from elsewhere into {sources}/"
                yield file, problem, nearest(use.address, writers, fix)
    order: TopologicalSorter[str] = TopologicalSorter()
    for writer, reader in edges:
        if writer.objective != reader.objective:
            order.add(reader.objective, writer.objective)
    try:
        order.prepare()
    except CycleError as error:
        cycle = " -> ".join(error.args[1])
        file = path_of(CONFIGS, [error.args[1][0]], PY_CONFIG)
        yield file, f"objectives read each other's tables: {cycle}", "remove one input"
