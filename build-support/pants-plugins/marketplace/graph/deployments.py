"""The target `marketplace_deployment`, which defines a deployment in the root BUILD file.

The tool `deployments` reads the fields from that file itself, as plain Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, Iterator

from pants.base.glob_match_error_behavior import GlobMatchErrorBehavior
from pants.base.specs import DirGlobSpec, RawSpecs
from pants.engine.collection import Collection
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    BoolField,
    StringField,
    StringSequenceField,
    Target,
    UnexpandedTargets,
)

from maxairesources.tree import USECASES, nearest


class InvalidDeployment(Exception):
    """The root BUILD file defines a deployment wrongly; the message contains a fix."""


class RegistryField(StringField):
    alias = "registry"
    required = True
    help = "The registry that holds the deployment's images: host[:port][/prefix]."


class DataRootField(StringField):
    alias = "data_root"
    help = (
        "The root folder or URL of the data. Handlers get it in the environment variable "
        "MAXAI_DATA_ROOT."
    )


class DomainsField(StringSequenceField):
    alias = "domains"
    help = "The domains that the deployment carries (default: all)."


class AfterField(StringField):
    alias = "after"
    help = (
        "The deployment that must have run a release before this one accepts it "
        "(default: none)."
    )


class BranchField(StringField):
    alias = "branch"
    help = (
        "The only branch from which the deployment accepts commits. It then refuses a clone "
        "with uncommitted changes too (default: it accepts anything)."
    )


class PausedField(BoolField):
    alias = "paused"
    default = False
    help = "If true, DAGs that are new in the deployment start paused."


class SignedField(BoolField):
    alias = "signed"
    default = False
    help = (
        "If true, Git must sign each commit of the deployment. `verify` accepts the keys in "
        "build-support/allowed_signers."
    )


class MarketplaceDeployment(Target):
    alias = "marketplace_deployment"
    core_fields = (
        *COMMON_TARGET_FIELDS,
        RegistryField,
        DataRootField,
        DomainsField,
        AfterField,
        BranchField,
        PausedField,
        SignedField,
    )
    help = (
        "A deployment, such as dev or prod: the branch deploy/<name> of the deployments "
        "repository. Its overlays have the same name, as in spark_config.prod.json."
    )


@dataclass(frozen=True)
class Deployment:
    """The fields of a target `marketplace_deployment` that other rules need."""

    name: str
    domains: tuple[str, ...] | None = None
    after: str | None = None

    @classmethod
    def create(cls, target: Target) -> Deployment:
        name = target.address.target_name
        return cls(name, target[DomainsField].value, target[AfterField].value or None)

    def carries(self, domain: str) -> bool:
        return self.domains is None or domain in self.domains

    @property
    def place(self) -> str:
        """The place of its definition, for errors."""
        return f'BUILD: marketplace_deployment(name="{self.name}")'


class Deployments(Collection[Deployment]):
    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self)


@rule
async def find_deployments() -> Deployments:
    # Listing one folder is faster than listing all targets.
    targets, images = await MultiGet(
        Get(
            UnexpandedTargets,
            RawSpecs(
                dir_globs=(DirGlobSpec(""),),
                unmatched_glob_behavior=GlobMatchErrorBehavior.ignore,
                description_of_origin="the deployments",
            ),
        ),
        Get(Paths, PathGlobs([f"{USECASES}/*/Dockerfile"])),
    )
    deployments = [
        Deployment.create(target)
        for target in sorted(targets, key=lambda target: target.address)
        if isinstance(target, MarketplaceDeployment)
    ]
    domains = {path.split("/")[1] for path in images.files}
    if mistakes := [*find_mistakes(deployments, domains)]:
        raise InvalidDeployment("\n".join(mistakes))
    return Deployments(deployments)


def find_mistakes(
    deployments: Iterable[Deployment], domains: Iterable[str]
) -> Iterator[str]:
    """Yield a line for each mistake in the deployments."""
    all_of = {each.name: each for each in deployments}
    for name, deployment in all_of.items():
        if not re.fullmatch("[a-z][a-z0-9_]*", name):
            yield (
                f"{deployment.place}: the name does not match [a-z][a-z0-9_]*; rename it"
            )
        if deployment.domains == ():
            yield f"{deployment.place}: domains is empty; remove it to carry all domains"
        for domain in sorted({*(deployment.domains or ())} - {*domains}):
            remedy = nearest(domain, domains)
            yield f"{deployment.place}: {domain!r} is not a domain; {remedy}"
        after = deployment.after
        if after and after not in all_of:
            remedy = nearest(after, {*all_of} - {name})
            yield f"{deployment.place}: after={after!r} is not a deployment; {remedy}"
        seen = {name}
        while after in all_of and after not in seen:
            seen.add(after)
            after = all_of[after].after
        if after == name:
            yield (
                f"{deployment.place}: following `after` leads back to it, so it would never "
                "accept a release; remove `after` from one of these deployments"
            )


def rules() -> Iterable[Any]:
    return collect_rules()
