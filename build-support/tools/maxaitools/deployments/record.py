"""The content of deployment.json, the one file that differs between deployments.

The library reads it beside the release when Airflow loads the DAGs:
`maxairesources/deployed.py`.
"""

import json
from typing import Any

from maxairesources.errors import InputError
from maxaitools.deployments.settings import Definition

RECORD_FILE = "deployment.json"
# The value of deployment.json. `images` has the name, the tag and the digest of each domain's
# image, without a digest until it is pushed; `domains` the sources of domains that differ.
Record = dict[str, Any]
Images = dict[str, dict[str, str]]


def settings_of(to: Definition) -> Record:
    """Return the part of a record that marketplace.toml defines."""
    return {
        key: getattr(to, key) for key in ("name", "paused", "data_root", "registry")
    }


def source_of(record: Record, domain: str) -> dict[str, Any]:
    """Return the source of a domain: its commit, and if all of it was committed."""
    return dict(record.get("domains", {}).get(domain, record["source"]))


def sources_of(record: Record) -> list[dict[str, Any]]:
    """Return the sources of all domains, each once."""
    found = [record["source"], *record.get("domains", {}).values()]
    return [each for n, each in enumerate(found) if each not in found[:n]]


def references_of(record: Record) -> dict[str, str]:
    """Return the name of each domain's image with its digest, as Kubernetes needs it."""
    return {
        domain: f"{record['registry']}/{image['name']}@{image['digest']}"
        for domain, image in record["images"].items()
        if "digest" in image
    }


def carry_over(images: Images, live: Record | None) -> Images:
    """Return images with their digests, each if the same content tag is live.

    Anyone who can read the source can compute a content tag, so no other image of a registry is
    used.
    """
    known: Images = live["images"] if live else {}
    same = {d for d in images.keys() & known if images[d]["tag"] == known[d]["tag"]}
    return {d: known[d] if d in same else image for d, image in images.items()}


def parse_record(content: str, where: str) -> Record:
    """Return the record in a deployment.json; raise an InputError with `where` if damaged."""
    try:
        record: Record = json.loads(content)
        needed = [record[key] for key in ("name", "release", "registry")]
        needed += [bytes.fromhex(each["commit"]).hex() for each in sources_of(record)]
        for domain, image in record["images"].items():
            needed.append(image["digest"])
            # Records before marketplace.toml had a prefix have no names.
            image.setdefault("name", f"maxai/{domain}")
        "".join(needed).encode()  # All are strings that can be written.
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        problem = f"{RECORD_FILE} is missing or damaged ({error!r})"
        remedy = "roll back: ./pants deployments rollback NAME --to HASH --reason WHY"
        raise InputError(problem, remedy, where) from None
    return record
