"""What a deployment takes, by the policy that the root BUILD gives it."""

from collections.abc import Callable, Iterable

from deployer import commit
from deployer.deployment import Deployment
from deployer.record import Record


def breaches(
    deployment: Deployment,
    release: str,
    of: commit.Commit,
    before: Iterable[Record],
    drift: Callable[[Record], list[str]],
) -> list[str]:
    """Return a line for each rule of a deployment's policy that a release does not meet.

    Args:
        deployment: the deployment that is to get it.
        release: the release's name.
        of: the commit that it is deployed from.
        before: the history of the deployment in which it has to have been current.
        drift: finds what is not as it was deployed in a record of that history.
    """
    found = []
    if deployment.after:
        record = next((each for each in before if each.release == release), None)
        if record is None:
            found.append(f"{release} has not been current in {deployment.after}")
        else:
            found += [f"in {deployment.after}, {line}" for line in drift(record)]
    if deployment.branch:
        if of.dirty:
            found.append("it was deployed with changes that are not committed")
        if not commit.is_on_branch(of.sha, deployment.branch):
            found.append(f"commit {of.sha[:12]} is not on {deployment.branch}")
    return found
