"""What changes a deployment: deploy, promote, rollback, prune. And verify, which does not.

All go the same way: hold the destination, see what the policy says, have the images in the
registry, render the configs, check what Airflow will see, write release and record beside the
others, and swap the pointer. Until that last step nothing of it shows.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deployer import commit, images, policy, render, report, sbom
from deployer.commit import Commit
from deployer.deployment import Deployment, find
from deployer.destination import Destination, open_destination, write_files
from deployer.record import (
    Record,
    RecordedImage,
    find_drift,
    hash_configs,
    pick,
    read_current,
    read_history,
)
from deployer.release import Release, read_deployed
from maxairesources.errors import InputError
from release_bundle import layout
from release_bundle.layout import DestinationError, Reader


@dataclasses.dataclass(frozen=True)
class Options:
    """How a deployment is changed.

    Attributes:
        dry_run: only say what would be done.
        force: pass over the policy.
        reason: why; it is kept in the record.
    """

    dry_run: bool = False
    force: bool = False
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class _Candidate:
    """What is to become current.

    Attributes:
        action: deploy, promote or rollback.
        release: the release.
        commit: the commit that it is of.
        origin: the record that it comes from, if any, whose images and SBOMs it has.
        origin_reader: the destination of that record.
    """

    action: str
    release: Release
    commit: Commit
    origin: Record | None = None
    origin_reader: Reader | None = None


def deploy(to: Deployment, release: Release, options: Options) -> Record | None:
    """Deploy a release that was packaged from what is checked out.

    Returns:
        The record that is current now, None after a dry run.

    Raises:
        InputError: the policy, the registry, a check or the destination refuses it.
    """
    _check_sources(release)
    of = commit.read_commit()
    origin = reader = None
    if to.after:
        # What was live there is known by its own commit and digests.
        reader = open_destination(find(to.after).destination)
        records = [r for r in read_history(reader) if r.release == release.name]
        fit = [r for r in records if not policy.breaches_of_commit(to, r)]
        origin = next(iter(fit or records), None)
        if origin:
            of = Commit(origin.commit, origin.dirty)
    return _make_current(to, _Candidate("deploy", release, of, origin, reader), options)


def promote(
    source: Deployment, to: Deployment, record: str | None, options: Options
) -> Record | None:
    """Deploy what is current in one deployment to another: the same release and images.

    Args:
        source: where it is current.
        to: where it is deployed to.
        record: which record of the source, by the beginning of its name; None means the
            current one.
        options: how.

    Returns:
        The record that is current now, None after a dry run.

    Raises:
        InputError: the policy, the registry, a check or the destination refuses it.
        DestinationError: what is current in the source is not what was deployed.
    """
    reader = open_destination(source.destination)
    origin = current(source, reader)
    if record is not None:
        origin = pick(source.name, [*read_history(reader)], record)
    release = read_deployed(reader, dataclasses.asdict(origin))
    of = Commit(origin.commit, origin.dirty)
    return _make_current(
        to, _Candidate("promote", release, of, origin, reader), options
    )


def rollback(of: Deployment, to: str | None, options: Options) -> Record | None:
    """Make an earlier record current again: its release, its images and its configs.

    Args:
        of: the deployment.
        to: the record, or the release, by the beginning of its name; None means what was
            current before the current one.
        options: how.

    Raises:
        InputError: there is no such record, or the registry lacks its images.
        DestinationError: the record or its release is not what was deployed.
    """
    destination = open_destination(of.destination)
    with _held(destination, of, "rollback", options) as history:
        if not history:
            raise InputError("nothing was deployed there yet", "deploy first", of.name)
        target = _find_earlier(of, history, to)
        drift = find_all_drift(destination, target)
        if drift:
            raise InputError(drift[0], "roll back to another: history", of.name)
        folder = target.folder
        record = dataclasses.replace(
            target,
            number=history[0].number + 1,
            previous=history[0].name,
            action="rollback",
            origin=target.name,
            who=commit.who(),
            when=_now(),
            reason=options.reason,
            overridden=[],
        )
        _say(f"{of.name}: back to {target.name}, release {target.release}")
        if options.dry_run:
            _say(f"{of.name}: nothing was changed; it would get")
            states = [report.read_state(destination, r) for r in (history[0], target)]
            print("\n".join(report.compare(*states)))
            return None
        files = layout.read_files(destination, folder, target.files)
        # What was live, every byte of it, needs no new check of its DAGs.
        release = read_deployed(destination, dataclasses.asdict(target))
        return _swap(destination, release, record, files)


def prune(of: Deployment, keep: int, options: Options) -> list[str]:
    """Remove the releases that were not among the last ones; records stay.

    Args:
        of: the deployment.
        keep: how many of the releases that were current last are kept.
        options: how.

    Returns:
        The names of the releases that were, or would be, removed.
    """
    destination = open_destination(of.destination)
    with _held(destination, of, "prune", options) as history:
        kept = dict.fromkeys(each.release for each in history)
        stay = {*list(kept)[:keep]}
        there = destination.folders("releases")
        gone = [
            name
            for name in there
            if name not in stay and layout.is_name(f"releases/{name}")
        ]
        for name in gone:
            if not options.dry_run:
                destination.remove_tree(f"releases/{name}")
        return gone


def find_all_drift(reader: Reader, record: Record) -> list[str]:
    """Return a line for each file and image of a record that is not as it was deployed."""
    drift = find_drift(reader, record)
    wanted = [each.reference for each in record.images.values()]
    drift += [
        f"the registry has no {reference}" for reference in images.missing(wanted)
    ]
    return drift


def current(of: Deployment, reader: Reader) -> Record:
    """Return the current record.

    Raises:
        InputError: nothing was deployed yet.
        DestinationError: it is missing or was changed.
    """
    record = read_current(reader)
    if record is None:
        remedy = f"deploy to it: ./pants experimental-deploy //:{of.name}"
        raise InputError("nothing is deployed there yet", remedy, of.name)
    _check_owner(of, record)
    return record


def preview(source: Deployment, to: Deployment) -> tuple[Record, report.State]:
    """Return the record of one deployment, and what another would be with it."""
    reader = open_destination(source.destination)
    origin = current(source, reader)
    release = read_deployed(reader, dataclasses.asdict(origin))
    with _staged(release) as root:
        domains = render.carried(release, to)
        _check_domains(origin, domains, to)
        moved = {
            domain: dataclasses.replace(origin.images[domain], registry=to.registry)
            for domain in domains
            if domain in release.images
        }
        references = {domain: image.reference for domain, image in moved.items()}
        configs = render.render(release, root, to, domains, references)
    manifest = json.loads(release.manifest)
    return origin, report.state_of(release.name, domains, moved, manifest, configs)


def _make_current(
    to: Deployment, candidate: _Candidate, options: Options
) -> Record | None:
    release, origin = candidate.release, candidate.origin
    destination = open_destination(to.destination)
    with _held(destination, to, candidate.action, options) as history:
        before = history[0] if history else None
        domains = render.carried(release, to)
        if candidate.action == "promote" and origin:
            _check_domains(origin, domains, to)
        overridden = _check_policy(to, candidate, domains, options)
        recorded = _provide_images(to, domains, candidate, history, options)
        with _staged(release) as root:
            references = {name: image.reference for name, image in recorded.items()}
            files = render.render(release, root, to, domains, references)
            if not options.dry_run:
                files.update(_find_sboms(recorded, candidate, before, destination))
            hashes = {path: layout.digest(files[path]) for path in sorted(files)}
            record = Record(
                number=before.number + 1 if before else 1,
                previous=before.name if before else None,
                deployment=to.name,
                action=candidate.action,
                origin=origin.name if origin else None,
                release=release.name,
                manifest=layout.digest(release.manifest),
                commit=candidate.commit.sha,
                dirty=candidate.commit.dirty,
                who=commit.who(),
                when=_now(),
                reason=options.reason,
                overridden=overridden,
                domains=domains,
                images=recorded,
                files=hashes,
                configs=hash_configs(hashes),
            )
        if before and _is_same(before, record):
            _say(f"{to.name}: release {release.name} is current already: {before.name}")
            return before
        _check_staged(release, record, files)
        if options.dry_run:
            _say(f"{to.name}: nothing was changed; it would get")
            old = report.read_state(destination, before) if before else report.NOTHING
            manifest = json.loads(release.manifest)
            new = report.state_of(release.name, domains, recorded, manifest, files)
            print("\n".join(report.compare(old, new)))
            return None
        return _swap(destination, release, record, files)


def _check_policy(
    to: Deployment, candidate: _Candidate, domains: list[str], options: Options
) -> list[str]:
    origin = candidate.origin
    live = None
    found = policy.breaches_of_commit(to, candidate.commit)
    if to.after:
        # What goes live has to be the very same that was live there, images and all.
        reader = open_destination(find(to.after).destination)
        live = next(
            (
                each
                for each in read_history(reader)
                if origin
                and each.release == origin.release
                and _digests(each, domains) == _digests(origin, domains)
            ),
            None,
        )
        if live is None:
            name = candidate.release.name
            found.insert(0, f"{name} has not been current in {to.after}")
        else:
            missing = [domain for domain in domains if domain not in live.domains]
            found += [f"{to.after} does not carry {domain}" for domain in missing]
            drift = find_all_drift(reader, live)
            found += [f"in {to.after}, {line}" for line in drift]
    if found and not options.force:
        remedy = "or override it, which is kept: --force --reason '...'"
        raise InputError("; ".join(found), remedy, f"policy of {to.name}")
    for line in found:
        _say(f"{to.name}: overridden: {line}")
    return found


def _digests(record: Record, domains: list[str]) -> dict[str, str]:
    return {name: i.digest for name, i in record.images.items() if name in domains}


def _check_domains(origin: Record, domains: list[str], to: Deployment) -> None:
    for domain in domains:
        if domain not in origin.domains:
            problem = (
                f"{origin.deployment} does not carry {domain}, and so has no image"
            )
            remedy = f"name the domains of //:{to.name} in BUILD"
            raise InputError(problem, remedy, origin.deployment)


def _check_owner(of: Deployment, record: Record) -> None:
    if record.deployment != of.name:
        problem = f"is the destination of {record.deployment}, too"
        remedy = f"give {of.name} one of its own in BUILD"
        raise InputError(problem, remedy, of.destination)


def _provide_images(
    to: Deployment,
    domains: list[str],
    candidate: _Candidate,
    history: list[Record],
    options: Options,
) -> dict[str, RecordedImage]:
    """Have the images in the deployment's registry, and return how they are recorded."""
    images_of = candidate.release.images
    wanted = {name: image for name, image in images_of.items() if name in domains}
    origin = candidate.origin
    # The newest record that has a tag comes last, and what is promoted after all.
    earlier = {
        domain: image
        for record in (*reversed(history), *filter(None, [origin]))
        for domain, image in record.images.items()
        if domain in wanted and image.tag == wanted[domain].tag
    }
    known = {domain: image.digest for domain, image in earlier.items()}
    found = images.find_digests(to.registry, wanted, known)
    missing = {name: image for name, image in wanted.items() if not found[name]}
    for domain in [*missing]:
        other = origin.images.get(domain) if origin else None
        if other and other.registry != to.registry and not options.dry_run:
            target = f"{to.registry}/{other.repository}:{other.tag}"
            _say(f"{other.reference}: copied to {target}")
            images.copy(other.reference, target)
            found[domain] = other.digest
            del missing[domain]
    if missing and not options.dry_run:
        names = ", ".join(image.repository for image in missing.values())
        _say(f"{to.registry}: pushing {names}")
        for domain, pushed in images.push(to.registry, missing):
            found[domain] = pushed.digest
            _say(f"{wanted[domain].repository} pushed, {pushed.size / 1000:,.1f} kB")
    recorded = {}
    for domain, image in wanted.items():
        if domain not in missing:
            _say(f"{image.repository}:{image.tag[:12]} is there")
        elif options.dry_run:
            _say(f"{image.repository}:{image.tag[:12]} would be pushed")
        # A dry run has no digest for what it does not push.
        digest = found[domain] or "sha256:" + "0" * 64
        first = earlier[domain].commit if domain in earlier else candidate.commit.sha
        recorded[domain] = RecordedImage(
            to.registry, image.repository, image.tag, digest, first
        )
    for domain, now in recorded.items():
        then = origin.images.get(domain) if origin else None
        if then and found[domain] and now.digest != then.digest:
            problem = (
                f"has another digest than in {origin.deployment if origin else ''}"
            )
            remedy = "push what was deployed there, or deploy it anew"
            raise InputError(problem, remedy, now.reference)
    return recorded


def _find_sboms(
    recorded: Mapping[str, RecordedImage],
    candidate: _Candidate,
    before: Record | None,
    destination: Destination,
) -> dict[str, bytes]:
    """Return the SBOM of each image: from a record that has it, else from the image."""
    files = {}
    places = [(before, destination), (candidate.origin, candidate.origin_reader)]
    for domain, image in recorded.items():
        path = f"sboms/{domain}.json"
        for record, reader in places:
            if record is None or reader is None or path not in record.files:
                continue
            if record.images[domain].digest == image.digest:
                hashes = {path: record.files[path]}
                files.update(layout.read_files(reader, record.folder, hashes))
                break
        else:
            _say(f"{image.repository}: listing what is in it")
            files[path] = sbom.make_sbom(image.reference, image.repository)
    return files


def _check_sources(release: Release) -> None:
    """Raise an InputError if a release was packaged from other files than these."""
    remedy = "package it again: ./pants package //:release"
    where = f"release {release.name}"
    for path, content in release.files.items():
        source = Path(path)
        if path.startswith("maxaiusecases/") or path.startswith("."):
            continue
        if not source.is_file() or source.read_bytes() != content:
            problem = f"was packaged from another {path} than there is now"
            raise InputError(problem, remedy, where)
    for pattern in ("maxaidags/*/*/*/dag.py", "maxaiconfigs/**/*.json"):
        for source in sorted(Path().glob(pattern)):
            if source.as_posix() not in release.files:
                raise InputError(f"was packaged without {source}", remedy, where)


def _check_staged(release: Release, record: Record, files: Mapping[str, bytes]) -> None:
    """Load all DAGs and validate their pods, from the very folder that Airflow would see.

    Raises:
        InputError: something is wrong with one of them.
    """
    _say("checking all DAGs as Airflow will see them")
    with tempfile.TemporaryDirectory(prefix="maxai-staged-") as name:
        stage = Path(name, "stage")
        content = {**release.files, layout.MANIFEST: release.manifest}
        write_files(stage / "releases" / release.name, content)
        content = {**files, layout.RECORD: record.to_json()}
        write_files(stage / record.folder, content)
        seen = Path(name, "seen")
        layout.compose(Reader(str(stage)), record.name, seen)
        expected = [
            dag
            for objective, dag in release.dags.items()
            if objective.split("/")[0] in record.domains
        ]
        # The code of the release gets no credentials, and none of this process's folders.
        environment = {
            "HOME": name,
            "LANG": "C.UTF-8",
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),
        }
        command = [sys.executable, "-m", "deployer.check_dags", str(seen), *expected]
        done = subprocess.run(
            command, cwd=name, env=environment, capture_output=True, text=True
        )
    told = (done.stdout.splitlines() or [""])[-1]
    if done.returncode or not told.startswith("["):
        said = done.stderr.strip().splitlines() or ["it told nothing"]
        mistakes = [f"the check ended by itself ({said[-1]})"]
    else:
        mistakes = json.loads(told)
    if mistakes:
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        where = f"release {release.name}"
        raise InputError(f"{mistakes[0]}{more}", "mend it, and package anew", where)


def _swap(
    destination: Destination,
    release: Release,
    record: Record,
    files: Mapping[str, bytes],
) -> Record:
    """Write the release and the record, and make the record the current one."""
    folder = f"releases/{release.name}"
    if destination.is_complete(folder):
        try:
            # It may be another one under the same name, or have been changed.
            read_deployed(destination, dataclasses.asdict(record))
        except DestinationError as error:
            remedy = f"remove {destination.shown(folder)}, and deploy again"
            raise InputError(str(error), remedy, record.deployment) from None
    else:
        _say(f"{destination.destination}: writing {len(release.files)} files")
        content = {**release.files, layout.MANIFEST: release.manifest}
        destination.put_tree(folder, content)
    destination.put_tree(record.folder, {**files, layout.RECORD: record.to_json()})
    destination.swap_pointer(record.name)
    _say(f"{record.deployment}: live: {record.name}, release {record.release}")
    return record


@contextmanager
def _held(
    destination: Destination, of: Deployment, action: str, options: Options
) -> Iterator[list[Record]]:
    """Hold the destination, and yield its history.

    What a deploy that was killed has left there is removed, but in a dry run.
    """
    with contextlib.ExitStack() as held:
        if not options.dry_run:
            who = f"{action} by {commit.who()}, since {_now()}"
            held.enter_context(destination.lock(who))
        history = [*read_history(destination)]
        if history:
            _check_owner(of, history[0])
        if not options.dry_run:
            _tidy(destination, history)
        yield history


def _tidy(destination: Destination, history: list[Record]) -> None:
    """Remove what a deploy that was killed has left: all that never was live."""
    newest = history[0].number if history else 0
    records = [f"records/{name}" for name in destination.folders("records")]
    left = [
        folder
        for folder in filter(layout.is_name, records)
        # The killed one was to be the next.
        if int(folder.partition("/")[2][:6]) > newest
    ]
    if not history and any(not folder.startswith("records/000001-") for folder in left):
        problem = f"{layout.POINTER} is gone, but there are records"
        remedy = f"write the name of the last one into {layout.POINTER}"
        raise InputError(problem, remedy, destination.destination)
    used = {each.release for each in history}
    releases = [f"releases/{name}" for name in destination.folders("releases")]
    for folder in filter(layout.is_name, releases):
        unused = folder.partition("/")[2] not in used
        # One that was pruned is only as gone as the prune came.
        pruned = not history or folder != f"releases/{history[0].release}"
        if unused or (pruned and not destination.is_complete(folder)):
            left.append(folder)
    for folder in left:
        destination.remove_tree(folder)


@contextmanager
def _staged(release: Release) -> Iterator[Path]:
    """Yield a folder with the files of a release."""
    with tempfile.TemporaryDirectory(prefix="maxai-release-") as name:
        write_files(Path(name), release.files)
        yield Path(name)


def _find_earlier(of: Deployment, history: list[Record], to: str | None) -> Record:
    if to is not None:
        return pick(of.name, history[1:], to)
    now = history[0]
    # After a rollback, the next one goes further back, and not forth again.
    names = [record.name for record in history]
    position = names.index(now.origin) if now.action == "rollback" and now.origin else 0
    for record in history[position + 1 :]:
        if (record.release, record.configs) != (now.release, now.configs):
            return record
    raise InputError("nothing else was current before", "deploy anew", of.name)


def _is_same(before: Record, record: Record) -> bool:
    """Return whether a new record would tell nothing that matters."""
    return (
        before.release == record.release
        and before.configs == record.configs
        and before.images == record.images
        and before.domains == record.domains
        and not before.dirty
        and not before.overridden
        and commit.is_ancestor(before.commit, record.commit)
    )


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


_STARTED = time.monotonic()


def _say(line: str) -> None:
    """Tell a step, with the seconds since the start."""
    print(f"{time.monotonic() - _STARTED:6.1f} s  {line}", flush=True)
