"""Tests of the selection suite's arithmetic and of its model."""

from pathlib import Path

import pytest

from selection_suite.cases import CASES
from selection_suite.clone import Clone
from selection_suite.model import Model
from selection_suite.outcome import Share, by_paths, generator

FILES = {
    "maxaiusecases/shop/Dockerfile": "",
    "maxaiusecases/shop/requirements.txt": "",
    "maxaiusecases/shop/requirements.lock": "",
    "maxaiusecases/shop/image_test.py": "",
    "maxaiusecases/shop/churn/handlers/score.py": "import maxairesources.errors",
    "maxaiusecases/shop/churn/handlers/score_test.py": "",
    "maxairesources/errors.py": "",
    "maxairesources/unused.py": "",
    "maxaiconfigs/shop/churn/kubepod_config.json": '{"image": "maxai/shop"}',
    "maxaiconfigs/shop/churn/leavers/py_config.json": "{}",
    "maxaidags/shop/churn/leavers/dag.py": "",
    "maxaidags/shop/churn/leavers/dag_test.py": "",
    "maxaidags/shop/churn/leavers/run_test.py": "",
}
IMAGE = "maxaiusecases/shop:image"
IMAGE_TEST = "maxaiusecases/shop/image_test.py:tests"
DAG_TEST = "maxaidags/shop/churn/leavers/dag_test.py:tests"
RUN_TEST = "maxaidags/shop/churn/leavers/run_test.py:tests"
HANDLER_TEST = "maxaiusecases/shop/churn/handlers/score_test.py:tests"


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    (tmp_path / "root").mkdir()
    clone = Clone.__new__(Clone)
    clone.folder = tmp_path / "root"
    clone.git("init", "--quiet")
    for path, content in FILES.items():
        clone.write(path, content)
    clone.commit("Base")
    return clone


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("maxaiusecases/shop/Dockerfile", {IMAGE, IMAGE_TEST, RUN_TEST}),
        (
            "maxaiusecases/shop/requirements.lock",
            {IMAGE, IMAGE_TEST, RUN_TEST, HANDLER_TEST},
        ),
        ("maxaiusecases/shop/churn/handlers/score_test.py", {HANDLER_TEST}),
        ("maxairesources/errors.py", {IMAGE, IMAGE_TEST, RUN_TEST}),
        ("maxairesources/unused.py", set()),
        ("maxaiconfigs/shop/churn/leavers/py_config.json", {DAG_TEST, RUN_TEST}),
        ("maxaidags/shop/churn/leavers/dag.py", {DAG_TEST, RUN_TEST}),
    ],
)
def test_a_change_affects_the_images_and_tests_that_use_the_file(
    clone: Clone, path: str, expected: set[str]
) -> None:
    model = Model(clone, [])
    before = model.digests()
    clone.append(path, "\n")
    clone.commit("Change")
    after = model.digests()
    assert {each for each in after if before[each] != after[each]} == expected


def test_the_path_filter_selects_by_folders() -> None:
    known = [IMAGE, IMAGE_TEST, DAG_TEST, "build-support:local_test"]
    assert by_paths(["maxaiconfigs/shop/churn/a.json"], known) == {
        IMAGE_TEST,
        DAG_TEST,
    }
    assert by_paths(["maxairesources/unused.py"], known) == {*known[:3]}
    assert by_paths(["build-support/setup", "pants.toml"], known) == set()


def test_selecting_nothing_for_no_effect_is_exact() -> None:
    assert (Share().recall, Share().over) == (1, 1)
    assert Share(selected=1).over == float("inf")
    assert Share(affected=2, selected=3, hit=1).recall == 0.5


def test_the_generator_of_an_address_is_found() -> None:
    assert generator("a/b_test.py:tests@resolve=c") == "a:tests@resolve=c"
    assert generator("a:image") == "a:image"


def test_each_case_has_its_own_name() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len({*names})
