"""The outcome of a case: the targets that are affected, and those that were selected."""

from collections.abc import Iterable, Set
from dataclasses import dataclass


def is_image(address: str) -> bool:
    return address.startswith("maxaiusecases/") and address.endswith(":image")


def generator(address: str) -> str:
    """Return the address of a target's generator, which selects all of its targets."""
    file, _, rest = address.partition(":")
    return f"{file.rpartition('/')[0]}:{rest}" if file.endswith(".py") else address


def by_paths(files: Iterable[str], known: Iterable[str]) -> Set[str]:
    """Return the addresses that a path filter per domain selects, as many workflows use.

    A change of a domain's code, configs or DAGs runs the domain's tests. A change of its code
    builds its image. A change of the run-time library does both for all domains.

    Args:
        files: the changed files.
        known: all addresses.
    """
    changed = [file.split("/") for file in files]
    library = any(names[0] == "maxairesources" for names in changed)
    code = {names[1] for names in changed if names[0] == "maxaiusecases"}
    others = ("maxaiconfigs", "maxaidags")
    domains = code | {names[1] for names in changed if names[0] in others}
    found = set()
    for address in known:
        tree, _, rest = address.partition("/")
        name = rest.partition("/")[0].partition(":")[0]
        of_domain = tree in ("maxaidags", "maxaiusecases")
        if (library and tree.startswith("maxai")) or (
            of_domain and name in (code if is_image(address) else domains)
        ):
            found.add(address)
    return found


@dataclass(frozen=True)
class Share:
    """The numbers of affected and of selected targets; `hit` counts those that are both."""

    affected: int = 0
    selected: int = 0
    hit: int = 0

    def __add__(self, other: "Share") -> "Share":
        return Share(
            self.affected + other.affected,
            self.selected + other.selected,
            self.hit + other.hit,
        )

    @property
    def recall(self) -> float:
        return self.hit / self.affected if self.affected else 1.0

    @property
    def over(self) -> float:
        """The ratio of selected to affected; infinite if something was selected for nothing."""
        if self.affected:
            return self.selected / self.affected
        return float("inf") if self.selected else 1.0

    def __str__(self) -> str:
        counts = f"{self.affected}/{self.selected}"
        return f"{counts:>9} {self.recall:6.2f} {self.over:6.2f}"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case.

    Attributes:
        case: its name.
        files: the number of changed files.
        affected: the addresses that the change affects.
        selected: the addresses that Pants selects.
        filtered: the addresses that a path filter selects.
        seconds: the duration of the Pants command.
        cpu: its CPU seconds.
        apart: whether its surplus is reported but not limited.
        failure: the reason why the case failed, or an empty string.
    """

    case: str
    files: int = 0
    affected: Set[str] = frozenset()
    selected: Set[str] = frozenset()
    filtered: Set[str] = frozenset()
    seconds: float = 0.0
    cpu: float = 0.0
    apart: bool = False
    failure: str = ""

    def shares(self) -> tuple[Share, ...]:
        """Return the shares of images and tests, first by Pants, then by the path filter."""
        return tuple(
            Share(
                sum(is_image(each) == images for each in self.affected),
                sum(is_image(each) == images for each in selected),
                sum(is_image(each) == images for each in self.affected & selected),
            )
            for selected in (self.selected, self.filtered)
            for images in (True, False)
        )


def totals(outcomes: Iterable[Outcome]) -> tuple[Share, ...]:
    columns = zip((Share(),) * 4, *(outcome.shares() for outcome in outcomes))
    return tuple(sum(column, Share()) for column in columns)


def table_row(name: str, shares: tuple[Share, ...], *figures: str) -> str:
    files, seconds, cpu = figures or ("", "", "")
    pants, paths = (" ".join(map(str, shares[at : at + 2])) for at in (0, 2))
    return f"{name:<26}{files:>5} |{pants} {seconds:>5} {cpu:>5} |{paths}"


_SHARES = f"{'images':>9} recall   over {'tests':>9} recall   over"
TABLE_HEAD = (
    "Each pair of figures is affected/selected; `over` is the ratio selected/affected.\n"
    f"{'':<26}{'':>5} |{'pants --changed-since':<60}|a plain path filter\n"
    f"{'case':<26}{'files':>5} |{_SHARES} {'s':>5} {'CPU s':>5} |{_SHARES}"
)
