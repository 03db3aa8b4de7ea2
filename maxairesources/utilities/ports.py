"""Ports: where a task's tables come from and go to, as a py_config names them."""

import os
from collections.abc import Iterable
from typing import Any

from maxairesources.configs.document import validate
from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.utilities import storage

# The ports of a task, or the list of them in a py_config, each of the form {"port": 1, "type":
# "pandas", "sourceDetails": {"source": "file", "fileFormat": "csv", "filePath": "a/b.csv"}}.
Ports = Iterable[Port | dict[str, Any]]


def find_port(ports: Ports, port_number: int = 1, port_type: str | None = None) -> Port:
    """Return the port that has a number; its `address` is the path or URI of its table.

    Raises:
        InputError: the port is missing, of another type, or has a wrong value.
    """
    checked = [
        port if isinstance(port, Port) else validate(Port, port, path=(index,))
        for index, port in enumerate(ports)
    ]
    port = next((port for port in checked if port.port == port_number), None)
    if port is None:
        raise InputError(f"port {port_number} is missing", "add it, with its number")
    if port_type not in (None, port.type):
        problem = f"port {port_number} has type {port.type!r}, but the task needs "
        remedy = "change the port's type in the config"
        raise InputError(f"{problem}{port_type!r}", remedy)
    root = os.environ.get("MAXAI_DATA_ROOT", "")
    if storage.shown(root) != root:
        remedy = "use the variables of the object store"
        raise InputError("contains a secret", remedy, "MAXAI_DATA_ROOT")
    return port
