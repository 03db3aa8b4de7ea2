"""Tests of `render`: the files of a deployment, and the configs that it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from maxairesources.errors import InputError
from maxaitools.deployments.deployment import Deployment
from maxaitools.deployments.release import Image, Release
from maxaitools.deployments.render import render

LAB = "maxaiconfigs/lab/probe"
SHOP = "maxaiconfigs/shop/sales"
IMAGES = {
    name: Image(f"registry.test/maxai/{name}", "f00", f"sha256:{name}", "abc")
    for name in ("lab", "shop")
}
REFERENCES = {name: image.reference for name, image in IMAGES.items()}
PART: dict[str, Any] = {"input": [], "output": [], "function": {"args": {"n": 1}}}


def pods(**conf: Any) -> dict[str, Any]:
    given = {"image": "maxai/lab", "arguments": ["m"], **conf}
    return {"tasks": [{"id": 1, "name": "measure", "conf": given}]}


def spark(**conf: Any) -> dict[str, Any]:
    given = {"spark.kubernetes.container.image": "maxai/shop", **conf}
    submit = {"application": "local:///opt/maxai/x.py"}
    task = {"id": 1, "name": "sell", "spark_submit_conf": submit}
    return {"conf": given, "tasks": [task]}


class Tree:
    """The files of a release with two domains."""

    def __init__(self) -> None:
        self.deployment: dict[str, Any] = {}
        self.files: dict[str, Any] = {
            f"{LAB}/kubepod_config.json": pods(),
            f"{LAB}/first/py_config.json": {"$schema": "x", "measure": PART},
            f"{SHOP}/spark_config.json": spark(),
            f"{SHOP}/first/py_config.json": {"sell": PART},
        }

    def rendered(self) -> dict[str, Any]:
        files = {name: json.dumps(each).encode() for name, each in self.files.items()}
        images = {name: Image(f"maxai/{name}", "f00") for name in IMAGES}
        to = Deployment("prod", "registry.test", **self.deployment)
        found = render(Release("0" * 16, files, images, {}), to, IMAGES)
        return {name: json.loads(content) for name, content in found.items()}

    def error(self) -> str:
        with pytest.raises(InputError) as error:
            self.rendered()
        return str(error.value)


@pytest.fixture
def tree() -> Tree:
    return Tree()


def test_configs_name_images_by_digest(tree: Tree) -> None:
    image = REFERENCES["lab"]
    assert tree.rendered() == {
        "maxaiconfigs/deployment.json": {"deployment": "prod", "paused": False},
        f"{LAB}/kubepod_config.json": pods(image=image),
        f"{LAB}/first/py_config.json": {"measure": PART},
        f"{SHOP}/spark_config.json": spark(
            **{"spark.kubernetes.container.image": REFERENCES["shop"]}
        ),
        f"{SHOP}/first/py_config.json": {"sell": PART},
    }


def test_every_image_key_gets_the_digest(tree: Tree) -> None:
    names = [
        f"spark.kubernetes.{part}.container.image" for part in ("driver", "executor")
    ]
    submit = {"application": "x", "conf": {names[1]: "maxai/shop"}}
    config = spark(**{names[0]: "maxai/shop"})
    config["tasks"][0]["spark_submit_conf"] = submit
    tree.files[f"{SHOP}/spark_config.json"] = config
    tree.files[f"{LAB}/kubepod_config.json"] = pods(
        init_containers=[{"name": "x", "image": "maxai/lab"}]
    )
    found = tree.rendered()
    text = json.dumps(found)
    assert text.count(REFERENCES["shop"]) == 3 and text.count(REFERENCES["lab"]) == 2
    assert '"maxai/' not in text


@pytest.mark.parametrize(
    "image",
    [
        "evil.example/maxai/lab",
        "maxai/lab:latest",
        "maxai/lab@sha256:0",
        "maxai/shop",
        "{{ var.value.image }}",
        "",
        None,
        ["maxai/lab"],
    ],
)
@pytest.mark.parametrize("overlay", [False, True])
def test_an_image_of_another_domain_or_registry_is_refused(
    tree: Tree, image: Any, overlay: bool
) -> None:
    where = f"{LAB}/kubepod_config.json"
    if overlay:
        tree.files[f"{LAB}/kubepod_config.prod.json"] = pods(image=image)
        where += " with kubepod_config.prod.json"
    else:
        tree.files[where] = pods(image=image)
    if image and isinstance(image, str):
        expected = f"$.tasks[0].conf.image is {image!r}; use maxai/lab, the image of the domain"
        assert tree.error() == f"{where}: {expected}"
    else:
        assert tree.error().startswith(f"{where}: ")


def test_another_image_of_an_init_container_is_refused(tree: Tree) -> None:
    tree.files[f"{LAB}/kubepod_config.json"] = pods(
        init_containers=[{"name": "x", "image": "evil.example/x"}]
    )
    place = "$.tasks[0].conf.init_containers[0].image is 'evil.example/x'"
    assert place in tree.error()


def test_a_pod_template_is_refused(tree: Tree) -> None:
    tree.files[f"{LAB}/kubepod_config.json"] = pods(pod_template_file="s3://x/y")
    expected = "$.tasks[0].conf.pod_template_file: a pod template could name any image"
    assert expected in tree.error()
    tree.files[f"{LAB}/kubepod_config.json"] = pods()
    key = "spark.kubernetes.driver.podTemplateFile"
    tree.files[f"{SHOP}/spark_config.json"] = spark(**{key: "s3a://x/y"})
    assert f"$.conf['{key}']: a pod template could name any image" in tree.error()


def test_variables_and_labels_may_have_the_name_image(tree: Tree) -> None:
    conf = pods(env_vars={"image": "x"}, labels={"image": "x"})
    tree.files[f"{LAB}/kubepod_config.json"] = conf
    (task,) = tree.rendered()[f"{LAB}/kubepod_config.json"]["tasks"]
    assert task["conf"]["env_vars"] == task["conf"]["labels"] == {"image": "x"}


@pytest.mark.parametrize("variables", ["{{ x }}", ["x"], 1])
def test_variables_must_be_an_object_or_a_list_of_objects(
    tree: Tree, variables: Any
) -> None:
    tree.deployment = {"data_root": "s3://data/prod"}
    tree.files[f"{LAB}/kubepod_config.json"] = pods(env_vars=variables)
    expected = f"$.tasks[0].conf.env_vars is {variables!r}; use an object"
    assert expected in tree.error()


def test_null_variables_get_the_data_root(tree: Tree) -> None:
    tree.deployment = {"data_root": "s3://data/prod"}
    tree.files[f"{LAB}/kubepod_config.json"] = pods(env_vars=None)
    (task,) = tree.rendered()[f"{LAB}/kubepod_config.json"]["tasks"]
    assert task["conf"]["env_vars"] == {"MAXAI_DATA_ROOT": "s3://data/prod"}


def test_only_the_overlays_of_the_deployment_apply(tree: Tree) -> None:
    patch = {"measure": {"function": {"args": {"n": 2}}}}
    tree.files[f"{LAB}/first/py_config.prod.json"] = patch
    tree.files[f"{LAB}/first/py_config.dev.json"] = {"measure": None}
    found = tree.rendered()
    assert found[f"{LAB}/first/py_config.json"]["measure"]["function"]["args"]["n"] == 2
    assert not [name for name in found if "prod" in name or "dev" in name]


def test_every_handler_gets_the_data_root(tree: Tree) -> None:
    tree.deployment = {"data_root": "s3://data/prod"}
    found = tree.rendered()
    (task,) = found[f"{LAB}/kubepod_config.json"]["tasks"]
    assert task["conf"]["env_vars"] == {"MAXAI_DATA_ROOT": "s3://data/prod"}
    conf = found[f"{SHOP}/spark_config.json"]["conf"]
    assert conf["spark.kubernetes.driverEnv.MAXAI_DATA_ROOT"] == "s3://data/prod"
    assert conf["spark.executorEnv.MAXAI_DATA_ROOT"] == "s3://data/prod"


@pytest.mark.parametrize("as_list", [False, True])
def test_a_task_may_set_its_own_data_root(tree: Tree, as_list: bool) -> None:
    tree.deployment = {"data_root": "s3://data/prod"}
    own: Any = {"MAXAI_DATA_ROOT": "/mine"}
    if as_list:
        own = [{"name": "MAXAI_DATA_ROOT", "value": "/mine"}]
    tree.files[f"{LAB}/kubepod_config.json"] = pods(env_vars=own)
    (task,) = tree.rendered()[f"{LAB}/kubepod_config.json"]["tasks"]
    assert task["conf"]["env_vars"] == own
    other = [{"name": "OTHER", "value": "x"}]
    tree.files[f"{LAB}/kubepod_config.json"] = pods(env_vars=other)
    (task,) = tree.rendered()[f"{LAB}/kubepod_config.json"]["tasks"]
    added = {"name": "MAXAI_DATA_ROOT", "value": "s3://data/prod"}
    assert task["conf"]["env_vars"] == [*other, added]


def test_a_deployment_may_carry_only_some_domains(tree: Tree) -> None:
    tree.deployment = {"domains": ("shop",), "paused": True}
    found = tree.rendered()
    assert sorted(found) == [
        "maxaiconfigs/deployment.json",
        f"{SHOP}/first/py_config.json",
        f"{SHOP}/spark_config.json",
    ]
    assert found["maxaiconfigs/deployment.json"]["paused"] is True


def test_an_unknown_domain_is_reported(tree: Tree) -> None:
    tree.deployment = {"domains": ("shpo",)}
    expected = "BUILD, //:prod: domain 'shpo' does not exist; did you mean shop?"
    assert tree.error() == expected


def test_a_typo_in_an_overlay_is_reported(tree: Tree) -> None:
    tree.files[f"{LAB}/first/py_config.prod.json"] = {"measrue": None}
    assert "py_config.prod.json: $.measrue is missing in py_config.json" in tree.error()
