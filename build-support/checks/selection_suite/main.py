"""Measures whether `./pants --changed-since` selects exactly what a change affects.

Each case makes a change in a scratch clone of HEAD and lists the targets that Pants selects. The
suite computes the affected targets without the graph's dependents: a change affects an image or a
test if the digest of its inputs differs before and after. The content tag of an image must differ
in exactly the same cases. For comparison, the suite also prints the selection of a plain path
filter.

With --domains, some of the cases run in a generated marketplace: this one, with copies of one of
its domains. Computing its digests would take hours, so the suite finds the affected targets from
the imports of the files and the rules of README.md.

Exit code: 0 if no affected target was missed and few others were selected, 1 otherwise.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from selection_suite.cases import (
    CASES,
    HANDLERS,
    SCORE,
    Case,
    copy_domains,
    copy_usecase,
    make_domains,
    prepare,
)
from selection_suite.clone import Clone
from selection_suite.model import Model
from selection_suite.outcome import (
    TABLE_HEAD,
    Outcome,
    by_paths,
    generator,
    table_row,
    totals,
)

# The highest ratios of selected to affected targets.
MOST_IMAGES, MOST_TESTS = 1.0, 1.1
# The goal `digests` prints the content tag of an image under its address with this prefix.
TAG = "tag of "


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="./pants run build-support/checks/selection_suite/main.py --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = result.add_argument
    add("--list", action="store_true", help="print the names of the cases and exit")
    add(
        "--case",
        action="append",
        metavar="NAME",
        help="run only this case; may be repeated",
    )
    add("--domains", type=int, help="generate a marketplace with this many domains")
    add(
        "--usecases",
        type=int,
        default=20,
        help="the number of usecases in each copy (default: 20)",
    )
    add("--budget", type=int, metavar="SECONDS", help="start no case after this time")
    return result


def digests_by_pants(clone: Clone) -> dict[str, str]:
    answer = clone.pants("digests", "::")
    assert not answer.status, f"the digests cannot be computed:\n{answer.stderr}"
    digests: dict[str, str] = json.loads(answer.stdout)
    return digests


def run(
    case: Case,
    clone: Clone,
    before: dict[str, str],
    digests: Callable[[], dict[str, str]],
) -> Outcome:
    clone.reset()
    case.edit(clone)
    if case.commit:
        clone.commit(case.name)
    files = [] if case.error else clone.changed_files()
    answer = clone.pants(f"--changed-since={clone.since}", "list", "::")
    failure = ""
    if case.error:
        if not answer.status or case.error not in answer.stderr:
            failure = f"expected the error `{case.error}`, got: {answer.status} {answer.stderr}"
    elif answer.status:
        failure = answer.stderr
    if case.error or failure:
        return Outcome(
            case.name, failure=failure, seconds=answer.seconds, cpu=answer.cpu
        )
    try:
        after = digests()
    except AssertionError as error:
        # If something cannot be built any more, the selection is wrong too.
        return Outcome(case.name, failure=str(error), seconds=answer.seconds)
    listed = {*answer.stdout.splitlines()}
    changed = {each for each in after if before.get(each) != after[each]}
    affected = {each for each in changed if not each.startswith(TAG)}
    tags = {each for each in after if each.startswith(TAG)}
    wrong = {
        each for each in tags if (each in changed) != (each[len(TAG) :] in changed)
    }
    after = {each: digest for each, digest in after.items() if each not in tags}
    if wrong:
        failure = (
            f"tag and content differ in whether they change: {', '.join(sorted(wrong))}"
        )
    if not case.apart and case.nothing == bool(affected):
        failure = f"expected it to affect {'nothing' if case.nothing else 'something'}"
    return Outcome(
        case.name,
        len(files),
        failure=failure,
        affected=affected,
        selected={each for each in after if {each, generator(each)} & listed},
        filtered=by_paths(files, after),
        seconds=answer.seconds,
        cpu=answer.cpu,
        apart=case.apart,
    )


def show(outcome: Outcome) -> None:
    figures = (str(outcome.files), f"{outcome.seconds:.1f}", f"{outcome.cpu:.1f}")
    print(table_row(outcome.case, outcome.shares(), *figures), flush=True)
    for title, addresses in (
        ("missing", outcome.affected - outcome.selected),
        ("too much", outcome.selected - outcome.affected),
    ):
        if addresses and not (outcome.apart and title == "too much"):
            print(f"    {title}: {' '.join(sorted(addresses))}", flush=True)
    if outcome.failure:
        print(f"    failed: {outcome.failure}", flush=True)


def report(outcomes: Sequence[Outcome]) -> bool:
    """Print the totals of the cases, and return if they are within the limits."""
    images, tests, *by_filter = totals(each for each in outcomes if not each.apart)
    print(table_row("limited cases", (images, tests, *by_filter)))
    print(table_row("other cases", totals(each for each in outcomes if each.apart)))
    missed = [each.case for each in outcomes if each.affected - each.selected]
    failed = [each.case for each in outcomes if each.failure]
    print(f"\nmissed something: {', '.join(missed) or 'no case'}")
    print(f"failed: {', '.join(failed) or 'no case'}")
    print(
        f"selected/affected: images {images.over:.2f}, at most {MOST_IMAGES:.2f}; ",
        end="",
    )
    print(f"tests {tests.over:.2f}, at most {MOST_TESTS:.2f}")
    return not (
        missed or failed or images.over > MOST_IMAGES or tests.over > MOST_TESTS
    )


def generate(clone: Clone, domains: int, usecases: int) -> None:
    """Copy the usecase and then the domain of the cases until the numbers are reached."""
    for number in range(1, usecases):
        copy_usecase(clone, f"usecase_{number}")
    clone.git("add", "--all")
    count = len({path.split("/")[1] for path in clone.files("maxaiusecases")})
    copy_domains(clone, [f"domain_{number}" for number in range(count, domains)])


def measure_start(clone: Clone) -> list[str]:
    """Print the time and memory of new and running daemons, and return all addresses.

    It measures stock Pants and the plugin. Before each command it adds a line to a handler.
    """
    since = f"--changed-since={clone.base}"
    for plugin, states, *command in (
        ("selection_stock", ("cold", "warm"), since, "list"),
        ("selection_truth", ("cold", "warm", "warm"), since, "list", "::"),
        ("selection_truth", ("warm", "warm"), "list", "::"),
    ):
        if "cold" in states:
            clone.stop()
        for state in states:
            clone.append(f"{HANDLERS}/{SCORE}", "LAST = 1\n")
            answer = clone.pants(*command, plugin=plugin)
            assert not answer.status, answer.stderr
            kind = "stock" if plugin == "selection_stock" else "plugin"
            shown = " ".join(command).replace(clone.base, "base")
            print(
                f"{kind:<6}  {state}  {shown:<31}{answer.seconds:6.1f} s, {answer.cpu:6.1f} s "
                f"of CPU, {answer.stdout.count(chr(10))} targets, daemon: {clone.memory()} "
                "MiB",
                flush=True,
            )
    clone.reset()
    return answer.stdout.splitlines()


def run_all(
    cases: Iterable[Case], clone: Clone, options: argparse.Namespace
) -> list[Outcome]:
    start = time.monotonic()
    make_domains(clone)
    # A copy has the files that Git knows.
    clone.git("add", "--all")
    if options.domains:
        generate(clone, options.domains, options.usecases)
    prepare(clone)
    clone.begin()
    print(f"{len(clone.files())} files", flush=True)
    digests: Callable[[], dict[str, str]] = partial(digests_by_pants, clone)
    if options.domains:
        print("The affected targets come from imports and rules, not from digests.")
        digests = Model(clone, measure_start(clone)).digests
    before = digests()
    print(TABLE_HEAD, flush=True)
    outcomes: list[Outcome] = []
    left = []
    for case in cases:
        if options.budget and time.monotonic() - start > options.budget:
            left.append(case.name)
        else:
            outcomes.append(run(case, clone, before, digests))
            show(outcomes[-1])
    if left:
        print(
            f"not run, because {options.budget} seconds have passed: {', '.join(left)}"
        )
    print(f"{time.monotonic() - start:.0f} s; daemon: {clone.memory()} MiB")
    return outcomes


def main() -> int:
    options = parser().parse_args()
    unknown = {*(options.case or ())} - {each.name for each in CASES}
    if unknown:
        parser().error(
            f"unknown case: {', '.join(sorted(unknown))}; --list prints all names"
        )
    cases = [
        each
        for each in CASES
        if each.name in (options.case or [each.name])
        and (each.sample or not options.domains)
    ]
    if options.list:
        print("\n".join(each.name for each in cases))
        return 0
    with tempfile.TemporaryDirectory(prefix="selection-") as scratch:
        clone = Clone(Path.cwd(), Path(scratch))
        try:
            outcomes = run_all(cases, clone, options)
        finally:
            clone.stop()
    return 0 if report(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
