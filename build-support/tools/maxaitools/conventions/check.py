"""Print the conventions of the three trees, or check the files of one domain against them.

`./pants lint` runs the check for each domain that a change touches, with the files of that
domain in a sandbox.
"""

import argparse
import inspect
import sys
import textwrap
from pathlib import Path

from maxaitools.conventions.domain import Domain
from maxaitools.conventions.rules import RULES, check, rule_id


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 1 if there are findings."""
    parser = argparse.ArgumentParser(
        prog="./pants list-conventions", description=__doc__, allow_abbrev=False
    )
    # `lint` gives these. An empty name stands for the files that belong to no domain.
    parser.add_argument("--domain", help=argparse.SUPPRESS)
    parser.add_argument("--deployments", nargs="*", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.domain is None:
        for rule in RULES:
            print(rule_id(rule))
            print(textwrap.indent(inspect.getdoc(rule) or "", "    "))
        return 0
    findings = check(Domain(Path(), options.domain, tuple(options.deployments)))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
