"""Build a wheel of the domain's handlers: ./pants package maxaiusecases/<domain>:wheel"""

from pathlib import Path

from setuptools import find_namespace_packages, setup  # pants: no-infer-dep

HERE = Path(__file__).resolve().parent
PACKAGES = ["maxairesources*", f"maxaiusecases.{HERE.name}.*"]

setup(
    name=f"maxai-{HERE.name}",
    version="0.1.0",
    package_dir={"": "../.."},
    packages=find_namespace_packages("../..", include=PACKAGES),
    package_data={"": ["*"]},
    install_requires=(HERE / "requirements.txt").read_text().split("# Only tests")[0],
)
