"""Wires the modules of this plugin into Pants; README.md says what each one does."""

from __future__ import annotations

from typing import Any, Iterable

from marketplace import (
    affected,
    build_files,
    changed_since,
    changed_targets,
    config_schemas,
    conventions,
    dag_dependencies,
    deploy,
    deployments,
    docker_engine,
    dynamic_imports,
    image_lookup,
    image_sources,
    image_tags,
    known_targets,
    launch_configs,
    local_runs,
    parsed_build_files,
    release,
    release_target,
    sources_below,
    tested_images,
    wheel_linters,
)
from pants.engine.target import Target

changed_since.install()
docker_engine.install()
local_runs.install()
parsed_build_files.install()


def rules() -> Iterable[Any]:
    return [
        *affected.rules(),
        *build_files.rules(),
        *changed_since.rules(),
        *changed_targets.rules(),
        *config_schemas.rules(),
        *conventions.rules(),
        *dag_dependencies.rules(),
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
        *release.rules(),
        *release_target.rules(),
        *sources_below.rules(),
        *tested_images.rules(),
        *wheel_linters.rules(),
    ]


def target_types() -> Iterable[type[Target]]:
    return [
        deployments.MarketplaceDeployment,
        image_sources.ImageSources,
        launch_configs.LaunchConfigsTarget,
        launch_configs.LaunchConfigTarget,
        local_runs.MarketplaceAirflow,
        release_target.MarketplaceRelease,
        sources_below.SourcesBelow,
    ]
