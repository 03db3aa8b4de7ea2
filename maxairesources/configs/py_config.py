"""The model of py_config.json, with the ports and arguments of an objective's tasks."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

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

    @field_validator("fileFormat")
    @classmethod
    def _check_format(cls, value: str) -> str:
        if value not in _FORMATS and (advice := nearest(value, _FORMATS, "")):
            raise InputError(f"{value!r} is not a format", advice)
        return value

    @field_validator("filePath")
    @classmethod
    def _check_path(cls, value: str) -> str:
        if "://" in value:
            raise InputError(
                f"{value!r} is a URI", "use the path, and its scheme as source"
            )
        return value


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
    def _check_type(self) -> "Port":
        file_format = self.sourceDetails.fileFormat
        if self.type == "pandas" and file_format in _OF_SPARK:
            problem = f"pandas cannot read or write {file_format}"
            path = ("sourceDetails", "fileFormat")
            raise InputError(problem, "use the type spark", path=path)
        # Spark would ignore it.
        if self.type == "spark" and "na_values" in self.options:
            problem = "Spark has no such option"
            path = ("options", "na_values")
            raise InputError(problem, "did you mean nullValue?", path=path)
        return self


def _unique(ports: list[Port]) -> list[Port]:
    numbers = [port.port for port in ports]
    for number in numbers:
        if numbers.count(number) > 1:
            raise InputError(f"port {number} is defined twice", "remove one")
    return ports


class Function(ConfigModel):
    """The arguments of a task, by name. Its handler defines which exist."""

    args: dict[str, Any]


class Task(ConfigModel):
    """The ports and arguments of a task.

    Attributes:
        input: the ports that the task reads.
        output: the ports that the task writes.
        function: its arguments.
    """

    input: list[Port]
    output: list[Port]
    function: Function

    _input = field_validator("input")(_unique)
    _output = field_validator("output")(_unique)


class PyConfig(Config, extra="allow"):
    """A py_config: the tasks of an objective, by name."""

    __pydantic_extra__: dict[str, Task]

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks by name."""
        return self.__pydantic_extra__
