from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent
FILES = (
    "base-image",
    "recipe.sh",
    "spark-entrypoint",
    *(
        f"{name}.{kind}"
        for name in ("python", "spark")
        for kind in ("json", "packages")
    ),
)
# A stub: makes the smallest file system with one package in it.
MMDEBSTRAP = """
echo "$*" >> "$MACHINE/calls"
for last; do case $last in */python | */spark) tar=$last ;; esac; done
[ ! -e "$MACHINE/mmdebstrap-fails" ] || { echo E: mirror is gone >&2; exit 25; }
cp "$MACHINE/layer.tar" "$tar" """
# A stub: knows the images whose labels are in a file, and notes what it loads.
DOCKER = """
for last; do :; done
case $1 in
    version)
        [ -e "$MACHINE/engine" ] && exit
        echo Cannot connect to the Docker daemon >&2; exit 1 ;;
    image) cat "$MACHINE/labels/$last" 2> /dev/null ;;
    load) cp "$last" "$MACHINE/loaded-$(date +%s%N).tar" ;;
esac"""
APT_GET = 'cat "$MACHINE/targets"'
TARGETS = "".join(
    f"{suite} deb http://mirror.invalid/debian {suite} main\n"
    for suite in ("bookworm", "bookworm-updates", "bookworm-security")
)


class Checkout:
    """A copy of the files under test, where the commands outside are stubs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder, self.docker = folder, folder / "build-support/images"
        self.docker.mkdir(parents=True)
        for name in FILES:
            shutil.copy(HERE / name, self.docker)
        for name in ("bin", "labels/maxai"):
            (folder / name).mkdir(parents=True)
        self.stub("mmdebstrap", MMDEBSTRAP)
        self.stub("docker", DOCKER)
        self.stub("apt-get", APT_GET)
        self.stub("apt-config", "echo 'Acquire::Languages \"none\";'")
        (folder / "targets").write_text(TARGETS)
        (folder / "engine").touch()
        self.package("1.0")
        monkeypatch.setenv("PATH", f"{folder}/bin:/usr/bin:/bin")
        monkeypatch.setenv("MACHINE", str(folder))

    def stub(self, name: str, body: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def package(self, version: str) -> None:
        """Makes this the version of the one package that mmdebstrap installs."""
        status = (
            f"Package: tool\nStatus: ok\nVersion: {version}\nDescription: a\n b\n\n"
        )
        with tarfile.open(self.folder / "layer.tar", "w") as archive:
            entry = tarfile.TarInfo("./var/lib/dpkg/status")
            entry.size = len(status)
            archive.addfile(entry, io.BytesIO(status.encode()))

    def dockerfile(self, domain: str, text: str) -> Path:
        path = self.folder / f"maxaiusecases/{domain}/Dockerfile"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return path

    def label(self, reference: str, labels: object) -> None:
        (self.folder / "labels" / reference).write_text(json.dumps(labels))

    def loaded(self) -> list[dict[str, str]]:
        """Returns the labels of the images that were loaded, in that order."""
        result = []
        for path in sorted(self.folder.glob("loaded-*.tar")):
            with tarfile.open(path) as archive:
                config = archive.extractfile("image.json")
                assert config is not None
                result.append(json.load(config)["config"]["Labels"])
        return result

    def run(self, *arguments: str) -> tuple[int, str]:
        command = [sys.executable, str(self.docker / "base-image"), *arguments]
        done = subprocess.run(
            command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done.returncode, done.stdout

    def tag(self, name: str) -> str:
        code, output = self.run("tag", name)
        assert code == 0, output
        return output.strip()

    def module(self) -> ModuleType:
        loader = SourceFileLoader("base_image", str(self.docker / "base-image"))
        spec = spec_from_loader("base_image", loader)
        assert spec
        module = module_from_spec(spec)
        loader.exec_module(module)
        return module


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Checkout(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "name, file, changes",
    [
        ("python", "recipe.sh", True),
        ("python", "python.json", True),
        ("python", "python.packages", True),
        ("python", "spark.json", False),
        ("python", "spark.packages", False),
        ("python", "spark-entrypoint", False),
        ("python", "base-image", False),
        ("spark", "recipe.sh", True),
        ("spark", "spark.json", True),
        ("spark", "spark.packages", True),
        ("spark", "spark-entrypoint", True),
        ("spark", "python.packages", False),
    ],
)
def test_the_tag_hashes_what_decides_the_content(
    checkout: Checkout, name: str, file: str, changes: bool
) -> None:
    before = checkout.tag(name)
    repository, tag = before.split(":")
    assert repository == f"maxai/{name}"
    assert len(tag) == 12 and int(tag, 16) >= 0
    with (checkout.docker / file).open("a") as stream:
        stream.write("\n")
    assert (checkout.tag(name) != before) is changes


def test_no_tag_without_a_record(checkout: Checkout) -> None:
    (checkout.docker / "python.packages").unlink()
    for command in ("tag", "build"):
        code, output = checkout.run(command, "python")
        assert code == 1
        assert "images/python.packages is missing; `base-image record`" in output


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "required: COMMAND"),
        (["tag", "java"], "invalid choice: 'java'"),
        (["build", "java"], "no base image is called java"),
        (["push"], "invalid choice: 'push'"),
    ],
)
def test_wrong_usage(checkout: Checkout, arguments: list[str], message: str) -> None:
    code, output = checkout.run(*arguments)
    assert code == 2
    assert message in output


def test_differences_name_each_package(checkout: Checkout) -> None:
    found = checkout.module().differences(
        {"gone": "1", "same": "2", "other": "3"},
        {"same": "2", "other": "4", "new": "5"},
    )
    assert found == ["gone 1 -> none", "new none -> 5", "other 3 -> 4"]


def test_a_build_like_the_record_has_not_drifted(checkout: Checkout) -> None:
    for name in ("python", "spark"):
        (checkout.docker / f"{name}.packages").write_text("tool=1.0\n")
    code, output = checkout.run("build")
    assert code == 0, output
    assert checkout.loaded() == [{"maxai.base.drifted": "false"}] * 2
    assert f"{checkout.tag('spark')} sha256:" in output
    assert "->" not in output


def test_a_build_unlike_the_record_has_drifted(checkout: Checkout) -> None:
    (checkout.docker / "python.packages").write_text("tool=0.9\n")
    before = checkout.tag("python")
    code, output = checkout.run("build", "python")
    assert code == 0, output
    assert checkout.loaded() == [{"maxai.base.drifted": "true"}]
    assert "maxai/python has drifted" in output
    assert "  tool 0.9 -> 1.0" in output
    assert checkout.tag("python") == before


def test_record_accepts_what_was_found(checkout: Checkout) -> None:
    old = "FROM maxai/python:0123456789ab AS deps\nRUN true\nFROM maxai/spark:old\n"
    path = checkout.dockerfile("shop", old)
    code, output = checkout.run("record")
    assert code == 0, output
    python, spark = checkout.tag("python"), checkout.tag("spark")
    assert path.read_text() == f"FROM {python} AS deps\nRUN true\nFROM {spark}\n"
    assert (checkout.docker / "spark.packages").read_text() == "tool=1.0\n"
    assert (checkout.docker / "spark.id").read_text().startswith("sha256:")
    assert checkout.loaded() == [{"maxai.base.drifted": "false"}] * 2
    assert "maxaiusecases/shop/Dockerfile: FROM rewritten" in output
    checkout.package("1.1")
    code, output = checkout.run("record")
    assert "  tool 1.0 -> 1.1" in output
    assert f"FROM {checkout.tag('python')} AS deps" in path.read_text()
    assert checkout.tag("python") != python
    assert not list(checkout.folder.rglob("*.new"))


@pytest.mark.parametrize(
    "line, rewritten",
    [
        ("FROM maxai/python:old", "FROM {python}"),
        ("FROM maxai/python", "FROM {python}"),
        ("from  maxai/spark@sha256:12 as run", "from  {spark} as run"),
        (
            "FROM --platform=linux/amd64 maxai/spark:x",
            "FROM --platform=linux/amd64 {spark}",
        ),
        ("FROM maxai/python-extra:old", None),
        ("FROM other/maxai/python:old", None),
        ("# FROM maxai/python:old", None),
        ("COPY --from=maxai/python:old /a /b", None),
    ],
)
def test_lines_that_are_rewritten(
    checkout: Checkout, line: str, rewritten: str | None
) -> None:
    tags = {name: checkout.tag(name) for name in ("python", "spark")}
    expected = (rewritten or line).format(**tags)
    text = checkout.module().with_current_bases(f"ARG A\n{line}\nRUN true\n")
    assert text == f"ARG A\n{expected}\nRUN true\n"


def test_check_passes_on_recorded_bases(checkout: Checkout) -> None:
    for name in ("python", "spark"):
        checkout.label(checkout.tag(name), {"maxai.base.drifted": "false"})
    checkout.dockerfile("shop", f"FROM {checkout.tag('python')} AS deps\n")
    code, output = checkout.run("check")
    assert (code, output.startswith("ok: maxai/python:")) == (0, True)


def test_check_reports_every_fault(checkout: Checkout) -> None:
    checkout.label(checkout.tag("python"), {"maxai.base.drifted": "true"})
    checkout.dockerfile("shop", "FROM maxai/python:0123456789ab AS deps\n")
    code, output = checkout.run("check")
    assert code == 1
    python, spark = checkout.tag("python"), checkout.tag("spark")
    stale, drifted, missing = output.splitlines()
    assert "maxaiusecases/shop/Dockerfile: FROM maxai/python:0123456789ab" in stale
    assert f"is not the current base {python}" in stale
    assert f"{python} has drifted from the recorded package versions" in drifted
    assert f"{spark} is not in the Docker engine" in missing


@pytest.mark.parametrize(
    "labels, code, message",
    [
        ({"maxai.base.drifted": "false", "a": "b"}, 0, "ok: maxai/shop:1"),
        ({"maxai.base.drifted": "true"}, 1, "maxai/shop:1 has drifted"),
        ({"a": "b"}, 1, "maxai/shop:1 has no label maxai.base.drifted"),
        (None, 1, "maxai/shop:1 has no label maxai.base.drifted"),
    ],
)
def test_check_of_a_given_image(
    checkout: Checkout, labels: object, code: int, message: str
) -> None:
    checkout.label("maxai/shop:1", labels)
    assert checkout.run("check", "maxai/shop:1")[0] == code
    assert message in checkout.run("check", "maxai/shop:1")[1]


@pytest.mark.parametrize("command", ["build", "record", "check"])
def test_without_an_engine(checkout: Checkout, command: str) -> None:
    (checkout.folder / "engine").unlink()
    code, output = checkout.run(command)
    assert code == 3
    assert output == (
        "base-image: the Docker engine does not answer; run build-support/setup\n"
    )


def test_without_mmdebstrap(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout.folder / "bin/mmdebstrap").unlink()
    monkeypatch.setenv("PATH", f"{checkout.folder}/bin")
    code, output = checkout.run("build")
    assert code == 3
    assert "mmdebstrap is not installed: apt-get install mmdebstrap" in output


def test_another_platform(
    checkout: Checkout,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = checkout.module()
    monkeypatch.setattr(module.platform, "machine", lambda: "aarch64")
    with pytest.raises(SystemExit) as stopped:
        module.make_layer("python", checkout.folder)
    assert stopped.value.code == 3
    assert "the base images are for amd64, not aarch64" in capsys.readouterr().err


def test_a_mirror_that_fails(checkout: Checkout) -> None:
    (checkout.folder / "mmdebstrap-fails").touch()
    code, output = checkout.run("build", "python")
    assert code == 1
    assert "recipe.sh" in output and "  E: mirror is gone" in output


def test_only_debian_bookworm_is_taken_from_apt(checkout: Checkout) -> None:
    other = "".join(
        f"{suite} deb http://mirror.invalid/debian {suite} main\n"
        for suite in ("trixie", "bookworm-backports", "bookworm-proposed-updates")
    )
    (checkout.folder / "targets").write_text(other + TARGETS)
    assert sorted(checkout.module().debian_sources().splitlines()) == sorted(
        line.split(" ", 1)[1] for line in TARGETS.splitlines()
    )


def test_without_debian_in_apt_the_archives_are_those_of_mmdebstrap(
    checkout: Checkout,
) -> None:
    (checkout.folder / "targets").write_text("")
    assert checkout.run("build", "python")[0] == 0
    (checkout.folder / "targets").write_text(TARGETS)
    assert checkout.run("build", "python")[0] == 0
    calls = (checkout.folder / "calls").read_text().splitlines()
    assert [call.endswith("/sources") for call in calls] == [False, True]


def test_the_version_of_mmdebstrap_does_not_change_the_archive(
    checkout: Checkout,
) -> None:
    module, layers = checkout.module(), []
    for name, form, extra in (
        ("old", tarfile.PAX_FORMAT, ()),
        ("new", tarfile.USTAR_FORMAT, ("./dev",)),
    ):
        layer = checkout.folder / name
        with tarfile.open(layer, "w", format=form) as archive:
            for path in ("./bin", *extra):
                folder = tarfile.TarInfo(path)
                folder.type = tarfile.DIRTYPE
                archive.addfile(folder)
            file = tarfile.TarInfo("./bin/" + "a" * 90)
            file.size = 3
            archive.addfile(file, io.BytesIO(b"abc"))
        layers.append(module.with_fixed_format(layer).read_bytes())
    assert layers[0] == layers[1]
    with tarfile.open(checkout.folder / "old.tar") as archive:
        assert archive.getnames() == ["./bin", "./bin/" + "a" * 90]


def test_security_updates_must_be_among_the_sources(checkout: Checkout) -> None:
    without = "".join(TARGETS.splitlines(keepends=True)[:2])
    (checkout.folder / "targets").write_text(without)
    code, output = checkout.run("build", "python")
    assert code == 3
    assert "apt has no package list of Debian's bookworm-security" in output


def test_the_archive_is_the_same_every_time(checkout: Checkout) -> None:
    module = checkout.module()
    layer = checkout.folder / "python"
    layer.write_bytes(b"layer")
    image = {"config": {"User": "maxai"}, "architecture": "amd64"}
    contents, ids = [], set()
    for name in ("one.tar", "two.tar"):
        layer.touch()
        path = checkout.folder / name
        ids.add(module.write_archive(path, layer, image, "maxai/python:tag"))
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    # The code that writes archives is not hashed into the tag: a change of what it
    # writes must change recipe.sh, too, so that the same tag never means another image.
    assert ids == {
        "sha256:c5c86171f7b89e999ab13c670037ff61aeb872146a768ee54ec6804308b70584"
    }
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["image.json", "manifest.json", "python"]


@pytest.mark.parametrize("name", ["python", "spark"])
def test_the_committed_record_holds_what_the_recipe_installs(name: str) -> None:
    lines = (HERE / f"{name}.packages").read_text().splitlines()
    packages = [line.split("=", 1)[0] for line in lines]
    assert packages == sorted(set(packages))
    assert all(line.split("=", 1)[1] for line in lines)
    wanted = set(json.loads((HERE / f"{name}.json").read_text())["packages"])
    assert wanted <= set(packages)
    assert not {"gcc", "g++", "cpp", "make", "python3-pip", "perl"} & set(packages)
