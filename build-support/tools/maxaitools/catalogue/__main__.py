"""Builds the catalogue: a site with all usecases and deployments of the marketplace.

It reads the sources and the branches of the deployments that this clone has. `./pants package
//:catalogue` writes it to dist/catalogue; `./pants run //:catalogue` also serves it on this
machine, because the search needs a server.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from maxairesources.errors import InputError
from maxaitools.catalogue.live import read_live
from maxaitools.catalogue.site import build_site
from maxaitools.catalogue.sources import Marketplace


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser("./pants run //:catalogue", description=__doc__)
    # The root of the clone and the folder to write, if the site is not to be served.
    parser.add_argument("--package", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args().package
    root, folder = given or (Path(), Path("dist/catalogue"))
    folder = folder.absolute()
    os.chdir(root)
    begin = time.monotonic()
    try:
        market = Marketplace()
        pages = build_site(market, read_live(market.deployments), folder)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for problem in market.problems:
        print(f"not shown: {problem}", file=sys.stderr)
    print(f"{pages} pages, {time.monotonic() - begin:.1f} s", file=sys.stderr)
    if not given:
        server = ("-um", "http.server", "--bind=127.0.0.1", "--directory", str(folder))
        os.execv(sys.executable, [sys.executable, *server, "0"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
