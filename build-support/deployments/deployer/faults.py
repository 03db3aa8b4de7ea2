"""What is tried on a deploy that is ended at some moment, and what must hold after it."""

import dataclasses
import subprocess
import tempfile
from pathlib import Path

from deployer.record import Record, find_drift, read_history
from deployer.testing import Marketplace
from release_bundle import layout
from release_bundle.layout import Reader


@dataclasses.dataclass
class Counts:
    """What came of a number of faults.

    Attributes:
        moments: at how many the deploy was ended.
        old: after how many the deployment was what it was before.
        new: after how many it was what was being deployed.
    """

    moments: int = 0
    old: int = 0
    new: int = 0


class Trial:
    """Deploys one release after the other to dev, each ended at a later moment."""

    def __init__(self, place: Marketplace) -> None:
        self.place = place
        self.counts = Counts()
        self._n = 100

    @property
    def reader(self) -> Reader:
        """The destination of dev."""
        return self.place.reader()

    def prepare(self, push: bool) -> str:
        """Package a release that was not there yet, with an image that was not if `push`.

        Returns:
            Its name.
        """
        self._n += 1
        self.place.set_n(self._n)
        if push:
            self.place.build_image(str(self._n))
        self.place.commit(f"n is {self._n}")
        return self.place.package().name

    def count_moments(self) -> list[str]:
        """Deploy to the end, and return all moments."""
        self.prepare(push=True)
        return self._deploy(0)[1]

    def end_at(self, number: int, push: bool) -> bool:
        """End a deploy at a moment, check what is there, and deploy again.

        Returns:
            Whether the deploy got as far as that moment.
        """
        release = self.end_without_recovery(number, push)
        if release:
            self.recover(release, self.check_whole())
        return bool(release)

    def end_without_recovery(self, number: int, push: bool) -> str | None:
        """End a deploy at a moment, and check what is there.

        Returns:
            The release; None if the deploy did not get as far as that moment.
        """
        before = [*read_history(self.reader)]
        release = self.prepare(push)
        killed, _ = self._deploy(number)
        if not killed:
            return None
        self.counts.moments += 1
        history = self.check_whole()
        more = len(history) - len(before)
        assert history[more:] == before and more in (0, 1), "a release is lost"
        if more:
            self.counts.new += 1
            assert history[0].release == release
        else:
            self.counts.old += 1
        return release

    def recover(self, release: str, before: list[Record]) -> None:
        """Deploy what was ended, and check that nothing is left over."""
        self.place.done("deploy", "dev")
        history = self.check_whole()
        assert history[0].release == release
        assert history[len(history) - len(before) :] == before, "a release is lost"
        names = self.reader.names("")
        assert {name.split("/")[0] for name in names} <= {
            *("current", "lock", "records", "releases")
        }
        for tree, known in (
            ("records", {each.name for each in history}),
            ("releases", {each.release for each in history}),
        ):
            there = {name.split("/")[0] for name in self.reader.names(tree)}
            assert there == known, f"{tree}: {there ^ known}"

    def check_whole(self) -> list[Record]:
        """Check that what is current, and all that was, is whole; return the history."""
        history = [*read_history(self.reader)]
        assert [r.number for r in history] == [*range(len(history), 0, -1)]
        for record in history[:2]:
            assert find_drift(self.reader, record) == []
            with tempfile.TemporaryDirectory() as folder:
                layout.compose(self.reader, record.name, Path(folder, "seen"))
        return history

    def _deploy(self, number: int) -> tuple[bool, list[str]]:
        """Return whether the deploy was ended at a moment, and the moments it reached."""
        report = self.place.root / "tmp" / "moments"
        report.parent.mkdir(exist_ok=True)
        report.write_text("")
        arguments = (str(number), str(report), "deploy", "dev")
        process: subprocess.Popen[str] = self.place.start(
            *arguments, module="deployer.dying"
        )
        out, err = process.communicate()
        assert process.returncode in (0, -9), out + err
        moments = report.read_text().splitlines()
        report.unlink()
        return process.returncode == -9, moments
