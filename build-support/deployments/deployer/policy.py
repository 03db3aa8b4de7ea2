"""What a deployment takes, by the policy that the root BUILD gives it.

That it has been live elsewhere is seen to where the destination of that is at hand.
"""

from deployer import commit
from deployer.commit import Commit
from deployer.deployment import Deployment
from deployer.record import Record


def breaches_of_commit(to: Deployment, of: Commit | Record) -> list[str]:
    """Return a line for each rule that the commit of a release does not meet.

    Args:
        to: the deployment that is to get it.
        of: the commit, or a record that has one.

    Raises:
        InputError: the branch is unknown here.
    """
    if not to.branch:
        return []
    sha = of.commit if isinstance(of, Record) else of.sha
    found = []
    if of.dirty:
        found.append("it was deployed with changes that are not committed")
    if not commit.is_on_branch(sha, to.branch):
        found.append(f"commit {sha[:12]} is not on {to.branch}")
    return found
