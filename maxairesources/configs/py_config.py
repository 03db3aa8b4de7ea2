"""The model of py_config.json, with the ports and arguments of an objective's tasks."""

import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from maxairesources.configs.document import Config, ConfigModel
from maxairesources.errors import InputError
from maxairesources.tree import nearest

# The formats that are checked for typing errors, and those that only Spark reads. Spark may
# have others, by name.
_FORMATS = ("avro", "csv", "delta", "excel", "iceberg", "json", "orc", "parquet")
_OF_SPARK = ("avro", "delta", "iceberg", "orc")


class SourceDetails(ConfigModel):
    """The location of a table.

    Attributes:
        source: `file` for a path below the data root (MAXAI_DATA_ROOT), or an object
            store: `s3`, `abfs` (Azure) or `gs` (Google).
        fileFormat: `csv`, `json` (one object on each line), `parquet`, or another that Spark
            reads by this name, such as `delta`.
        filePath: the path below the data root, or an absolute one; in an object store
            the bucket (or container) and the path in it.
    """

    source: Literal["file", "s3", "abfs", "gs"]
    fileFormat: str = Field(min_length=1)
    filePath: str = Field(min_length=1)


class Port(ConfigModel):
    """A table that a task reads or writes.

    Attributes:
        port: the number that the handler uses for it, from 1.
        type: the kind of data frame.
        sourceDetails: the location of the table.
        options: what pandas or Spark has as options of the format, by name.
    """

    port: int = Field(ge=1)
    type: Literal["pandas", "spark"]
    sourceDetails: SourceDetails
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check(self) -> "Port":
        path = self.sourceDetails.filePath
        if self.format not in _FORMATS and (near := nearest(self.format, _FORMATS, "")):
            raise InputError(f"fileFormat {self.format!r} is not a format", near)
        if "://" in path:
            remedy = "use the path, and its scheme as source"
            raise InputError(f"filePath {path!r} is a URI", remedy)
        if self.type == "pandas" and self.format in _OF_SPARK:
            problem = f"pandas cannot read or write {self.format}"
            raise InputError(problem, "use the type spark")
        # Spark would ignore it.
        if self.type == "spark" and "na_values" in self.options:
            raise InputError(
                "Spark has no option 'na_values'", "did you mean nullValue?"
            )
        return self

    @property
    def format(self) -> str:
        """The format of the table."""
        return self.sourceDetails.fileFormat

    @property
    def address(self) -> str:
        """The path of the file, or of the folder that Spark reads or writes; or the URI."""
        details = self.sourceDetails
        if details.source != "file":
            return f"{details.source}://{details.filePath}"
        root = os.environ.get("MAXAI_DATA_ROOT", "").removeprefix("file://")
        return os.path.join(root, details.filePath)


def _check_numbers(ports: list[Port]) -> list[Port]:
    numbers = [port.port for port in ports]
    for number in numbers:
        if numbers.count(number) > 1:
            raise InputError(f"port {number} is defined twice", "remove one")
    return ports


Ports = Annotated[list[Port], AfterValidator(_check_numbers)]


class Function(ConfigModel):
    """The arguments of a task, by name. Its handler defines which exist."""

    args: dict[str, Any]


class Task(ConfigModel):
    """The ports that a task reads and writes, and its arguments."""

    input: Ports
    output: Ports
    function: Function


class PyConfig(Config, extra="allow"):
    """A py_config: the tasks of an objective, by name."""

    __pydantic_extra__: dict[str, Task]

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks by name."""
        return self.__pydantic_extra__
