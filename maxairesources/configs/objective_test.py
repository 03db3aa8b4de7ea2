import copy
import json
from pathlib import Path
from typing import Any

import json_merge_patch
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maxairesources.configs.objective import (
    Launch,
    read_objective,
    to_argument,
)
from maxairesources.deployed import Deployed
from maxairesources.errors import InputError
from maxairesources.launches import merge

# How long an example takes is a matter of the machine.
_SLOW = HealthCheck.too_slow
settings.register_profile("untimed", deadline=None, suppress_health_check=[_SLOW])
settings.load_profile("untimed")

Json = dict[str, Any]

# The appendix of RFC 7386: what is patched, the patch, the result.
EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("base", "patch", "expected"), EXAMPLES)
def test_merge_is_that_of_rfc_7386(base: Any, patch: Any, expected: Any) -> None:
    # A config is an object, as `parse` sees to, so the examples of other values stand one
    # level down. A patch of null then removes the key.
    if isinstance(base, dict) and isinstance(patch, dict):
        assert merge(base, patch) == expected
    wrapped = {} if expected is None else {"x": expected}
    assert merge({"x": base}, {"x": patch}) == wrapped


def objects(*leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Return a strategy of JSON objects whose keys are few, so that they meet."""
    keys = st.sampled_from("abcd")
    return st.dictionaries(
        keys,
        st.recursive(
            st.one_of(st.booleans(), st.integers(), st.text("xy", max_size=2), *leaves),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=4,
    )


FULL = objects()
PATCHES = objects(st.none())


@given(PATCHES, PATCHES)
def test_merge_leaves_its_inputs_as_they_are(base: Json, patch: Json) -> None:
    before = copy.deepcopy((base, patch))
    merged = merge(base, patch)
    # Nor does a later change of the result reach them.
    for value in merged.values():
        if isinstance(value, (dict, list)):
            value.clear()
    assert (base, patch) == before


@given(PATCHES)
def test_merge_of_an_empty_patch_changes_nothing(base: Json) -> None:
    assert merge(base, {}) == base


@given(FULL, PATCHES)
def test_merge_twice_is_merge_once(base: Json, patch: Json) -> None:
    merged = merge(base, patch)
    assert merge(merged, patch) == merged


@given(FULL, FULL)
def test_merge_of_a_difference_gives_what_it_leads_to(old: Json, new: Json) -> None:
    assert merge(old, json_merge_patch.create_patch(old, new)) == new


@given(FULL, PATCHES)
def test_merge_takes_out_what_the_patch_removes_and_nothing_else(
    base: Json, patch: Json
) -> None:
    def check(base: Any, patch: Json, merged: Json) -> None:
        base = base if isinstance(base, dict) else {}
        removed = {key for key, value in patch.items() if value is None}
        assert merged.keys() == (base.keys() | patch.keys()) - removed
        for key, value in merged.items():
            if isinstance(patch.get(key), dict):
                check(base.get(key), patch[key], value)
            else:
                assert value == patch.get(key, base.get(key))

    check(base, patch, merge(base, patch))


DETAILS = {"source": "file", "fileFormat": "csv", "filePath": "a.csv"}
PORT = {"port": 1, "type": "pandas", "sourceDetails": DETAILS}
TASK: Json = {"input": [PORT], "output": [PORT], "function": {"args": {"seed": 7}}}
IMAGE = "spark.kubernetes.container.image"
SPARK = "maxaiconfigs/shop/loyalty/spark_config"
KUBEPOD = "maxaiconfigs/shop/loyalty/kubepod_config"
PY = "maxaiconfigs/shop/loyalty/churn/py_config"
FILES: dict[str, Any] = {
    PY: {"$schema": "x", "features": TASK, "score": TASK},
    SPARK: {
        "conf": {IMAGE: "maxai/shop", "spark.executor.instances": 2},
        "tasks": [
            {"id": 1, "name": "features", "spark_submit_conf": {"application": "f.py"}}
        ],
    },
    KUBEPOD: {
        "tasks": [
            {
                "id": 2,
                "name": "score",
                "conf": {"image": "maxai/shop", "arguments": ["a.score"]},
            }
        ]
    },
}


class Tree:
    """A marketplace with the configs of one objective."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, data in FILES.items():
            self.write(f"{name}.json", data)

    def write(self, name: str, data: Any) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, bytes):
            path.write_bytes(data)
        else:
            path.write_text(json.dumps(data))

    def message(self, deployment: str | None = None) -> str:
        with pytest.raises(InputError) as error:
            self.read(deployment)
        return str(error.value)

    def read(self, deployment: str | None = None) -> Any:
        deployed = Deployed(deployment)
        return read_objective(self.root, "shop", "loyalty", "churn", deployed)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_configs_of_an_objective(tree: Tree) -> None:
    configs = tree.read()
    assert configs.py_config == {"features": TASK, "score": TASK}
    assert configs.py_config_file == f"{PY}.json"
    assert configs.launches == {
        "features": Launch(
            1,
            "SparkSubmitOperator",
            {"application": "f.py", "conf": FILES[SPARK]["conf"]},
            f"{SPARK}.json",
            "$.tasks[0].spark_submit_conf",
        ),
        "score": Launch(
            2,
            "KubernetesPodOperator",
            {"image": "maxai/shop", "arguments": ["a.score"]},
            f"{KUBEPOD}.json",
            "$.tasks[0].conf",
        ),
    }


def test_argument_is_the_py_config() -> None:
    assert json.loads(to_argument({"a": {"b": "é\n"}})) == {"a": {"b": "é\n"}}


def test_conf_of_a_task_overrides_the_common_one_key_by_key(tree: Tree) -> None:
    data = copy.deepcopy(FILES[SPARK])
    data["tasks"][0]["spark_submit_conf"]["conf"] = {"spark.ui.port": 1}
    tree.write(f"{SPARK}.json", data)
    assert tree.read().launches["features"].arguments["conf"] == {
        IMAGE: "maxai/shop",
        "spark.executor.instances": 2,
        "spark.ui.port": 1,
    }


def test_overlays_are_those_of_the_deployment(tree: Tree) -> None:
    for name, count in (("dev", 1), ("prod", 9)):
        tree.write(
            f"{SPARK}.{name}.json", {"conf": {"spark.executor.instances": count}}
        )
    tree.write(f"{PY}.dev.json", {"score": {"function": {"args": {"seed": 8}}}})

    def values(deployment: str | None) -> tuple[Any, Any, Any]:
        configs = tree.read(deployment)
        conf = configs.launches["features"].arguments["conf"]
        args = configs.py_config["score"]["function"]["args"]
        return conf[IMAGE], conf["spark.executor.instances"], args["seed"]

    assert values(None) == ("maxai/shop", 2, 7)
    assert values("dev") == ("maxai/shop", 1, 8)
    assert values("prod") == ("maxai/shop", 9, 7)


def test_overlay_may_take_a_key_out(tree: Tree) -> None:
    tree.write(f"{SPARK}.dev.json", {"conf": {"spark.executor.instances": None}})
    conf = tree.read("dev").launches["features"].arguments["conf"]
    assert conf == {IMAGE: "maxai/shop"}


def test_usecase_may_launch_tasks_of_several_objectives(tree: Tree) -> None:
    data = copy.deepcopy(FILES[SPARK])
    data["tasks"].append({**data["tasks"][0], "id": 5, "name": "other"})
    tree.write(f"{SPARK}.json", data)
    tree.write("maxaiconfigs/shop/loyalty/second/py_config.json", {"other": TASK})
    assert [*tree.read().launches] == ["features", "other", "score"]


@pytest.mark.parametrize(
    ("overlay", "data", "expected"),
    [
        (
            SPARK,
            {"conf": None},
            f"{SPARK}.json with spark_config.dev.json: $.conf is mi",
        ),
        (
            SPARK,
            {"conf": {"spark.executor.core": 1}},
            "with spark_config.dev.json: $.conf: 'spark.executor.core'",
        ),
        (
            SPARK,
            {"conf": {"spark.executor.cores": "x"}},
            "with spark_config.dev.json: $.",
        ),
        (SPARK, {"tasks": []}, "with spark_config.dev.json: $.tasks is []; it should"),
        (
            SPARK,
            {"cnof": {}},
            "dev.json: $ has an unknown key 'cnof'; did you mean conf?",
        ),
        (
            SPARK,
            {"tasks": {"0": {}}},
            "with spark_config.dev.json: $.tasks is {'0': {}}",
        ),
        (
            SPARK,
            {"conf": {"spark.executor.instance": None}},
            f"{SPARK}.dev.json: $.conf['spark.executor.instance'] is missing in "
            "spark_config.json; did you mean spark.executor.instances?",
        ),
        (
            SPARK,
            [],
            f"{SPARK}.dev.json: is not a JSON object; put the content in braces",
        ),
        (SPARK, b"{", f"{SPARK}.dev.json: is not valid JSON (Expecting"),
        (SPARK, b'{"\xe9": 1}', f"{SPARK}.dev.json: is not UTF-8"),
        (
            KUBEPOD,
            {"tasks": None},
            "kubepod_config.json with kubepod_config.dev.json: $.",
        ),
        (
            PY,
            {"scores": {}},
            f"{PY}.json with py_config.dev.json: $.scores.input is miss",
        ),
        (
            PY,
            {"score": {"input": {}}},
            "with py_config.dev.json: $.score.input is {}; it",
        ),
        (
            PY,
            {"score": {"a": {"b": 1}}},
            "dev.json: $.score has an unknown key 'a'; use",
        ),
        (
            PY,
            {"socre": None},
            f"{PY}.dev.json: $.socre is missing in py_config.json; did you mean sco",
        ),
        (
            PY,
            {"score": {"function": {"args": {"seeds": 8}}}},
            f"{PY}.dev.json: $.score.function.args.seeds is missing in py_config.json; "
            "did you mean seed?",
        ),
    ],
)
def test_wrong_overlay_is_named(
    overlay: str, data: Any, expected: str, tree: Tree
) -> None:
    tree.write(f"{overlay}.dev.json", data)
    tree.write(f"{KUBEPOD}.prod.json", {})
    assert expected in tree.message("dev")
    tree.read("prod")


@pytest.mark.parametrize(
    ("file", "meant"),
    [
        (f"{SPARK}.Prod.json", "spark_config.prod.json"),
        (f"{SPARK}.prod.v2.json", "spark_config.prod.json"),
        (f"{SPARK}..json", "spark_config.json"),
        ("maxaiconfigs/shop/loyalty/spark_confg.prod.json", "spark_config.prod.json"),
        ("maxaiconfigs/shop/loyalty/py_config.prod.json", "kubepod_config.prod.json"),
        ("maxaiconfigs/shop/loyalty/sparkconfig.json", "spark_config.json"),
        ("maxaiconfigs/shop/loyalty/kubepods_config.json", "kubepod_config.json"),
        ("maxaiconfigs/shop/loyalty/churn/py_config.-dev.json", "py_config.dev.json"),
        ("maxaiconfigs/shop/loyalty/churn/pyconfig.json", "py_config.json"),
    ],
)
def test_file_that_nothing_would_read(file: str, meant: str, tree: Tree) -> None:
    for deployment in ("dev", "prod"):
        tree.write(f"maxaiconfigs/other/usecase/spark_config.{deployment}.json", {})
    tree.write(file, {})
    reported = tree.message()
    assert reported.startswith(
        f"{file}: is not the name of a config or an overlay; did you mean"
    )
    assert meant in reported


def test_task_with_two_launches(tree: Tree) -> None:
    data = copy.deepcopy(FILES[KUBEPOD])
    data["tasks"][0]["name"] = "features"
    tree.write(f"{KUBEPOD}.json", data)
    assert tree.message() == (
        f"{KUBEPOD}.json: task 'features' is in {SPARK}.json too; keep it in one of"
        " them"
    )


def test_usecase_without_launch_configs_has_no_launches(tree: Tree) -> None:
    for name in (SPARK, KUBEPOD):
        (tree.root / f"{name}.json").unlink()
    assert "no launch config has a task '" in tree.message()
    tree.write(f"{PY}.json", {})
    assert tree.read().launches == {}
    tree.write(f"{SPARK}.dev.json", {})
    assert tree.message().startswith(f"{SPARK}.json: cannot be read")


def test_task_that_no_launch_config_has(tree: Tree) -> None:
    tree.write(f"{PY}.json", {"features": TASK, "scroe": TASK})
    assert tree.message() == (
        f"{PY}.json: $.scroe: no launch config has a task 'scroe'; did you mean score?"
    )


def test_py_config_that_is_too_large_for_an_argument(tree: Tree) -> None:
    task = {**TASK, "function": {"args": {"a": "x" * 130_000}}}
    tree.write(f"{PY}.json", {"features": task, "score": TASK})
    tree.read()
    task["function"]["args"]["a"] += "x" * 2_000
    tree.write(f"{PY}.json", {"features": task, "score": TASK})
    reported = tree.message()
    assert reported.startswith(
        f"{PY}.json: has more than 128 KiB, too large for an argument"
    )


@pytest.mark.parametrize("name", [PY, SPARK, KUBEPOD])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is not valid JSON (Expecting value, line 1, column 1)"),
        (b"[]", "is not a JSON object; put the content in braces"),
        (b'{"caf\xe9": 1}', "is not UTF-8 (invalid continuation byte); save it as"),
        (b'{"a": 1, "a": 2}', "key 'a' is defined twice; remove one"),
    ],
)
def test_unusable_file_is_named(
    name: str, content: bytes, expected: str, tree: Tree
) -> None:
    tree.write(f"{name}.json", content)
    assert tree.message().startswith(f"{name}.json: {expected}")


def test_missing_py_config(tree: Tree) -> None:
    (tree.root / f"{PY}.json").unlink()
    assert tree.read().py_config == {}
    # An overlay needs a base.
    tree.write(f"{PY}.dev.json", {})
    start = f"{PY}.json: cannot be read (No such file or directory); add the file"
    assert tree.message() == start


def test_folder_in_place_of_a_config(tree: Tree) -> None:
    (tree.root / f"{PY}.json").unlink()
    (tree.root / f"{PY}.json").mkdir()
    assert tree.message().startswith(
        f"{PY}.json: cannot be read (Is a directory); make"
    )


def test_unusable_config_of_another_objective_does_not_matter(tree: Tree) -> None:
    before = tree.read()
    tree.write("maxaiconfigs/shop/loyalty/second/py_config.json", b"{")
    assert tree.read() == before
