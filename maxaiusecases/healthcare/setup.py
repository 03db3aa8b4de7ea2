"""Build a wheel of the domain's handlers: ./pants package maxaiusecases/<domain>:wheel"""

from pathlib import Path

from setuptools import find_namespace_packages, setup  # pants: no-infer-dep

HERE = Path(__file__).resolve().parent
REQUIREMENTS = (HERE / "requirements.txt").read_text().split("# Only tests")[0]

setup(
    name=f"maxai-{HERE.name}",
    version="0.1.0",
    description=f"The handlers of the domain {HERE.name}",
    package_dir={"": "../.."},
    packages=find_namespace_packages(
        "../..", include=["maxairesources*", f"maxaiusecases.{HERE.name}.*"]
    ),
    # The data files beside the modules.
    package_data={"": ["*"]},
    install_requires=[
        line for line in REQUIREMENTS.splitlines() if line and not line.startswith("#")
    ],
)
