"""Checks all configs of domains, as a command: a line for each thing that is wrong.

It needs no Airflow, so that `lint` can run it: see build-support/pants-plugins/README.md.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from maxairesources.config_store.objective import find_deployments, read_objective
from maxairesources.errors import InputError


def find_errors(root: Path, domains: Iterable[str]) -> list[str]:
    """Return what is wrong in the configs of domains, alone and with each overlay.

    Args:
        root: the marketplace's folder, which holds maxaiconfigs.
        domains: the domains' names.
    """
    errors: dict[str, None] = {}
    for domain in domains:
        files = (root / "maxaiconfigs" / domain).glob("*/*/py_config.json")
        for path in sorted(files):
            usecase, objective = path.parts[-3:-1]
            deployments = {*find_deployments(path.parents[1])}
            for deployment in (None, *sorted(deployments)):
                try:
                    read_objective(root, domain, usecase, objective, deployment)
                except InputError as error:
                    errors[str(error)] = None
                    if deployment is None:
                        # Each overlay would only repeat it.
                        break
    return [*errors]


def main() -> int:
    """Print the errors of the domains that the arguments name.

    Returns:
        The exit code: 0 if there are none, else 1.
    """
    errors = find_errors(Path(), sys.argv[1:])
    print("\n".join(errors))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
