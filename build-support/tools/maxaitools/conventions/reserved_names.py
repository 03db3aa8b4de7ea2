"""Names that a handler cannot have."""

import sys

# Spark runs a handler as a script. Python then looks for each module in the handler's folder
# first, so a handler with such a name would hide the module.
SHADOWED = sys.stdlib_module_names | {
    *("fsspec", "numpy", "pandas", "py4j", "pyarrow", "pydantic", "pyspark"),
    *("maxairesources", "maxaiusecases"),
}
