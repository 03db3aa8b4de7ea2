"""Registers the rules and targets of this plugin with Pants.

build-support/docs/plugin.md describes the modules.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Iterable

from pants.engine.target import Target

from marketplace.graph import (
    configs,
    dags,
    data_files,
    deployments,
    release_target,
)
from marketplace.lint import conventions, mypy_cache, wheel_linters
from marketplace.release import deploy, image_sources, image_tags, release
from marketplace.run import local_runs, provided_images
from marketplace.selection import (
    affected,
    changed_since,
    known_targets,
    selection,
)

changed_since.install()
local_runs.install()
mypy_cache.install()
# Pants starts processes with its own interpreter, whose path is a part of their cache keys. In
# the launcher's virtual environment, that path has the user's cache folder in it.
sys.executable = os.path.realpath(sys.executable)


def rules() -> Iterable[Any]:
    return [
        *affected.rules(),
        *changed_since.rules(),
        *configs.rules(),
        *conventions.rules(),
        *dags.rules(),
        *data_files.rules(),
        *deploy.rules(),
        *deployments.rules(),
        *image_sources.rules(),
        *image_tags.rules(),
        *known_targets.rules(),
        *local_runs.rules(),
        *provided_images.rules(),
        *release.rules(),
        *release_target.rules(),
        *selection.rules(),
        *wheel_linters.rules(),
    ]


def target_types() -> Iterable[type[Target]]:
    return [
        configs.ConfigsTarget,
        configs.ConfigTarget,
        deployments.MarketplaceDeployment,
        image_sources.ImageSources,
        release_target.MarketplaceRelease,
    ]
