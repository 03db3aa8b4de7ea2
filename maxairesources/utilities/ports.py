"""Ports: where a task's tables come from and go to, as a py_config names them."""

import os
from collections.abc import Iterable
from typing import Any

from maxairesources.configs.document import validate
from maxairesources.configs.py_config import Port
from maxairesources.errors import InputError
from maxairesources.utilities import storage


def find_port(ports: Iterable[Port | dict[str, Any]], port_number: int = 1) -> Port:
    """Return the port that has a number; its `address` is the path or URI of its table.

    Args:
        ports: the ports of a task, or the list of them in a py_config, each of the form
            `{"port": 1, "type": "pandas", "sourceDetails": {"source": "file",
            "fileFormat": "parquet", "filePath": "shop/transactions.parquet"}}`. A
            relative path of the source `file` is below what MAXAI_DATA_ROOT names: a
            folder (default: the current one), or a URI such as s3://bucket/folder.
        port_number: the number of the port.

    Raises:
        InputError: the port is missing, or has a missing or unknown value.
    """
    checked = [
        port if isinstance(port, Port) else validate(Port, port, path=(index,))
        for index, port in enumerate(ports)
    ]
    port = next((port for port in checked if port.port == port_number), None)
    if port is None:
        raise InputError(f"port {port_number} is missing", "add it, with its number")
    root = os.environ.get("MAXAI_DATA_ROOT", "")
    if storage.shown(root) != root:
        remedy = "use the variables of the object store"
        raise InputError("contains a secret", remedy, "MAXAI_DATA_ROOT")
    return port
