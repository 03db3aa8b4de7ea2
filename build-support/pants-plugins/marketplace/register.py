"""Registers the rules and targets of this plugin with Pants.

build-support/docs/plugin.md describes the modules.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Iterable

from pants.build_graph.build_file_aliases import BuildFileAliases
from pants.engine.target import Target

from marketplace import affected, catalogue, changed_since, codeowners, graph
from marketplace import internals, lint, local_runs, release, selection, tags

changed_since.install()
lint.create_mypy_cache()
internals.install()
# Pants starts processes with its own interpreter, whose path is a part of their cache keys. In
# the launcher's virtual environment, that path has the user's cache folder in it.
sys.executable = os.path.realpath(sys.executable)


def rules() -> Iterable[Any]:
    modules = (affected, catalogue, changed_since, codeowners, graph, lint, local_runs)
    others = (release, selection, tags)
    return [rule for each in (*modules, *others) for rule in each.rules()]


def build_file_aliases() -> BuildFileAliases:
    return BuildFileAliases(objects={"NO_DATA": graph.NO_DATA})


def target_types() -> Iterable[type[Target]]:
    targets = (graph.ConfigTarget, graph.ConfigsTarget, graph.MarketplaceRelease)
    return [*targets, tags.ImageSources]
