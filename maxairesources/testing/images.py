"""Checks the image of a domain, for tests."""

import json
import re
import subprocess
from collections.abc import Collection
from pathlib import Path

# What an image must not contain: patterns of paths.
_UNWANTED = (
    *("*/maxai*/*_test.py", "*/maxairesources/testing/*", "*/maxaiconfigs/*"),
    *("*/py_config*.json", "/data/*", "*/bin/gcc*", "*/bin/cc", "/opt/venv/bin/pip*"),
    *("/var/lib/apt/lists/*Packages*", "*/.git", "*/.env", "*/.netrc"),
)


def image_name(domain: str) -> str:
    """Return the name and tag of the image that Pants has built for the test."""
    info = Path(f"maxaiusecases.{domain}/image.docker-info.json")
    assert info.exists(), f"{info} is missing: the test does not depend on the image"
    # Not the id of the image, which depends on how the engine stores images.
    return str(json.loads(info.read_text())["registries"][0]["tags"][0]["name"])


def docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a docker command and return its result; an engine must answer."""
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    remedy = "this test needs a Docker engine; run build-support/setup"
    assert "Cannot connect to the Docker daemon" not in result.stderr, remedy
    return result


def check_handlers_start(domain: str) -> None:
    """Assert that every handler in a domain's image can import its modules."""
    image = image_name(domain)
    # A domain may have no handler yet, which is a failure for grep.
    search = "grep -rl '^@config.main' --include='*.py' /opt/maxai || true"
    for path in _run_as_root(image, "sh", "-c", search).split():
        module = path.removeprefix("/opt/maxai/").removesuffix(".py").replace("/", ".")
        result = docker("run", "--rm", image, module, "--help")
        assert result.returncode == 0, result.stderr
        assert Path(path).stem in result.stdout


def check_content(domain: str, compiled: Collection[str] = ()) -> None:
    """Assert that an image runs as a non-root user and contains only code and packages.

    The packages must be those of its content tag, and wheels for every Linux. Only those that
    `compiled` names may come from the compiler of a machine, which the tag does not cover.
    """
    image = image_name(domain)
    config = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]
    assert config["User"] == "10001"
    patterns = " -o ".join(f"-path '{pattern}'" for pattern in _UNWANTED)
    search = f"find / -xdev -type f '(' {patterns} ')'"
    found = _run_as_root(image, "sh", "-c", search)
    assert found == "", f"the image contains {found.split()}"
    # Each with its tags, such as cp311-cp311-manylinux_2_17_x86_64.
    search = "grep -H '^Tag:' /opt/venv/lib/*/site-packages/*.dist-info/WHEEL"
    found = _run_as_root(image, "sh", "-c", search)
    # A folder is called name-version.dist-info, with underscores in the name.
    parts = re.findall(r"([^/]+)-([^/-]+)\.dist-info/WHEEL:Tag: (.*)", found)
    tags = [(re.sub(r"[_.]+", "-", name).lower(), *others) for name, *others in parts]
    installed = {(name, version) for name, version, _ in tags}
    lock = _run_as_root(image, "cat", "/opt/maxai/requirements.lock")
    assert installed == {*re.findall(r"^([\w.-]+)==([^ ;\n]+)", lock, re.MULTILINE)}
    built = {name for name, _, tag in tags if "-linux_" in tag} - {*compiled}
    assert not built, (
        f"a compiler of this machine may have built {sorted(built)}: require versions that have "
        f'wheels, or allow it: check_content("{domain}", compiled={sorted(built)})'
    )


def _run_as_root(image: str, command: str, *arguments: str) -> str:
    """Return the output of a command that runs as root in the image."""
    run = ("run", "--rm", "--user=0", f"--entrypoint={command}", image)
    result = docker(*run, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout
