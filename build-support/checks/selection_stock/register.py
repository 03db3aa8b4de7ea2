"""Takes back what this repository changes in Pants, so that the suite can measure stock Pants.

The marketplace's own target types and inference stay: without them there is no graph to ask.
"""

import inspect

from pants.bin import local_pants_runner
from pants.engine.internals import build_files

from marketplace import register  # noqa: F401, for it is what changes Pants.

local_pants_runner.calculate_specs = inspect.unwrap(local_pants_runner.calculate_specs)
build_files.rules = inspect.unwrap(build_files.rules)
