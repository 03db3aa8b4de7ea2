"""Registers the rules and targets of this plugin with Pants.

build-support/docs/plugin.md describes the modules.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Iterable

from pants.build_graph.build_file_aliases import BuildFileAliases
from pants.engine.target import Target

from marketplace.graph import addresses, configs, dependencies
from marketplace.graph import deployments, release_target
from marketplace.lint import linters
from marketplace.release import deploy, image_sources, image_tags, release
from marketplace.run import local_runs, provided_images
from marketplace.selection import affected, changed_since, selection

changed_since.install()
linters.create_mypy_cache()
local_runs.install()
# Pants starts processes with its own interpreter, whose path is a part of their cache keys. In
# the launcher's virtual environment, that path has the user's cache folder in it.
sys.executable = os.path.realpath(sys.executable)

_MODULES = (
    *(affected, changed_since, configs, dependencies, deploy, deployments),
    *(image_sources, image_tags, linters, local_runs),
    *(provided_images, release, release_target, selection),
)


def rules() -> Iterable[Any]:
    return [rule for module in _MODULES for rule in module.rules()]


def build_file_aliases() -> BuildFileAliases:
    return BuildFileAliases(objects={"NO_DATA": addresses.NO_DATA})


def target_types() -> Iterable[type[Target]]:
    return [
        configs.ConfigsTarget,
        configs.ConfigTarget,
        deployments.MarketplaceDeployment,
        image_sources.ImageSources,
        release_target.MarketplaceRelease,
    ]
