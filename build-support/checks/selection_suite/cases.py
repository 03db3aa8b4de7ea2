"""The cases: changes with names, each a function that makes the change in a clone.

The suite commits the changes of an edit, unless the case excludes that.
"""

from collections.abc import Callable
from dataclasses import dataclass

from selection_suite.clone import TREES, Clone

Edit = Callable[[Clone], None]

# The suite makes these domains, so it needs none of those that exist. The cases edit the usecase,
# and rename or delete parts of its copy SPARE. Other handlers import MODEL; none imports SCORE.
DOMAIN, USECASE, OBJECTIVE = "suite_domain", "probe_usecase", "first_objective"
MODEL, SCORE = "probe_model.py", "score.py"
SPARE = "spare_usecase"
OTHER = "other_domain"

FOLDER = f"maxaiusecases/{DOMAIN}"
HANDLERS = f"{FOLDER}/{USECASE}/handlers"
SPARE_HANDLERS = f"{FOLDER}/{SPARE}/handlers"
OTHER_HANDLERS = f"maxaiusecases/{OTHER}/{USECASE}/handlers"
CONFIGS = f"maxaiconfigs/{DOMAIN}/{SPARE}"
PY_CONFIGS = f"{CONFIGS}/{OBJECTIVE}"
DAGS = f"maxaidags/{DOMAIN}/{SPARE}/{OBJECTIVE}"
OVERLAY = f"{CONFIGS}/kubepod_config.prod.json"


SAMPLE_DATA = '''\
"""Write the synthetic sample data of the domain into the folder of the first argument."""

import sys
from pathlib import Path

folder = Path(sys.argv[1])
folder.mkdir()
(folder / "rows.csv").write_text("id,value\\n1,1.5\\n")
'''


def make_domains(clone: Clone) -> None:
    """Create the two domains, each with one usecase."""
    usecase = (USECASE, "--objective", OBJECTIVE, "--operator", "kubepod")
    for domain in (DOMAIN, OTHER):
        clone.make("domain", domain)
        handlers = ("--handler", SCORE.removesuffix(".py"), "--handler", "publish")
        clone.make("usecase", domain, *usecase, *handlers)
    clone.write(f"{HANDLERS}/{MODEL}", "LOWEST = 1.0\n")
    module = f"{HANDLERS}/{MODEL[:-3]}".replace("/", ".")
    for file in (SCORE, f"{SCORE[:-3]}_test.py"):
        clone.append(f"{HANDLERS}/{file}", f"import {module}  # noqa: F401\n")
    clone.write(f"{FOLDER}/sample_data.py", SAMPLE_DATA)
    clone.append(f"{FOLDER}/BUILD", "\nsample_data()\n")
    clone.replace(
        f"{HANDLERS}/BUILD",
        'name="tests"',
        f'name="tests", dependencies=["//{FOLDER}:sample_data"]',
    )


def prepare(clone: Clone) -> None:
    """Write the files into the base that cases change or delete."""
    copy_usecase(clone, SPARE)
    clone.write(f"{SPARE_HANDLERS}/__init__.py", '"""Not empty."""\n')
    clone.write(f"{SPARE_HANDLERS}/two words.py", "VALUE = 1\n")
    clone.write(OVERLAY, "{}\n")
    clone.write(f"{PY_CONFIGS}/py_config.prod.json", "{}\n")
    clone.append(f"{FOLDER}/Dockerfile", "ARG note=one\n")


def copy_usecase(clone: Clone, name: str) -> None:
    clone.copy(f"{DOMAIN}/{USECASE}/", f"{DOMAIN}/{name}/", USECASE, name)


def copy_domains(clone: Clone, names: list[str]) -> None:
    """Copy a domain under other names, and add the copies to the lists of domains."""
    for name in names:
        clone.copy(f"{DOMAIN}/", f"{name}/", DOMAIN, name)
    first = "# One for each domain.\n"
    locks = [f'{name} = "maxaiusecases/{name}/requirements.lock"\n' for name in names]
    clone.replace("pants.toml", first, first + "".join(locks))
    listed = "".join(f'"{name}", ' for name in names)
    clone.replace("build-support/macros.py", "\nDOMAINS = (", f"\nDOMAINS = ({listed}")


def append(path: str, line: str = "# One more line.\n") -> Edit:
    return lambda clone: clone.append(path, line)


def write(path: str, content: str) -> Edit:
    return lambda clone: clone.write(path, content)


def replace(path: str, old: str, new: str) -> Edit:
    return lambda clone: clone.replace(path, old, new)


def remove(*paths: str) -> Edit:
    return lambda clone: clone.remove(*paths)


def move(old: str, new: str) -> Edit:
    return lambda clone: clone.move(old, new)


def add_handler(clone: Clone) -> None:
    clone.write(f"{HANDLERS}/added.py", "VALUE = 1\n")
    module = f"{HANDLERS}/added".replace("/", ".")
    clone.write(f"{HANDLERS}/added_test.py", f"import {module}  # noqa: F401\n")


def rename_imported_handler(clone: Clone) -> None:
    for path in clone.files(SPARE_HANDLERS):
        clone.write(path, clone.read(path).replace(MODEL[:-3], "renamed"))
    clone.move(f"{SPARE_HANDLERS}/{MODEL}", f"{SPARE_HANDLERS}/renamed.py")


def rename_usecase(clone: Clone) -> None:
    clone.copy(f"{DOMAIN}/{SPARE}/", f"{DOMAIN}/renamed/", SPARE, "renamed")
    clone.remove(*ALL_TREES)


def rename_objective(clone: Clone) -> None:
    folder = f"{DOMAIN}/{SPARE}"
    clone.copy(f"{folder}/{OBJECTIVE}/", f"{folder}/renamed/", OBJECTIVE, "renamed")
    clone.remove(DAGS, PY_CONFIGS)


def delete_tool_test(clone: Clone) -> None:
    clone.remove("build-support/checks/pytest_lock_test.py")
    clone.replace("build-support/checks/BUILD", TOOL_TEST, "")


def make_executable(clone: Clone) -> None:
    (clone.folder / HANDLERS / SCORE).chmod(0o755)


def give_two_owners(clone: Clone) -> None:
    target = f'python_source(name="again", source="{MODEL}")\n'
    clone.append(f"{HANDLERS}/BUILD", target)


def change_and_revert(clone: Clone) -> None:
    clone.append(f"{HANDLERS}/{MODEL}", "LAST = 1\n")
    clone.commit("Change")
    clone.git("revert", "--no-edit", "HEAD")


def commit_beside(clone: Clone, path: str) -> None:
    """Commit a change on the branch `side`, and return to the base."""
    clone.git("checkout", "--quiet", "-B", "side")
    clone.append(path, "LAST = 1\n")
    clone.commit("Side")
    clone.git("checkout", "--quiet", "case")


def merge(clone: Clone) -> None:
    commit_beside(clone, f"{HANDLERS}/{SCORE}")
    clone.append(f"{DAGS}/dag.py", "LAST = 1\n")
    clone.commit("Case")
    clone.git("merge", "--quiet", "--no-edit", "side")


def move_base_on(clone: Clone) -> None:
    commit_beside(clone, "maxairesources/errors.py")
    clone.append(f"{HANDLERS}/{SCORE}", "LAST = 1\n")
    clone.since = "side"


def leave_uncommitted(clone: Clone) -> None:
    clone.append(f"{HANDLERS}/{SCORE}", "LAST = 1\n")
    clone.append(f"{DAGS}/dag.py", "LAST = 1\n")
    clone.git("add", DAGS)
    clone.write(f"{OTHER_HANDLERS}/untracked.py", "VALUE = 1\n")


def cut_history(clone: Clone) -> None:
    clone.append(f"{HANDLERS}/{SCORE}", "LAST = 1\n")
    clone.commit("Change")
    clone.cut_history()


@dataclass(frozen=True)
class Case:
    """A change and the expectations about it.

    Attributes:
        name: its name.
        edit: the function that makes the change.
        apart: if true, Pants may select more than is affected; the surplus is only reported.
        error: a part of the error that Pants must print instead of a selection.
        nothing: if true, the change must affect no image and no test; else it must affect one.
        commit: if true, the suite commits the change.
        sample: if true, the case also runs in a generated marketplace.
    """

    name: str
    edit: Edit
    apart: bool = False
    error: str = ""
    nothing: bool = False
    commit: bool = True
    sample: bool = False


IMPORT = "import importlib\n\nimportlib.import_module('probe_model')\n"
ALL_TREES = [f"{tree}/{DOMAIN}/{SPARE}" for tree in TREES]
TOOL_TEST = """\
python_test(
    name="pytest_lock_test",
    source="pytest_lock_test.py",
    dependencies=["//3rdparty/python:resolves"],
)
"""
ROWS = ("1,1.5", "1,2.5")
GONE = [f"{SPARE_HANDLERS}/{SCORE}", f"{SPARE_HANDLERS}/{SCORE[:-3]}_test.py"]
IN_OTHER = f"{OTHER_HANDLERS}/two words.py"
LIBRARY, STORE = "maxairesources", "maxairesources/configs"
SPARK = f"{LIBRARY}/utilities/spark_connectors.py"
PY_OVERLAY = f"{PY_CONFIGS}/py_config.prod.json"
PLUGIN = "build-support/pants-plugins/marketplace/register.py"
QUIET = ('"--no-header", "-q"', '"--no-header", "-q", "-x"')

CASES = (
    # Handlers.
    Case("edit handler", append(f"{HANDLERS}/{SCORE}", "LAST = 1\n"), sample=True),
    Case("edit imported handler", append(f"{HANDLERS}/{MODEL}"), sample=True),
    Case("add handler", add_handler, sample=True),
    Case("delete handler and test", remove(*GONE), sample=True),
    Case("rename imported handler", rename_imported_handler),
    Case("handler to another domain", move(f"{SPARE_HANDLERS}/two words.py", IN_OTHER)),
    Case("empty __init__.py", write(f"{SPARE_HANDLERS}/__init__.py", "")),
    Case("comment in handler", append(f"{HANDLERS}/{SCORE}")),
    Case("mode of handler", make_executable),
    Case("handler with space in name", append(f"{SPARE_HANDLERS}/two words.py")),
    Case("dynamic import", append(f"{HANDLERS}/{SCORE}", IMPORT), error="cannot see"),
    Case("module with two owners", give_two_owners, error="has two owners"),
    # Tests.
    Case("comment in test", append(f"{HANDLERS}/{SCORE[:-3]}_test.py")),
    Case("delete __init__", remove(f"{HANDLERS}/__init__.py")),
    Case("delete test", remove(GONE[1]), nothing=True),
    Case("image test only", append(f"{FOLDER}/image_test.py"), sample=True),
    Case("library of tests", append(f"{LIBRARY}/testing/handlers.py")),
    Case("delete test of a tool", delete_tool_test, apart=True),
    Case("sample data", replace(f"{FOLDER}/sample_data.py", *ROWS)),
    Case("config of pytest", write("pytest.ini", "[pytest]\n"), nothing=True),
    # Configs and DAGs.
    Case("launch config", append(f"{CONFIGS}/kubepod_config.json", "\n"), sample=True),
    Case("py_config", append(f"{PY_CONFIGS}/py_config.json", "\n"), sample=True),
    Case("overlay", append(OVERLAY, "\n")),
    Case("delete overlay", remove(OVERLAY), sample=True),
    Case("rename overlay", move(OVERLAY, OVERLAY.replace("prod", "dev"))),
    Case("rename py_config's", move(PY_OVERLAY, PY_OVERLAY.replace("prod", "dev"))),
    Case("delete py_config", remove(f"{PY_CONFIGS}/py_config.json")),
    Case(
        "config names another image",
        replace(f"{CONFIGS}/kubepod_config.json", f"maxai/{DOMAIN}", f"maxai/{OTHER}"),
        error="dependency violation",
    ),
    Case("edit DAG", append(f"{DAGS}/dag.py"), sample=True),
    # The BUILD file stays, but has no source any more.
    Case("delete DAG alone", remove(f"{DAGS}/dag.py"), error="Unmatched globs"),
    Case("delete objective", remove(DAGS, PY_CONFIGS)),
    Case("rename objective", rename_objective),
    Case("delete usecase", remove(*ALL_TREES), sample=True),
    Case("rename usecase", rename_usecase, sample=True),
    Case(
        "add usecase", lambda clone: copy_usecase(clone, "added_usecase"), sample=True
    ),
    # The run-time library.
    Case("library of all handlers", append(f"{LIBRARY}/errors.py"), sample=True),
    Case("library of Spark's handlers", append(SPARK), sample=True),
    Case("library of DAGs only", append(f"{LIBRARY}/dagfactory.py"), sample=True),
    Case("resource of the library", append(f"{STORE}/spark_keys.json", "\n")),
    # The files of a domain's image.
    Case("Dockerfile", append(f"{FOLDER}/Dockerfile"), sample=True),
    Case("Dockerfile's ARG", replace(f"{FOLDER}/Dockerfile", "note=one", "note=two")),
    Case("comment in requirements", append(f"{FOLDER}/requirements.txt"), apart=True),
    Case("comment in lock", append(f"{FOLDER}/requirements.lock"), apart=True),
    Case(
        "bound of a requirement",
        replace(f"{FOLDER}/requirements.txt", "pandas>=2.2", "pandas>=2.1"),
        apart=True,
    ),
    Case("data beside handlers", write(f"{HANDLERS}/table.csv", "a\n1\n")),
    Case("data below handlers", write(f"{HANDLERS}/sql/read.sql", "SELECT 1\n")),
    Case("data beside DAG", write(f"{DAGS}/load.sql", "SELECT 1\n")),
    Case("README", append(f"{FOLDER}/README.md"), nothing=True),
    Case("delete README", remove(f"{FOLDER}/README.md"), nothing=True),
    Case("setup.py", append(f"{FOLDER}/setup.py"), nothing=True),
    Case("new domain", lambda clone: copy_domains(clone, ["added_domain"])),
    # Files that everything depends on.
    Case("comment in BUILD file", append(f"{HANDLERS}/BUILD"), apart=True),
    Case("configs without target", write(f"{PY_CONFIGS}/BUILD", ""), apart=True),
    Case("handlers without target", write(f"{HANDLERS}/BUILD", ""), apart=True),
    Case(
        "defaults in BUILD file",
        replace("maxaidags/BUILD", '["PATH"]', '["HOME", "PATH"]'),
        apart=True,
    ),
    Case("comment in pants.toml", append("pants.toml"), apart=True),
    Case("option in pants.toml", replace("pants.toml", *QUIET), apart=True),
    Case("lock of a tool", append("3rdparty/python/black.lock"), apart=True),
    Case("launcher", append("pants"), apart=True),
    Case("plugin", append(PLUGIN), apart=True),
    Case("base image", append("build-support/images/recipe.sh"), apart=True),
    # Files that nothing depends on, and other states of the clone.
    Case("workflow only", append(".github/workflows/main.yml"), nothing=True),
    Case("change and revert", change_and_revert, nothing=True, sample=True),
    Case("merge commit", merge),
    Case("base moved on", move_base_on),
    Case("uncommitted, untracked", leave_uncommitted, commit=False),
    Case("shallow clone", cut_history, error="this shallow clone"),
)
