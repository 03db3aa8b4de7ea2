"""Print the conventions of the three trees, or check the files of one domain against them.

`./pants lint` runs the check for each domain that a change touches, with the files of that
domain in a sandbox.
"""

import argparse
import inspect
import sys
import textwrap
import tomllib
from collections.abc import Iterable
from pathlib import Path

from maxairesources.configs.objective import find_deployments, read_objective
from maxairesources.errors import InputError
from maxairesources.tree import (
    CONFIGS,
    MACROS,
    PANTS_TOML,
    PY_CONFIG,
    TREES,
    read_macros,
)
from maxaitools.conventions.domain import Domain
from maxaitools.conventions.rules import LARGEST, RULES, check, rule_id


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="./pants list-conventions", description=__doc__, allow_abbrev=False
    )
    # `lint` gives these. An empty name stands for the files that belong to no domain.
    result.add_argument("--domain", help=argparse.SUPPRESS)
    result.add_argument("--deployments", nargs="*", default=[], help=argparse.SUPPRESS)
    return result


def describe_rules() -> str:
    """Return a paragraph for each rule: its id, the rule, why it exists and how to fix it."""
    paragraphs = []
    for rule in RULES:
        texts = (inspect.getdoc(rule) or "").splitlines()
        labelled = zip(("", "Why: ", "Fix: "), texts, strict=True)
        lines = (textwrap.fill(label + text, 84) for label, text in labelled)
        body = textwrap.indent("\n".join(lines), "    ")
        paragraphs.append(f"{rule_id(rule)}\n{body}")
    return "\n".join(paragraphs)


def find_config_errors(root: Path, domain: str) -> Iterable[InputError]:
    """Return the errors in the configs of a domain, alone and with each overlay.

    Args:
        root: the folder that holds maxaiconfigs.
        domain: the name of the domain.
    """
    errors: dict[str, InputError] = {}
    for path in sorted((root / CONFIGS / domain).glob(f"*/*/{PY_CONFIG}")):
        usecase, objective = path.parts[-3:-1]
        for deployment in (None, *sorted({*find_deployments(path.parents[1])})):
            try:
                read_objective(root, domain, usecase, objective, deployment)
            except InputError as error:
                errors[str(error)] = error
                if deployment is None:
                    # Each overlay would only repeat it.
                    break
    return errors.values()


def read_domain(root: Path, name: str, deployments: Iterable[str]) -> Domain:
    """Read a domain from a folder that holds no files of other domains.

    Args:
        root: that folder, with pants.toml and the macros.
        name: the name of the domain; empty for the files that belong to none.
        deployments: the names of all deployments.
    """
    files: dict[str, str] = {}
    large: dict[str, int] = {}
    for tree in (*TREES, "3rdparty"):
        for path in (root / tree).rglob("*"):
            if path.is_file():
                relative, size = path.relative_to(root).as_posix(), path.stat().st_size
                if size > LARGEST and tree in TREES:
                    large[relative] = size
                files[relative] = (
                    "" if relative in large else path.read_text(errors="replace")
                )
    _, lists = read_macros((root / MACROS).read_text())
    pants_toml = tomllib.loads((root / PANTS_TOML).read_text())
    return Domain(
        name,
        files,
        pants_toml["python"]["resolves"],
        tuple(sorted(lists.get("DOMAINS", ()))),
        tuple(deployments),
        large,
        tuple(find_config_errors(root, name) if name else ()),
    )


def main() -> int:
    """Run the command.

    Returns:
        The exit code: 0 if the domain follows the conventions, 1 if not, 2 for wrong usage.
    """
    options = parser().parse_args()
    if options.domain is None:
        print(describe_rules())
        return 0
    findings = check(read_domain(Path(), options.domain, options.deployments))
    print("\n".join(findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
