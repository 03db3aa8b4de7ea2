"""Kills deploys at many moments, starts many at the same time, and checks the repository.

After each kill the branch must be at the old or the new commit, every object must be intact, and
the next deploy must succeed. The history must hold each of the simultaneous deploys once.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from maxaitools.deployments.trial import Kills, make_place, race, served


def main() -> int:
    """Run the trials, and return the exit code: 1 if anything was broken or lost."""
    parser = argparse.ArgumentParser(
        prog="./pants run build-support/checks/bench/faults.py --", description=__doc__
    )
    parser.add_argument(
        "--kills",
        type=int,
        default=100,
        help="the number of kills of each kind (default: 100)",
    )
    parser.add_argument(
        "--deploys",
        type=int,
        default=20,
        help="the number of simultaneous deploys (default: 20)",
    )
    arguments = parser.parse_args()
    code = 0
    for kind in ("local", "served"):
        with tempfile.TemporaryDirectory(prefix="maxai-faults-") as name:
            with served(Path(name), kind) as url:
                started = time.monotonic()
                kills = Kills(make_place(Path(name, "clone"), url))
                kills.run(arguments.kills)
            print(
                f"{kind}: {arguments.kills} kills: {kills.old} old, {kills.new} new, "
                f"{len(kills.faults)} broken or lost; {time.monotonic() - started:.0f} s",
                *kills.faults,
                sep="\n  ",
                flush=True,
            )
            code |= bool(kills.faults)
    with tempfile.TemporaryDirectory(prefix="maxai-race-") as name:
        with served(Path(name), "served") as url:
            order = race(Path(name), url, arguments.deploys)
    print(f"{len(order)} deploys at the same time: one order, none lost")
    return code


if __name__ == "__main__":
    sys.exit(main())
