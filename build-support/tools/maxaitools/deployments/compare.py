"""Show what differs between two commits of deployments: a summary, then `git diff`."""

from collections.abc import Iterator

from maxairesources.tree import LIBRARY, USECASES
from maxaitools.deployments.process import ProcessFailed, git
from maxaitools.deployments.record import Record, source_of


def show_difference(
    old_tree: str | None, old: Record | None, new_tree: str, new: Record
) -> Iterator[str]:
    """Yield the lines that show what changes if one commit replaces another one.

    Args:
        old_tree: the earlier commit; None means nothing.
        old: its record.
        new_tree: the later commit or its tree.
        new: its record.
    """
    before = old["release"][:12] if old else "nothing"
    yield f"release {before} -> {new['release'][:12]}"
    was, now = old["images"] if old else {}, new["images"]
    for domain in sorted({*was, *now}):
        tags = [each.get(domain, {}).get("tag", "nothing") for each in (was, now)]
        if tags[0] != tags[1]:
            yield f"image {domain} {tags[0][:12]} -> {tags[1][:12]}"
            yield from _show_commits(domain, old, new)
        elif was[domain] != {**was[domain], **now[domain]}:
            yield f"image {domain} {tags[0][:12]} was built again"
    empty = git("mktree")
    diff = ("diff", "--no-color", "--no-ext-diff", "--no-renames")
    yield ""
    yield git(*diff, "--stat=100", old_tree or empty, new_tree)
    # The content of a new file is in the release.
    yield git(*diff, "--diff-filter=M", old_tree or empty, new_tree)


def _show_commits(domain: str, old: Record | None, new: Record) -> Iterator[str]:
    """Yield a line for each commit that changed a domain's image, if the clone has them."""
    if not old:
        return
    ends = (source_of(each, domain)["commit"] for each in (old, new))
    folders = (f"{USECASES}/{domain}", LIBRARY)
    try:
        log = git("log", "--format=    %h %s", "..".join(ends), "--", *folders)
    except ProcessFailed:
        return
    yield from log.splitlines()
