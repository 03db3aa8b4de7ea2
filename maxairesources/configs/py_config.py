"""The model of py_config.json, with the ports and arguments of an objective's tasks."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from maxairesources.configs.document import Config, ConfigModel, Wrong


class SourceDetails(ConfigModel):
    """The location of a table.

    Attributes:
        source: `file` for a path below the data root (MAXAI_DATA_ROOT), or an object
            store: `s3`, `abfs` (Azure) or `gs` (Google).
        fileFormat: the format of the file.
        filePath: the path below the data root, or an absolute one; in an object store
            the bucket (or container) and the path in it.
    """

    source: Literal["file", "s3", "abfs", "gs"]
    fileFormat: Literal["csv", "excel", "json", "parquet"]
    filePath: str = Field(min_length=1)

    @field_validator("filePath")
    @classmethod
    def _check_path(cls, value: str) -> str:
        if "://" in value:
            raise Wrong(f"{value!r} is a URI", "use the path, and its scheme as source")
        return value


class Port(ConfigModel):
    """A table that a task reads or writes.

    Attributes:
        port: the number that the handler uses for it, from 1.
        type: the kind of data frame.
        sourceDetails: the location of the table.
    """

    port: int = Field(ge=1)
    type: Literal["pandas", "spark"]
    sourceDetails: SourceDetails

    @model_validator(mode="after")
    def _check_format(self) -> "Port":
        details = self.sourceDetails
        if self.type == "spark" and details.fileFormat == "excel":
            raise Wrong("Spark cannot read or write excel", "use the type pandas")
        if self.type == "spark" and details.source != "file":
            raise Wrong(
                f"a spark port cannot have the source {details.source!r}",
                "use the source file, or the type pandas",
            )
        return self


def _unique(ports: list[Port]) -> list[Port]:
    numbers = [port.port for port in ports]
    for number in numbers:
        if numbers.count(number) > 1:
            raise Wrong(f"port {number} is defined twice", "remove one")
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
