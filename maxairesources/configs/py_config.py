"""The model of py_config.json, with the ports and arguments of an objective's tasks."""

import codecs
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from maxairesources.configs.document import Config, ConfigModel, Wrong
from maxairesources.tree import nearest

# The formats that only Spark reads, if the domain's requirements hold their package.
_OF_SPARK = ("delta", "iceberg")
# The options of each format, by type of port.
_OPTIONS = {
    ("pandas", "csv"): ("sep", "decimal", "encoding", "na_values", "compression"),
    ("pandas", "excel"): ("sheet",),
    ("pandas", "json"): ("lines", "encoding", "compression"),
    ("pandas", "parquet"): ("compression",),
    ("spark", "csv"): ("sep", "encoding", "na_values", "compression"),
    ("spark", "json"): ("lines", "encoding", "compression"),
    ("spark", "parquet"): ("compression",),
}
# The compressions of parquet, and those of other files.
_COMPRESSIONS = {
    "parquet": ("none", "snappy", "gzip", "zstd", "brotli", "lz4"),
    "csv": ("none", "gzip", "bz2", "xz", "zip"),
    "json": ("none", "gzip", "bz2", "xz", "zip"),
}


class SourceDetails(ConfigModel):
    """The location of a table.

    Attributes:
        source: `file` for a path below the data root (MAXAI_DATA_ROOT), or an object
            store: `s3`, `abfs` (Azure) or `gs` (Google).
        fileFormat: the format of the file; `delta` and `iceberg` are Spark's only.
        filePath: the path below the data root, or an absolute one; in an object store
            the bucket (or container) and the path in it.
    """

    source: Literal["file", "s3", "abfs", "gs"]
    fileFormat: Literal["csv", "delta", "excel", "iceberg", "json", "parquet"]
    filePath: str = Field(min_length=1)

    @field_validator("filePath")
    @classmethod
    def _check_path(cls, value: str) -> str:
        if "://" in value:
            raise Wrong(f"{value!r} is a URI", "use the path, and its scheme as source")
        return value


class Options(ConfigModel):
    """Details of a file's format. The default is what pandas or Spark does without it.

    Attributes:
        sep: what separates the values of a csv file.
        decimal: the decimal point of a csv file.
        encoding: the encoding of a csv or json file, such as latin-1.
        na_values: the texts that stand for missing values in a csv file, beside the usual
            ones; for Spark the only one.
        sheet: the name of an excel sheet (default: the first one).
        lines: if a json file has one object on each line, instead of a list of objects.
        compression: how the file is compressed (default: as its name says, such as .csv.gz).
    """

    sep: str | None = Field(default=None, min_length=1)
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    na_values: list[str] | None = None
    sheet: str | None = Field(default=None, min_length=1)
    lines: bool | None = None
    compression: str | None = None

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, value: str | None) -> str | None:
        try:
            codecs.lookup(value or "utf-8")
        except LookupError:
            remedy = "use one such as utf-8 or latin-1"
            raise Wrong(f"{value!r} is not an encoding", remedy) from None
        return value

    @model_validator(mode="after")
    def _check_decimal(self) -> "Options":
        if self.decimal == "," and self.sep in (None, ","):
            problem = "a decimal comma needs another separator of values"
            raise Wrong(problem, 'set sep, for example to ";"', ("decimal",))
        return self


class Port(ConfigModel):
    """A table that a task reads or writes.

    Attributes:
        port: the number that the handler uses for it, from 1.
        type: the kind of data frame.
        sourceDetails: the location of the table.
        options: details of the file's format.
    """

    port: int = Field(ge=1)
    type: Literal["pandas", "spark"]
    sourceDetails: SourceDetails
    options: Options = Options()

    @model_validator(mode="after")
    def _check_format(self) -> "Port":
        file_format = self.sourceDetails.fileFormat
        path = ("sourceDetails", "fileFormat")
        if self.type == "spark" and file_format == "excel":
            raise Wrong("Spark cannot read or write excel", "use the type pandas", path)
        if self.type == "pandas" and file_format in _OF_SPARK:
            problem = f"pandas cannot read or write {file_format}"
            raise Wrong(problem, "use the type spark", path)
        return self

    @model_validator(mode="after")
    def _check_options(self) -> "Port":
        file_format = self.sourceDetails.fileFormat
        known = _OPTIONS.get((self.type, file_format), ())
        for name in self.options.model_dump(exclude_none=True):
            if name not in known:
                problem = f"{file_format} has no such option in a {self.type} port"
                raise Wrong(problem, nearest(name, known), ("options", name))
        compression = self.options.compression
        valid = _COMPRESSIONS.get(file_format, ())
        if compression is not None and compression not in valid:
            problem = f"{compression!r} is not a compression of {file_format}"
            raise Wrong(
                problem, nearest(compression, valid), ("options", "compression")
            )
        if self.type == "spark" and len(self.options.na_values or [""]) != 1:
            problem, remedy = "Spark knows one such text", "use a list of one string"
            raise Wrong(problem, remedy, ("options", "na_values"))
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
