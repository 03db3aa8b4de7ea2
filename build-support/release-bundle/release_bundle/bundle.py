"""The DAG bundle: each DAG run keeps the release that it began with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import (
    BaseDagBundle,
    BundleVersion,
    BundleVersionLock,
)

from release_bundle.layout import Reader, compose, is_whole, read_pointer


class ReleaseBundle(BaseDagBundle):
    """The DAGs of a deployment, as its destination has them.

    A version of the bundle is a record of the deployment. Whoever needs one, the DAG
    processor the current one and a worker the one of its DAG run, writes it to a folder of
    this machine, every byte of it checked by its hash.
    """

    supports_versioning = True

    def __init__(self, *, destination: str, **kwargs: Any) -> None:
        """Make the bundle.

        Args:
            destination: the deployment's destination, such as s3://bucket/prefix.
            kwargs: what Airflow gives to every bundle.
        """
        super().__init__(**kwargs)
        self._destination = destination
        self._current: str | None = None
        self._use: BundleVersionLock | None = None

    def initialize(self) -> None:
        """Have the files of the version, or of the current one, on this machine."""
        if self.version:
            self._fetch(self.version)
        else:
            self.refresh()
        super().initialize()

    def refresh(self) -> None:
        """Have the files of what is current now; the pointer is read this one time."""
        if self.version:
            raise RuntimeError("a bundle of one version has nothing to refresh")
        current = read_pointer(Reader(self._destination))
        if current is None:
            self.path.mkdir(parents=True, exist_ok=True)
            return
        self._fetch(current)
        self._current = current

    def get_current_version(self) -> BundleVersion | None:
        """Return the version whose files `path` leads to."""
        name = self.version or self._current
        return BundleVersion(name) if name else None

    @property
    def path(self) -> Path:
        """The folder of the version, which is empty while nothing was deployed."""
        name = self.version or self._current
        return self.versions_dir / name if name else self.base_dir / "nothing-deployed"

    def _fetch(self, name: str) -> None:
        folder = self.versions_dir / name
        with self.lock():
            # Airflow removes versions that nobody holds and that have not been used for
            # long. It may be ended while it does, so what is there is looked at.
            use = BundleVersionLock(self.name, name)
            use.acquire()
            if not is_whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
                part = self.base_dir / "part"
                shutil.rmtree(part, ignore_errors=True)
                compose(Reader(self._destination), name, part)
                self.versions_dir.mkdir(parents=True, exist_ok=True)
                part.rename(folder)
        if self._use:
            self._use.release()
        self._use = use
