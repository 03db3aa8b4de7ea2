"""Undoes the changes of this repository in Pants, so that the suite can measure stock Pants.

The target types and the dependency inference of the marketplace stay: the graph needs them.
"""

import inspect

from pants.bin import local_pants_runner
from pants.engine.internals import build_files

from marketplace import register  # noqa: F401, because importing it changes Pants.

local_pants_runner.calculate_specs = inspect.unwrap(local_pants_runner.calculate_specs)
build_files.rules = inspect.unwrap(build_files.rules)
