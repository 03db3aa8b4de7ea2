import subprocess

import pytest

from maxairesources.testing import images

FOLDER = "/opt/venv/lib/python3.11/site-packages"
# By a part of the command.
OUTPUTS = {
    "image inspect": '[{"Config": {"User": "10001"}}]',
    "find /": "",
    "grep -H": f"{FOLDER}/Fast_Math-1.0+cpu.dist-info/WHEEL:Tag: cp311-cp311-linux_x86_64\n"
    f"{FOLDER}/pure-2.dist-info/WHEEL:Tag: cp311-cp311-manylinux_2_5_x86_64\n",
    "cat": "fast-math==1.0+cpu \\\n    --hash=sha256:0\npure==2 \\\n",
}


def test_a_package_that_a_compiler_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def docker(*command: str) -> "subprocess.CompletedProcess[str]":
        (output,) = (OUTPUTS[each] for each in OUTPUTS if each in " ".join(command))
        return subprocess.CompletedProcess(command, 0, output)

    monkeypatch.setattr(images, "image_name", str)
    monkeypatch.setattr(images, "docker", docker)
    with pytest.raises(AssertionError, match=r"may have built \['fast-math'\]"):
        images.check_content("shop")
    images.check_content("shop", compiled=["fast-math"])
