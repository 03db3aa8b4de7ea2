"""Registers the rules and targets of this plugin with Pants.

build-support/docs/plugin.md describes the modules.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Iterable

from pants.engine.target import Target

from marketplace.graph import (
    build_files,
    dag_dependencies,
    data_files,
    deployments,
    dynamic_imports,
    launch_configs,
    release_target,
    sources_below,
)
from marketplace.lint import config_schemas, conventions, wheel_linters
from marketplace.release import (
    deploy,
    docker_engine,
    image_sources,
    image_tags,
    provided_images,
    release,
)
from marketplace.run import local_runs, tested_images
from marketplace.selection import (
    affected,
    changed_since,
    changed_targets,
    dag_structures,
    dependents,
    image_lookup,
    known_targets,
    parsed_build_files,
)

changed_since.install()
docker_engine.install()
local_runs.install()
parsed_build_files.install()
# Pants starts processes with its own interpreter, whose path is a part of their cache keys. In
# the launcher's virtual environment, that path has the user's cache folder in it.
sys.executable = os.path.realpath(sys.executable)


def rules() -> Iterable[Any]:
    return [
        *affected.rules(),
        *build_files.rules(),
        *changed_since.rules(),
        *changed_targets.rules(),
        *config_schemas.rules(),
        *conventions.rules(),
        *dag_dependencies.rules(),
        *dag_structures.rules(),
        *data_files.rules(),
        *dependents.rules(),
        *deploy.rules(),
        *deployments.rules(),
        *docker_engine.rules(),
        *dynamic_imports.rules(),
        *image_lookup.rules(),
        *image_sources.rules(),
        *image_tags.rules(),
        *known_targets.rules(),
        *launch_configs.rules(),
        *local_runs.rules(),
        *provided_images.rules(),
        *release.rules(),
        *release_target.rules(),
        *sources_below.rules(),
        *tested_images.rules(),
        *wheel_linters.rules(),
    ]


def target_types() -> Iterable[type[Target]]:
    return [
        data_files.DataFilesTarget,
        deployments.MarketplaceDeployment,
        image_sources.ImageSources,
        launch_configs.LaunchConfigsTarget,
        launch_configs.LaunchConfigTarget,
        local_runs.MarketplaceAirflow,
        release_target.MarketplaceRelease,
        sources_below.SourcesBelow,
    ]
