"""Lets `tailor` write the BUILD files of domains and configs.

The stock backends write those of code.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Iterable

from pants.core.goals.tailor import (
    AllOwnedSources,
    PutativeTarget,
    PutativeTargets,
    PutativeTargetsRequest,
)
from pants.core.target_types import FilesGeneratorTarget
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.unions import UnionRule

from marketplace.graph.launch_configs import LaunchConfigsTarget

# `tailor` sorts by name. With this one it calls the macro, which sets defaults, before the targets.
FIRST = "_domain"


class MarketplaceTargetsRequest(PutativeTargetsRequest):
    pass


@rule
async def find_missing_targets(
    request: MarketplaceTargetsRequest, owned: AllOwnedSources
) -> PutativeTargets:
    dockerfiles, launch_configs, py_configs = await MultiGet(
        Get(Paths, PathGlobs, request.path_globs(name))
        for name in ("Dockerfile", "*_config*.json", "py_config*.json")
    )

    def unowned(paths: Paths, tree: str, depth: int) -> Iterable[tuple[str, list[str]]]:
        """Return the folders at one level of a tree, with the files that no target owns."""
        found = defaultdict(list)
        for path in sorted(set(paths.files) - set(owned)):
            folder, _, name = path.rpartition("/")
            if folder.startswith(f"{tree}/") and folder.count("/") == depth:
                found[folder].append(name)
        return found.items()

    return PutativeTargets(
        [
            *(
                PutativeTarget(folder, FIRST, "marketplace_domain", (), ())
                for folder, _ in unowned(dockerfiles, "maxaiusecases", 1)
            ),
            *(
                PutativeTarget.for_target_type(LaunchConfigsTarget, folder, None, names)
                for folder, names in unowned(launch_configs, "maxaiconfigs", 2)
            ),
            *(
                PutativeTarget.for_target_type(
                    FilesGeneratorTarget, folder, None, names, {"sources": ("*.json",)}
                )
                for folder, names in unowned(py_configs, "maxaiconfigs", 3)
            ),
        ]
    )


def rules() -> Iterable[Any]:
    return [
        *collect_rules(),
        UnionRule(PutativeTargetsRequest, MarketplaceTargetsRequest),
    ]
