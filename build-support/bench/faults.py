"""Ends a deploy at each of its moments, in a folder and in a bucket, and looks at what is left.

A moment is just before a write, a rename or a push, in the middle of a push, and just after a
write to a bucket, whose answer is then lost. After each, what is current has to be wholly the
old release or wholly the new one, nothing that was deployed before may be lost, and a second
deploy has to succeed and to leave nothing else behind. The registry is Debian's
docker-registry, the bucket is one of moto's server.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from deployer.faults import Counts, Trial
from deployer.testing import Marketplace, object_store, registry


def main() -> int:
    """Try all moments, and return the exit code: 1 if anything was broken or lost."""
    parser = argparse.ArgumentParser(
        prog="./pants run build-support/bench/faults.py --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="maxai-faults-") as name:
        root = Path(name)
        with registry(root / "registry") as images, object_store() as bucket:
            for kind, place in (("folder", str(root / "to")), ("bucket", bucket)):
                started = time.monotonic()
                clone = Marketplace(root / f"clone-{kind}", images.address, place)
                rows.append((kind, *try_all(kind, clone), time.monotonic() - started))
    print("\ndestination  moments  old  new  broken  lost  seconds")
    for kind, counts, broken, seconds in rows:
        print(
            f"{kind:11}  {counts.moments:7}  {counts.old:3}  {counts.new:3}  "
            f"{len(broken):6}  {sum('lost' in each for each in broken):4}  {seconds:7.0f}"
        )
        for each in broken:
            print(f"  {each}")
    return 1 if any(broken for _, _, broken, _ in rows) else 0


def try_all(kind: str, place: Marketplace) -> tuple[Counts, list[str]]:
    """Return what came of all moments of a deploy, and what was broken or lost."""
    trial, broken = Trial(place), []
    with contextlib.redirect_stdout(None):
        moments = trial.count_moments()
    number = 0
    while True:
        number += 1
        # Those of a push are early; later on, the image may be there already.
        push = "push" in "".join(moments[max(0, number - 2) : number + 1])
        what = moments[number - 1] if number <= len(moments) else "another one"
        print(f"{kind} {number}/{len(moments)}  {what}", flush=True)
        try:
            with contextlib.redirect_stdout(None):
                reached = trial.end_at(number, push)
        except AssertionError as error:
            broken.append(f"moment {number} ({what}): {error}")
            continue
        if not reached:
            return trial.counts, broken


if __name__ == "__main__":
    sys.exit(main())
