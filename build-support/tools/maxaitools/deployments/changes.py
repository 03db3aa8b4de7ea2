"""What changes a deployment: deploy, promote, rollback, hold and unhold.

The last three need Git alone, so that a rollback works without Pants and its packages: the
module `render` is imported only where it is used.
"""

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from maxairesources.errors import InputError
from maxaitools.deployments import policy, process, registry
from maxaitools.deployments.deployment import Deployment, read_all
from maxaitools.deployments.release import (
    FACTS,
    FORMAT,
    Image,
    Release,
    check_sources,
    domain_of,
    mix,
    parse_image,
    parse_live,
    parse_release,
    replace_domains,
    to_json,
)
from maxaitools.deployments.repository import (
    MOVES,
    Entry,
    Repository,
    Tree,
    pick,
    write_files,
)

# The source of a release that is not deployed yet.
NO_SOURCE = {"commit": "", "clean": True}
_STARTED = time.monotonic()


@dataclass(frozen=True)
class Options:
    """How a deployment is changed; `--help` explains the options of the same names."""

    dry_run: bool = False
    force: bool = False
    reason: str | None = None
    domain: Sequence[str] = ()
    trust_registry: bool = False
    checked: str | None = None


@dataclass(frozen=True)
class Origin:
    """Where a release was live: the deployment, the commit, and what that made live."""

    name: str
    entry: Entry
    live: Release


def read_origin(repository: Repository, name: str, commit: str | None) -> Origin:
    """Return what is live in a deployment, or what a commit with this prefix made live."""
    history = repository.history(name)
    entry = history[0] if commit is None else pick(name, history, commit)
    return Origin(name, entry, read_live(repository, entry))


def read_live(repository: Repository, entry: Entry) -> Release:
    """Return what a commit made live."""
    return parse_live(repository.read(entry.commit), f"commit {entry.commit[:12]}")


def read_release(repository: Repository, entry: Entry) -> Release:
    """Return the release of a commit."""
    where = f"release of commit {entry.commit[:12]}"
    return parse_release(repository.read(entry.release), where)


def deploy(
    repository: Repository, to: Deployment, release: Release, options: Options
) -> Release:
    """Deploy a release that was packaged from this clone, and return what is live then.

    Raises:
        InputError: the policy, the check of the DAGs, the registry or the deployments
            repository refuses it.
    """
    check_sources(release)
    return _Change(repository, to, options, release, None).run()


def promote(
    repository: Repository, origin: Origin, to: Deployment, options: Options
) -> Release:
    """Deploy what is live in one deployment to another; see `deploy`."""
    release = read_release(repository, origin.entry)
    return _Change(repository, to, options, release, origin).run()


def draft(release: Release, to: Deployment, source: Mapping[str, Any]) -> Release:
    """Return what a release would make live, without the digests of its images.

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


def fill_in(live: Release, images: Mapping[str, Image]) -> Release:
    """Return what is live with other digests of its images."""
    files = dict(live.files)
    for path, content in files.items():
        domain = str(domain_of(path))
        if image := images.get(domain):
            old, new = (each.reference for each in (live.images[domain], image))
            files[path] = content.replace(old.encode(), new.encode())
            if path.endswith("/image.json"):
                files[path] = to_json(vars(image))
    return parse_live(files, f"release {live.id}")


def find_images(
    repository: Repository,
    new: Release,
    live: Mapping[str, Image],
    trust_registry: bool,
) -> dict[str, Image]:
    """Return the images, by domain, that the registry has and that may be used.

    Anybody who can read the source can compute a content tag, so an image is used only by
    a digest that a deployment has recorded; by that of `live`, if it has the same tag.
    """
    candidates: dict[str, list[Image]] = {domain: [] for domain in new.images}
    for path, content in repository.read_image_files():
        # A release has no digest, and a deployment may have another registry.
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            image, wanted = parse_image(content), new.images.get(str(domain_of(path)))
            if wanted and wanted.tag == image.tag and image.commit:
                found = replace(image, repository=wanted.repository)
                candidates[str(domain_of(path))].append(found)
    for domain, image in live.items():
        if domain in new.images and image.tag == new.images[domain].tag:
            repository_there = new.images[domain].repository
            candidates[domain] = [replace(image, repository=repository_there)]
    references = {i.reference for images in candidates.values() for i in images}
    missing = {*registry.find_missing(sorted(references))}
    result = {}
    for domain, images in candidates.items():
        there = [image for image in images if image.reference not in missing]
        if not there and trust_registry:
            if digest := registry.find_digest(new.images[domain].name):
                commit = new.sources[0][0]
                there = [replace(new.images[domain], digest=digest, commit=commit)]
        if there:
            result[domain] = there[0]
    return result


def rollback(
    repository: Repository, name: str, to: str | None, options: Options
) -> Release:
    """Make the files of an earlier commit live again, and return what is live then.

    `to` begins the hash of a commit or a release; None means the previous release.

    Raises:
        InputError: there is no such commit, the deployment is on hold, or another change
            was quicker.
    """
    history = repository.history(name)
    breaches = [*policy.breaches_of_hold(name, history)]
    _apply_policy(name, breaches, options)
    target = find_earlier(repository, name, history, to, options.domain)
    new, release = read_live(repository, target), target.release
    tree = repository.tree_of(target.commit)
    if options.domain:
        base, other = (read_release(repository, each) for each in (history[0], target))
        mixed = replace_domains(base, other, options.domain)
        live = read_live(repository, history[0])
        new = mix(live, new, mixed.id, options.domain)
        release = repository.commit_release(mixed.id, mixed.files)
        tree = repository.write(new.files)
    if tree == repository.tree_of(history[0].commit):
        raise InputError("that is live already", f"see `history {name}`", name)
    say(f"{name}: back to commit {target.commit[:12]}, release {new.id}")
    if options.dry_run:
        flags = "".join(f"--domain {domain} " for domain in options.domain)
        print(f"to do exactly this: {flags}--to {target.commit}")
        return new
    what = f"{', '.join(options.domain)} of {name}" if options.domain else name
    subject = f"Roll {what} back to release {new.id}"
    trailers = [("Action", "rollback"), *_describe(new), ("From", target.commit)]
    message = _message(subject, trailers, breaches, options)
    sign = _must_sign(name)
    _push(
        repository, name, repository.commit(name, tree, [release], message, sign=sign)
    )
    # Last, since a registry may be slow or down.
    try:
        for missing in registry.find_missing(i.reference for i in new.images.values()):
            say(f"warning: the registry has no {missing}")
    except InputError as error:
        say(f"warning: the images were not looked up ({error})")
    return new


def find_earlier(
    repository: Repository,
    name: str,
    history: Sequence[Entry],
    to: str | None,
    domains: Sequence[str],
) -> Entry:
    """Return the commit that a rollback makes live again.

    Without `to` it is the last one that differs from what is live; after a rollback it is
    the last one before what that went back to.
    """
    moves = {e.commit: e for e in history if e.get("Action") in MOVES}
    if to is not None:
        return pick(name, [*moves.values()], to)
    # A commit without an action was not made by this tool.
    live = next(e for e in [*history, history[0]] if e.get("Action") in (None, *MOVES))
    while live.get("From") in moves and not domains:
        if live.get("Domain"):
            problem = (
                "only a domain was rolled back, so the previous release is ambiguous"
            )
            raise InputError(problem, "name a commit: --to", name)
        live = moves[str(live.get("From"))]
    later = [*moves].index(live.commit) + 1 if live.commit in moves else 0
    for entry in [*moves.values()][later:]:
        if domains:
            was, now = (
                repository.list_domains(e.commit, domains) for e in (entry, live)
            )
        else:
            was, now = (e.get("Release") or "" for e in (entry, live))
        if was != now:
            return entry
    raise InputError("nothing else was live before", "deploy instead", name)


def hold(repository: Repository, name: str, options: Options, *, on: bool) -> None:
    """Freeze a deployment, or end that; what runs there stays the same.

    Raises:
        InputError: it is, or is not, on hold already, or another change was quicker.
    """
    tip, *earlier = repository.history(name)
    entry = policy.find_hold([tip, *earlier])
    if (entry is not None) == on:
        state = f"on hold: {entry.why}" if entry else "not on hold"
        raise InputError(f"it is {state}", "see `status`", name)
    action, verb = ("hold", "Hold") if on else ("unhold", "End the hold of")
    kept = [(key, tip.get(key)) for key in ("Release", "Source-Commit")]
    message = _message(f"{verb} {name}", [("Action", action), *kept], [], options)
    if options.dry_run:
        say(f"{name}: nothing was changed; this would be committed: {message}")
        return
    tree, sign = repository.tree_of(tip.commit), _must_sign(name)
    commit = repository.commit(name, tree, tip.parents[1:], message, sign=sign)
    _push(repository, name, commit)


def check_dags(new: Release) -> None:
    """Load all DAGs and validate their pods, from the files that Airflow would see.

    This runs in a process that gets no credentials and none of this process's folders.

    Raises:
        InputError: something is wrong with one of them.
    """
    with tempfile.TemporaryDirectory(prefix="maxai-check-") as folder:
        write_files(Path(folder, "seen"), new.files)
        environment = {
            "HOME": folder,
            "LANG": "C.UTF-8",
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),
        }
        command = [
            sys.executable,
            "-m",
            "maxaitools.deployments.check_dags",
            "seen",
            *new.dags,
        ]
        try:
            # Airflow and the DAGs may print more, before it.
            printed = process.run(command, env=environment, folder=folder).splitlines()[
                -1
            ]
            mistakes = json.loads(printed)
        except (process.ProcessFailed, IndexError, ValueError) as error:
            mistakes = [f"the check of the DAGs failed ({error})"]
    if mistakes:
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        advice = "fix it, and package the release again"
        raise InputError(f"{mistakes[0]}{more}", advice, f"release {new.id}")


def say(line: str) -> None:
    """Print a step, with the seconds since the start."""
    print(f"{time.monotonic() - _STARTED:6.1f} s  {line}", flush=True)


@dataclass
class _Change:
    """A deploy or a promotion that is being made."""

    repository: Repository
    to: Deployment
    options: Options
    release: Release
    origin: Origin | None

    def run(self) -> Release:
        """Make the release live, and return what is, or would be, live."""
        repository, to, options = self.repository, self.to, self.options
        history = repository.history(to.name) if to.name in repository.tips else []
        live = read_live(repository, history[0]) if history else None
        new = self._draft(history, live)
        breaches = self._find_breaches(history, live, new)
        _apply_policy(to.name, breaches, options)
        say(f"{to.name}: release {new.id} of commit {new.facts['commit'][:12]}")
        known = (options.checked, live.facts.get("checked") if live else None)
        with ThreadPoolExecutor() as pool:
            checks = []
            if new.facts["checked"] not in known:
                say("checking all DAGs as Airflow will see them")
                checks = [pool.submit(check_dags, new)]
            images = self._provide(new, self._known_images(live))
            sboms = {} if options.dry_run else self._find_sboms(images, live)
            for check in checks:
                check.result()
        new = fill_in(new, images)
        new = replace(new, files={**new.files, **sboms})
        if live and not breaches and _is_same(live, new):
            say(
                f"{to.name}: release {new.id} is live already, in {history[0].commit[:12]}"
            )
        elif options.dry_run:
            pin = f"--checked {new.facts['checked']}"
            if self.origin:
                pin = f"--commit {self.origin.entry.commit} {pin}"
            flags = "".join(f"--domain {domain} " for domain in options.domain)
            print(f"to do exactly this: {flags}{pin}")
        else:
            self._publish(new, breaches)
        return new

    def _draft(self, history: Sequence[Entry], live: Release | None) -> Release:
        source = self.origin.live.facts if self.origin else process.read_source()
        new, domains = draft(self.release, self.to, source), self.options.domain
        if not domains:
            return new
        if live is None:
            raise InputError("nothing is live yet", "leave out --domain", self.to.name)
        for domain in {*domains} - new.domains:
            raise InputError(
                f"it has no domain {domain!r}", "check --domain", self.to.name
            )
        base = read_release(self.repository, history[0])
        self.release = replace_domains(base, self.release, domains)
        return _with_key(mix(live, new, self.release.id, domains).files)

    def _find_breaches(
        self, history: Sequence[Entry], live: Release | None, new: Release
    ) -> list[str]:
        to, origin = self.to, self.origin
        found = [*policy.breaches_of_hold(to.name, history)]
        # Of a mixture of domains, the release that they come from counts too.
        whole = origin.live.id if origin else new.id
        for release in dict.fromkeys((new.id, whole)):
            found += policy.breaches_of_rollback(to.name, history, release)
        before = origin.live if origin else None
        found += policy.breaches_of_origin(to, new, before)
        if origin:
            there = self.repository.history(origin.name)
            found += policy.breaches_of_rollback(origin.name, there, whole)
        on_branch, is_ancestor = process.is_on_branch, process.is_ancestor
        return found + [
            *policy.breaches_of_sources(to, new, live, on_branch, is_ancestor)
        ]

    def _known_images(self, live: Release | None) -> dict[str, Image]:
        """Return the images that were live in the origin, and those that stay."""
        known = dict(self.origin.live.images) if self.origin else {}
        if live and self.options.domain:
            stay = live.images.keys() - {*self.options.domain}
            known |= {domain: live.images[domain] for domain in stay}
        return known

    def _provide(self, new: Release, known: Mapping[str, Image]) -> dict[str, Image]:
        """Have all images in the registry, and return them with their digests."""
        options = self.options
        try:
            found = find_images(self.repository, new, known, options.trust_registry)
        except InputError as error:
            if not options.dry_run:
                raise
            say(f"warning: the images were not looked up ({error})")
            return dict(new.images)
        for image in found.values():
            say(f"{image.repository}:{image.tag[:12]} is in the registry")
        missing = {d: image for d, image in new.images.items() if d not in found}
        if options.dry_run:
            for image in missing.values():
                say(f"{image.repository}:{image.tag[:12]} would be pushed or copied")
            return {**new.images, **found}
        copies = {}
        for domain, image in missing.items():
            source = known.get(domain)
            if source and source.tag == image.tag:
                if source.repository == image.repository:
                    advice = f"push it again: deploy to {self.to.after or self.to.name}"
                    raise InputError("is not in the registry", advice, source.reference)
                say(f"{image.repository}: copying it from {source.repository}")
                copies[image.name] = source.reference
                found[domain] = replace(source, repository=image.repository)
        registry.copy(copies)
        pushed = {d: self.release.images[d] for d in missing if d not in found}
        if pushed:
            say(f"pushing {', '.join(image.repository for image in pushed.values())}")
        digests = registry.push(str(self.to.registry), pushed.values())
        for domain, digest in zip(pushed, digests):
            commit = new.sources[0][0]
            found[domain] = replace(new.images[domain], digest=digest, commit=commit)
        return found

    def _find_sboms(self, images: Mapping[str, Image], live: Release | None) -> Tree:
        """Return the SBOM of each image: from what was live, else from the image."""
        before, sboms = [live, self.origin and self.origin.live], {}
        for domain, image in images.items():
            path = f"maxaiusecases/{domain}/sbom.json"
            known = [each for each in before if each and path in each.files]
            same = [e for e in known if e.images[domain].digest == image.digest]
            sboms[path] = same[0].files[path] if same else registry.make_sbom(image)
        return sboms

    def _publish(self, new: Release, breaches: Sequence[str]) -> None:
        name, origin = self.to.name, self.origin
        action = "promote" if origin else "deploy"
        source = f"{origin.name} {origin.entry.commit}" if origin else None
        subject = f"{action.capitalize()} release {new.id} to {name}"
        trailers = [("Action", action), *_describe(new), ("From", source)]
        message = _message(subject, trailers, breaches, self.options)
        release = self.repository.commit_release(new.id, self.release.files)
        tree, sign = self.repository.write(new.files), self.to.signed
        commit = self.repository.commit(name, tree, [release], message, sign=sign)
        # A registry's retention removes what has no tag.
        tag = f"{name}-{commit[:12]}"
        images = new.images.values()
        registry.copy({f"{i.repository}:{tag}": i.reference for i in images})
        _push(self.repository, name, commit)


def _apply_policy(name: str, breaches: Sequence[str], options: Options) -> None:
    if breaches and not options.force:
        advice = "or override this, which is kept: --force --reason '...'"
        raise InputError("; ".join(breaches), advice, f"policy of {name}")
    for line in breaches:
        say(f"{name}: overridden: {line}")


def _is_same(live: Release, new: Release) -> bool:
    """Return whether nothing that matters would change."""
    files = [{**each.files, FACTS: b""} for each in (live, new)]
    (commit, clean), *_ = live.sources
    same = files[0] == files[1] and live.id == new.id and clean
    return same and process.is_ancestor(commit, new.sources[0][0])


def _with_key(files: Tree) -> Release:
    """Add a hash of all that the check of the DAGs depends on, as the fact `checked`."""
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        if path != FACTS and not path.startswith("maxaiusecases/"):
            digest.update(f"{path} {len(content)}\n".encode() + content)
    facts = {**json.loads(files[FACTS]), "checked": digest.hexdigest()}
    return parse_live({**files, FACTS: to_json(facts)}, FACTS)


def _describe(new: Release) -> list[tuple[str, str | None]]:
    commits = dict.fromkeys(commit for commit, _ in new.sources)
    return [("Release", new.id), *(("Source-Commit", commit) for commit in commits)]


def _must_sign(name: str) -> bool:
    """Return whether the BUILD file says that a deployment is signed."""
    return getattr(read_all().get(name), "signed", False)


def _message(
    subject: str,
    trailers: Sequence[tuple[str, str | None]],
    breaches: Sequence[str],
    options: Options,
) -> str:
    """Return a commit message: a line for people, then Git trailers for machines."""
    keys = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, project, run = (os.environ.get(key) for key in keys)
    run_url = f"{server}/{project}/actions/runs/{run}" if run else None
    trailers = [
        *trailers,
        *(("Domain", domain) for domain in options.domain),
        ("Reason", options.reason),
        *(("Overridden", line) for line in breaches),
        ("Run", run_url),
    ]
    lines = [f"{key}: {' '.join(value.split())}" for key, value in trailers if value]
    return "\n".join([subject, "", *lines, ""])


def _push(repository: Repository, name: str, commit: str) -> None:
    repository.push(name, commit)
    say(f"{name}: live: commit {commit[:12]}")
