"""Tests of base-image, and of the images that it builds today and on a later day."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PREFIX = "example.com/ai"
# The lines of a Dockerfile that name no base image.
OTHERS = f"""\
FROM {PREFIX}/python-extra:old
# FROM {PREFIX}/python:old
FROM x/{PREFIX}/python:old
FROM exampleXcom/ai/python:old
"""


def call(images: Path, *arguments: str) -> tuple[int, str]:
    command = [str(images / "base-image"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


def tag(name: str) -> str:
    """Return the name of a base image of this machine."""
    return call(HERE, "tag", name)[1]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A copy of this folder, in a repository with one Dockerfile."""
    copy = shutil.copytree(HERE, tmp_path / "build-support/images")
    (tmp_path / "marketplace.toml").write_text(f'prefix = "{PREFIX}"\n')
    domain = tmp_path / "maxaiusecases/a domain"
    domain.mkdir(parents=True)
    (domain / "Dockerfile").write_text(
        f"FROM {PREFIX}/python:old AS deps\nfrom --platform=x {PREFIX}/spark@sha256:12\n"
        # The prefix was another one.
        + f"FROM earlier/python:0123456789ab\n{OTHERS}"
    )
    return copy


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("refreshed", {"python", "spark"}),
        ("customize", {"python", "spark"}),
        ("python.recipe", {"python", "spark"}),
        ("spark.recipe", {"spark"}),
        ("spark-entrypoint", {"spark"}),
        ("base-image", set()),
    ],
)
def test_the_tag_hashes_the_recipe(images: Path, file: str, changed: set[str]) -> None:
    before = {name: call(images, "tag", name) for name in ("python", "spark")}
    with (images / file).open("a") as stream:
        stream.write("packages+=(one_more)\n" if file.endswith("recipe") else "#\n")
    after = {name: call(images, "tag", name) for name in before}
    assert {name for name in before if before[name] != after[name]} == changed
    assert all(code == 0 for code, _ in after.values())


def test_refresh_names_the_new_tags_in_dockerfiles(images: Path) -> None:
    dockerfile = images.parents[1] / "maxaiusecases/a domain/Dockerfile"
    code, printed = call(images, "stale")
    assert code == 1 and printed.count("the current base image is") == 3
    (images / "refreshed").write_text("2001-01-01\n")
    assert call(images, "refresh") == (0, "")
    assert call(images, "stale") == (0, "")
    python, spark = (call(images, "tag", name)[1] for name in ("python", "spark"))
    assert dockerfile.read_text() == (
        f"FROM {python} AS deps\nfrom --platform=x {spark}\nFROM {python}\n{OTHERS}"
    )


def run(user: str, *arguments: str) -> list[str]:
    command = ["docker", "run", "--rm", f"--user={user}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}\nrun build-support/setup first"
    return done.stdout.splitlines()


def shell(base: str, script: str, user: str) -> list[str]:
    return run(user, "--entrypoint=/bin/sh", base, "-c", script)


# Prints the files of this machine's base image, in which dpkg lists a newer package.
MMDEBSTRAP = r"""#!/bin/sh
edit='/^Package: tzdata$/,/^$/s/^Version: .*/Version: 9999a-1/'
made=$(docker run --detach --user=0 --entrypoint=sed {} -i "$edit" /var/lib/dpkg/status)
docker wait "$made" >&2 && docker export "$made" && docker rm "$made" >&2
"""


@pytest.fixture
def later(images: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the base image python as built when Debian has a newer package; mmdebstrap is a stub."""
    (stub := images / "mmdebstrap").write_text(MMDEBSTRAP.format(tag("python")))
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{images}:{os.environ['PATH']}")
    (images / "refreshed").write_text("later\n")
    assert call(images, "build", "python")[0] == 0
    yield (name := call(images, "tag", "python")[1])
    subprocess.run(["docker", "image", "rm", "--force", name], check=True)


@pytest.mark.parametrize("name", ["python", "spark", "later"])
def test_image_fits_handlers(name: str, request: pytest.FixtureRequest) -> None:
    base = request.getfixturevalue(name) if name == "later" else tag(name)
    script = "id -un; id -u; pwd; touch probe && echo writes; command -v python; env"
    lines = shell(base, script, user="")
    assert lines[:5] == ["maxai", "10001", "/data", "writes", "/usr/local/bin/python"]
    assert {"MAXAI_DATA_ROOT=/data", "PYTHONPATH=/opt/maxai"} < set(lines)
    assert shell(base, "touch ~/probe /tmp/probe && id -u", "1234:1234") == ["1234"]
    version = "import sys; assert sys.version_info[:2] == (3, 11)"
    run("1234:1234", base, "timeit", "-n1", version)
    unwanted = "gcc cc g++ ld make pip pip3 perldoc javac"
    folders = "/var/lib/apt/lists /var/cache/apt /usr/share/man /usr/share/locale"
    script = f"for c in {unwanted}; do command -v $c; done; find {folders} -type f"
    assert shell(base, f"{script} ! -name lock", user="0") == []
    newer = "grep -c 9999a-1 /var/lib/dpkg/status || true"
    assert shell(base, newer, user="0") == [str(int(name == "later"))]


def test_spark_gives_any_uid_a_name() -> None:
    code = "import os, pwd; assert pwd.getpwuid(os.getuid()).pw_dir == '/home/maxai'"
    run("1234:1234", tag("spark"), "timeit", "-n1", code)
