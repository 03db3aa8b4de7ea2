"""Deploy a release to a deployment, or promote it from another one.

A rollback imports this module without third-party packages, so the functions that need
them import `render` themselves.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxairesources.tree import USECASES, nearest
from maxaitools.deployments import policy, process, registry
from maxaitools.deployments.deployment import Deployment
from maxaitools.deployments.history import Entry
from maxaitools.deployments.live import Origin, read_live, read_release
from maxaitools.deployments.publish import (
    Options,
    apply_policy,
    describe,
    make_message,
    push,
    say,
)
from maxaitools.deployments.release import (
    FACTS,
    FORMAT,
    Image,
    Release,
    check_sources,
    mix,
    parse_live,
    replace_domains,
    to_json,
)
from maxaitools.deployments.release_images import fill_in, find_sboms, provide
from maxaitools.deployments.repository import Repository, Tree, write_files

# The source of a release that is not deployed yet.
NO_SOURCE = {"commit": "", "clean": True}


def deploy(
    repository: Repository, to: Deployment, release: Release, options: Options
) -> Release:
    """Deploy a release that was packaged from this clone, and return the live files.

    Raises:
        InputError: the policy, the check of the DAGs, the registry or the deployments
            repository refuses it.
    """
    check_sources(release)
    return _Change(repository, to, options, release, None).run()


def promote(
    repository: Repository, origin: Origin, to: Deployment, options: Options
) -> Release:
    """Deploy a release from the history of another deployment; see `deploy`."""
    release = read_release(repository, origin.entry)
    return _Change(repository, to, options, release, origin).run()


def draft(release: Release, to: Deployment, source: Mapping[str, Any]) -> Release:
    """Return the files that a deployment would run, without the digests of the images.

    `source` has the keys `commit`, `clean` and `domains` of release.json.
    """
    from maxaitools.deployments.render import render

    images = {
        domain: Image(f"{to.registry}/{image.repository}", image.tag)
        for domain, image in release.images.items()
        if to.domains is None or domain in to.domains
    }
    kept = {k: source[k] for k in ("commit", "clean", "domains") if k in source}
    facts = {"format": FORMAT, "deployment": to.name, "release": release.id, **kept}
    return _with_key({**render(release, to, images), FACTS: to_json(facts)})


def check_dags(new: Release) -> None:
    """Load all DAGs as Airflow would, and validate their pods.

    The code of the DAGs runs in a process that has no credentials.

    Raises:
        InputError: a DAG has a mistake.
    """
    with tempfile.TemporaryDirectory(prefix="maxai-check-") as folder:
        write_files(Path(folder, "seen"), new.files)
        environment = {
            "HOME": folder,
            "LANG": "C.UTF-8",
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),
        }
        module = ["-m", "maxaitools.deployments.check_dags"]
        command = [sys.executable, *module, "seen", *new.dags]
        try:
            printed = process.run(command, env=environment, folder=folder)
            # Airflow and the DAGs may print other lines before the last one.
            mistakes = json.loads(printed.splitlines()[-1])
        except (process.ProcessFailed, IndexError, ValueError) as error:
            mistakes = [f"the check of the DAGs failed ({error})"]
    if mistakes:
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        remedy = "fix it, and package the release again"
        raise InputError(f"{mistakes[0]}{more}", remedy, f"release {new.id}")


@dataclass
class _Change:
    """One deploy or promotion.

    Attributes:
        origin: the source of a promotion; None for a deploy.
    """

    repository: Repository
    to: Deployment
    options: Options
    release: Release
    origin: Origin | None

    def run(self) -> Release:
        """Make the release live, and return the live files.

        A dry run returns the files that would be live.
        """
        repository, to, options = self.repository, self.to, self.options
        history = repository.history(to.name) if to.name in repository.tips else []
        live = read_live(repository, history[0]) if history else None
        new = self._draft(history, live)
        breaches = self._find_breaches(history, live, new)
        apply_policy(to.name, breaches, options)
        say(f"{to.name}: release {new.id} of commit {new.facts['commit'][:12]}")
        checked = (options.checked, live.facts.get("checked") if live else None)
        with ThreadPoolExecutor() as pool:
            checks = []
            if new.facts["checked"] not in checked:
                say("checking all DAGs as Airflow will see them")
                checks = [pool.submit(check_dags, new)]
            known = self._known_images(live)
            images = provide(repository, to, self.release, new, known, options)
            earlier = [live, self.origin.live if self.origin else None]
            sboms = {} if options.dry_run else find_sboms(images, earlier)
            for check in checks:
                check.result()
        new = fill_in(new, images)
        new = replace(new, files={**new.files, **sboms})
        if live and not breaches and _is_same(live, new):
            tip = history[0].commit[:12]
            say(f"{to.name}: release {new.id} is already live, in commit {tip}")
        elif options.dry_run:
            pin = f"--checked {new.facts['checked']}"
            if self.origin:
                pin = f"--commit {self.origin.entry.commit} {pin}"
            print(f"to do exactly this: {options.domain_flags}{pin}")
        else:
            self._publish(new, breaches)
        return new

    def _draft(self, history: Sequence[Entry], live: Release | None) -> Release:
        source = self.origin.live.facts if self.origin else process.read_source()
        new, domains = draft(self.release, self.to, source), self.options.domain
        if not domains:
            return new
        name = self.to.name
        if live is None:
            remedy = "leave out --domain to deploy all domains first"
            raise InputError("nothing is live yet", remedy, name)
        for domain in sorted({*domains} - new.domains):
            problem = f"domain {domain!r} does not exist"
            raise InputError(problem, nearest(domain, new.domains), name)
        base = read_release(self.repository, history[0])
        self.release = replace_domains(base, self.release, domains)
        return _with_key(mix(live, new, self.release.id, domains).files)

    def _find_breaches(
        self, history: Sequence[Entry], live: Release | None, new: Release
    ) -> list[str]:
        to, origin = self.to, self.origin
        found = [*policy.breaches_of_hold(to.name, history)]
        # With --domain, the release that the domains come from counts too.
        whole = origin.live.id if origin else new.id
        for release in dict.fromkeys((new.id, whole)):
            found += policy.breaches_of_rollback(to.name, history, release)
        found += policy.breaches_of_origin(to, new, origin.live if origin else None)
        if origin:
            there = self.repository.history(origin.name)
            found += policy.breaches_of_rollback(origin.name, there, whole)
        on_branch, is_ancestor = process.is_on_branch, process.is_ancestor
        found += policy.breaches_of_sources(to, new, live, on_branch, is_ancestor)
        return found

    def _known_images(self, live: Release | None) -> dict[str, Image]:
        """Return the images of the origin; with --domain, the other domains keep theirs."""
        known = dict(self.origin.live.images) if self.origin else {}
        if live and self.options.domain:
            others = live.images.keys() - {*self.options.domain}
            known |= {domain: live.images[domain] for domain in others}
        return known

    def _publish(self, new: Release, breaches: Sequence[str]) -> None:
        name, origin = self.to.name, self.origin
        action = "promote" if origin else "deploy"
        source = f"{origin.name} {origin.entry.commit}" if origin else None
        subject = f"{action.capitalize()} release {new.id} to {name}"
        trailers = [("Action", action), *describe(new), ("From", source)]
        message = make_message(subject, trailers, breaches, self.options)
        release = self.repository.commit_release(new.id, self.release.files)
        tree, sign = self.repository.write(new.files), self.to.signed
        commit = self.repository.commit(name, tree, [release], message, sign=sign)
        # The retention rules of a registry remove images without a tag.
        tag = f"{name}-{commit[:12]}"
        images = new.images.values()
        registry.copy({f"{i.repository}:{tag}": i.reference for i in images})
        push(self.repository, name, commit)


def _is_same(live: Release, new: Release) -> bool:
    """Return if a deploy would change neither the files nor the source of the release."""
    files = [{**each.files, FACTS: b""} for each in (live, new)]
    (commit, clean), *_ = live.sources
    same = files[0] == files[1] and live.id == new.id and clean
    return same and process.is_ancestor(commit, new.sources[0][0])


def _with_key(files: Tree) -> Release:
    """Return a release whose `checked` is a hash of everything that the DAG check reads."""
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        if path != FACTS and not path.startswith(f"{USECASES}/"):
            digest.update(f"{path} {len(content)}\n".encode() + content)
    facts = {**json.loads(files[FACTS]), "checked": digest.hexdigest()}
    return parse_live({**files, FACTS: to_json(facts)}, FACTS)
