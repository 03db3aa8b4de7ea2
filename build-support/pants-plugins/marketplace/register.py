"""Wires the modules of this plugin into Pants; README.md says what each one does."""

from __future__ import annotations

from typing import Any, Iterable

from marketplace import (
    changed_since,
    config_schemas,
    docker_engine,
    domain_handlers,
    wheel_linters,
)
from pants.engine.target import Target

changed_since.install()


def rules() -> Iterable[Any]:
    return [
        *changed_since.rules(),
        *config_schemas.rules(),
        *docker_engine.rules(),
        *domain_handlers.rules(),
        *wheel_linters.rules(),
    ]


def target_types() -> Iterable[type[Target]]:
    return [domain_handlers.DomainHandlers]
