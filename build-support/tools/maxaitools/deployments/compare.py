"""Show what differs between two commits of deployments: a summary, then `git diff`."""

import contextlib
from collections.abc import Iterator

from maxairesources.tree import CONFIGS, DAGS, LIBRARY
from maxaitools.deployments.process import ProcessFailed, git
from maxaitools.deployments.record import Record


def show_difference(
    old_tree: str | None, old: Record | None, new_tree: str, new: Record
) -> Iterator[str]:
    """Yield the lines that show what changes if one commit or tree replaces another one.

    Each side has its record; None means that nothing was deployed before.
    """
    before = old["release"][:12] if old else "nothing"
    yield f"release {before} -> {new['release'][:12]}"
    was, now = old["images"] if old else {}, new["images"]
    for domain in sorted({*was, *now}):
        tags = [each.get(domain, {}).get("tag", "nothing") for each in (was, now)]
        if was.get(domain) != now.get(domain):
            yield f"image {domain} {tags[0][:12]} -> {tags[1][:12]}"
    for key in ("paused", "data_root", "registry"):
        if old and old[key] != new[key]:
            yield f"{key} {old[key]} -> {new[key]}"
    if old:
        commits = (each["source"]["commit"] for each in (old, new))
        # This clone may lack the commits.
        with contextlib.suppress(ProcessFailed):
            yield git("log", "--format=commit %h %s", "..".join(commits))
    start = old_tree or git("mktree")
    diff = ("diff", "--no-color", "--no-ext-diff", "--no-renames")
    yield git(*diff, "--stat=100", start, new_tree)
    # The summary has the images, and the release has the content of a new file.
    yield git(*diff, "--diff-filter=M", start, new_tree, "--", CONFIGS, DAGS, LIBRARY)
