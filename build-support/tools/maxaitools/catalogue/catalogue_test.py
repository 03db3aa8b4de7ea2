"""Tests of the catalogue, as a site of files, with a marketplace of two domains."""

import json
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from maxaitools.catalogue.__main__ import main
from maxaitools.catalogue.live import read_live
from maxaitools.catalogue.pictures import Node, draw, make_graph
from maxaitools.catalogue.read_code import read_dag, read_handler
from maxaitools.catalogue.sources import Marketplace
from maxaitools.catalogue.site import build_site, render_readme
from maxaitools.deployments import process

# It would run, or be a link, if anything of it were not text.
EVIL = '<script>alert(1)</script> [x](javascript:alert(1)) {{ x }} <img src=x onerror=a> "\\N'
DAG = f'''\
"""{EVIL.replace(chr(92), chr(92) * 2)}"""
from maxairesources.dagfactory import DAGFactory

factory = DAGFactory(schedule_interval="0 6 * * *")
factory.add("score", "KubernetesPodOperator", ["root"])
factory.add(task_id={EVIL!r}, operator="EmptyOperator", parent=["score"])
dag = factory.create_dag()
'''
HANDLER = '''\
"""Score the clients.

    One paragraph.

Another one.
"""
class Arguments(task.Arguments):
    """The arguments.

    Attributes:
        limit: the most clients
            to score.
    """

    limit: task.Count = 5
'''


def git(*arguments: str, stdin: str = "") -> str:
    who = ("-c", "user.name=Ann <b>", "-c", "user.email=ann@x")
    return process.git(*who, *arguments, stdin=stdin.encode())


def port(path: str | None) -> dict[str, Any]:
    details = {"source": "file", "fileFormat": "csv", "filePath": path}
    return {"port": 1, "type": "pandas", "sourceDetails": details}


def write(path: str, content: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def py_config(reads: str | None, writes: str | None) -> dict[str, Any]:
    ports = {"input": [port(reads)], "output": [port(writes)]}
    return {"score": {**ports, "function": {"args": {"limit": 3, EVIL: EVIL}}}}


@pytest.fixture(autouse=True)
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a clone of a marketplace where shop reads what bank writes."""
    monkeypatch.chdir(tmp_path)
    deployments = (
        '[deployments.dev]\nregistry = "r"\n[deployments.prod]\nregistry = "r"\n'
    )
    write("marketplace.toml", f'prefix = "example.com/ai"\n{deployments}')
    limits = {"container_resources": {"limits": {"cpu": 1}}}
    for domain in ("bank", "shop"):
        configs, usecase = f"maxaiconfigs/{domain}/risk", f"maxaiusecases/{domain}"
        handler = f"maxaiusecases.{domain}.risk.handlers.score"
        task = {"id": 1, "name": "score", "conf": {"arguments": [handler]}}
        write(f"{configs}/kubepod_config.json", {"conf": limits, "tasks": [task]})
        write(f"maxaidags/{domain}/risk/daily/dag.py", DAG)
        write(f"maxaidags/{domain}/risk/daily/dag_test.py", "")
        write(f"{usecase}/risk/handlers/score.py", HANDLER)
        write(f"{usecase}/requirements.txt", "Pandas>=2\nno_lock\n")
        write(f"{usecase}/requirements.lock", "pandas==2.3.1 \\\n")
        write(f"{usecase}/README.md", f"# {domain}\n\n{EVIL}\n")
    bank, shop = (f"maxaiconfigs/{each}/risk/daily" for each in ("bank", "shop"))
    write(f"{bank}/py_config.json", py_config("in.csv", "bank/out.csv"))
    overlay = {"score": {"function": {"args": {"limit": 9}}}}
    write(f"{bank}/py_config.prod.json", overlay)
    write(f"{shop}/py_config.json", py_config("bank/out.csv", EVIL))
    write("maxaiconfigs/bank/domain.json", {"owners": {"@bank/team": []}})
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message=First")
    return tmp_path


def deploy(source: str, reason: str = EVIL, **more: Any) -> None:
    """Make a commit of all sources live in dev."""
    image = {"tag": "t1", "digest": "sha256:d1"}
    record: dict[str, Any] = {"name": "dev", "release": "1" * 40, "registry": "r"}
    record |= {"source": {"commit": source}, "images": {"bank": image}, **more}
    write("deployment.json", record)
    git("add", ".")
    tip = git("for-each-ref", "--format=%(objectname)", "refs/remotes/deployments/dev")
    parents = ["-p", tip] if tip else []
    message = f"Deploy\n\nAction: deploy\nRelease: {'1' * 40}\nReason: {reason}\n"
    message += f"Source-Commit: {source}\nFrom: staging {source}\n"
    commit = git("commit-tree", git("write-tree"), *parents, stdin=message)
    git("update-ref", "refs/remotes/deployments/dev", commit)
    git("rm", "--quiet", "--cached", "deployment.json")
    Path("deployment.json").unlink()


def build(folder: str = "site") -> Path:
    market = Marketplace()
    build_site(market, read_live(market.deployments), Path(folder).absolute())
    return Path(folder)


class Page(HTMLParser):
    """The text, the links and the ids of a page of the site."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file, self.pieces = file, [""]
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(file.read_text())
        self.text = " ".join(" ".join(self.pieces).split())
        self.ids = {attributes.get("id") for _, attributes in self.tags}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    def links(self) -> Iterator[str]:
        for _, attributes in self.tags:
            for key in ("href", "src"):
                yield attributes.get(key) or ""


def pages(site: Path) -> dict[str, Page]:
    return {f.name: Page(f) for f in site.glob("*.html") if f.name != "404.html"}


def test_content_is_shown_as_text_and_never_runs() -> None:
    deploy(git("rev-parse", "HEAD"))
    write(f"maxaidags/bank/risk/{EVIL.replace('/', '')}/dag.py", DAG)
    site = build()
    for path, page in pages(site).items():
        scripts = [each for tag, each in page.tags if tag == "script"]
        # Those of the theme: its settings, its bundle and four lines inline.
        assert len(scripts) <= 6, path
        for tag, attributes in page.tags:
            assert not [key for key in attributes if key.startswith("on")], (path, tag)
            assert tag != "img", path
        assert not any(link.startswith("javascript:") for link in page.links()), path
    shown = pages(site)["bank.risk.daily.html"].text
    assert shown.count("<script>alert(1)</script> [x](javascript:alert(1)) {{ x }}") > 4
    assert EVIL.split("[")[0] in pages(site)["domain.bank.html"].text
    assert EVIL in pages(site)["deployment.dev.html"].text
    assert "has a name that is not valid" in pages(site)["index.html"].text
    for entry in json.loads((site / "search/search_index.json").read_text())["docs"]:
        text = entry["title"] + entry["text"]
        assert not re.search(r"<(?!/?(p|code|pre|li|ol|ul)>)", text)


def test_each_link_leads_to_a_page_or_a_heading_and_none_to_another_host() -> None:
    deploy(git("rev-parse", "HEAD"))
    without_dag = "maxaiconfigs/lab/risk/daily/py_config.json"
    write(without_dag, py_config("bank/out.csv", "lab/out.csv"))
    site = build()
    found = pages(site)
    for path, page in found.items():
        for link in filter(None, page.links()):
            parts = urlsplit(link)
            assert not parts.netloc and not parts.scheme, (path, link)
            target = unquote(parts.path) or path
            assert Path(site, target).is_file(), (path, link)
            if parts.fragment and not parts.fragment.startswith("__"):
                assert unquote(parts.fragment) in found[target].ids, (path, link)


def test_the_same_sources_give_the_same_bytes() -> None:
    deploy(git("rev-parse", "HEAD"))
    build("one")
    build("other")
    subprocess.run(["diff", "-r", "one", "other"], check=True)


def test_an_objective_shows_its_tasks_data_owners_and_deployments() -> None:
    deploy(git("rev-parse", "HEAD"))
    found = pages(build())
    bank = found["bank.risk.daily.html"].text
    for part in (
        "bank.risk.daily",
        "Schedule 0 6 * * *",
        "Owners @bank/team",
        "In dev since 20",
        "score KubernetesPodOperator – score.py",
        "Handler: maxaiusecases/bank/risk/handlers/score.py",
        "Score the clients. One",
        "limit task.Count 5 the most clients to score.",
        "limit 3 same 9",
        "container_resources.limits.cpu 1 same same",
        "shop/risk/daily reads bank/out.csv",
        "output 1 bank/out.csv pandas, csv shop/risk/daily: score",
        "maxaidags/bank/risk/daily/dag_test.py",
        "In prod no branch here",
    ):
        assert part in bank, part
    assert "\n\nAnother one." in found["bank.risk.daily.html"].file.read_text()
    shop = found["shop.risk.daily.html"].text
    assert "maxaiconfigs/shop/domain.json names none" in shop
    assert "bank/risk/daily writes bank/out.csv" in shop
    domain = found["domain.bank.html"].text
    assert "pandas 2.3.1" in domain and "no-lock not locked" in domain
    lineage = found["lineage.html"].text
    assert "bank/risk/daily bank/out.csv shop/risk/daily" in lineage
    assert "in.csv bank/risk/daily" in lineage


def test_a_deployment_shows_what_is_live_and_how_it_differs() -> None:
    for number in range(12):
        deploy(git("rev-parse", "HEAD"), f"number {number}")
    write("maxaidags/bank/risk/daily/dag.py", DAG + "# changed\n")
    write("maxaidags/bank/risk/daily/dag_test.py", "# changed\n")
    page = pages(build())["deployment.dev.html"].text
    assert "by Ann b" in page and "number 11" in page and "number 2" in page
    source = git("rev-parse", "HEAD")[:12]
    assert f"staging {source} {source} number 11" in page
    assert "number 1 " not in page
    fetched, origin = "refs/remotes/deployments/dev", "refs/remotes/origin/deploy/dev"
    newest, before, *_ = git("log", "-2", "--format=%H", fetched).split()
    for one, two in ((before, newest), (newest, before)):
        git("update-ref", fetched, one)
        git("update-ref", origin, two)
        assert read_live(["dev"])["dev"].entries[0].commit == newest
    git("update-ref", "-d", origin)
    write(".git/shallow", f"{newest}\n")
    assert read_live(["dev"])["dev"].deployed["bank/risk/daily"].endswith("or before")
    Path(".git/shallow").unlink()
    assert "bank t1 sha256:d1" in page
    assert "deleted): 1." in page and "M maxaidags/bank/risk/daily/dag.py" in page
    other = {"commit": "0" * 40, "clean": False}
    deploy(git("rev-parse", "HEAD"), domains={"bank": other})
    live = git("cat-file", "commit", "deployments/dev")
    odd = re.sub(r"(\d+) [+]0000\n", r"\1 +9999\n", live)
    write_commit = ("hash-object", "-w", "-t", "commit", "--literally", "--stdin")
    commit = git(*write_commit, stdin=f"{odd}\n")
    git("update-ref", "refs/remotes/deployments/dev", commit)
    page = pages(build())["deployment.dev.html"].text
    assert "Live since unknown, by Ann b" in page
    assert "lacks the source commit" in page and "deleted): " not in page
    assert f"Source of bank {'0' * 40} , with files that were not committed" in page


def test_a_marketplace_without_anything_has_pages_that_say_so(tmp_path: Path) -> None:
    for tree in ("maxaidags", "maxaiconfigs", "maxaiusecases", ".git"):
        subprocess.run(["rm", "-r", tree], check=True)
    found = pages(build())
    assert "no usecase yet" in found["index.html"].text
    assert "No objective reads" in found["lineage.html"].text
    assert "cannot be read" in found["deployment.prod.html"].text


def test_what_is_wrong_is_a_line_on_a_page() -> None:
    write("maxaiconfigs/bank/risk/kubepod_config.json", "{")
    write("maxaiconfigs/shop/risk/daily/py_config.json", py_config(None, "../x.csv"))
    write("maxaidags/shop/risk/daily/dag.py", "def (")
    write("maxaiconfigs/shop/risk/other/py_config.json/x", "")
    write("maxaidags/shop/risk/other/dag.py", "")
    Path("maxaiusecases/shop/README.md").unlink()
    Path("maxaiusecases/shop/README.md").symlink_to("/etc/hostname")
    write("maxaiusecases/Live/requirements.txt", "")
    write("maxaiconfigs/bank/new/daily/py_config.json", py_config("../x.csv", "\0"))
    write("maxaidags/bank/new/daily/dag.py", '"\\ud800"; f = DAGFactory("new.bank")')
    other = git("commit-tree", "HEAD^{tree}", "-m", "x")
    git("update-ref", "refs/remotes/deployments/dev", other)
    found = pages(build())
    for path in ("index.html", "bank.risk.daily.html"):
        assert "kubepod_config.json: is not valid JSON" in found[path].text
    assert "score KubernetesPodOperator" in found["bank.risk.daily.html"].text
    assert "Live/requirements.txt: has a name that is not" in found["index.html"].text
    assert "Is a directory" in found["shop.risk.other.html"].text
    assert "The domain has no README." in found["domain.shop.html"].text
    shop = found["shop.risk.daily.html"].text
    assert "filePath is null; it should be a valid string" in shop
    other = found["bank.new.daily.html"].text
    assert "../x.csv outside the data root" in other and "new.bank" in other
    assert "see dag.py" in shop
    assert "deployment.json" in found["deployment.dev.html"].text


def test_a_folder_that_cannot_be_written_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["catalogue", "--package", ".", "marketplace.toml"])
    assert main() == 1
    assert re.fullmatch("error: .*marketplace.toml'\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("code", "schedule", "parents", "is_complete"),
    [
        ("", "none", [], True),
        ("schedule=after('a/b/c')", "after('a/b/c')", [], True),
        ("schedule=TIMETABLE", "TIMETABLE", [], True),
        ("**options", "see dag.py", [], True),
        ("'a', 'b', 'c', 'd', '@daily'", "@daily", [], True),
        ("\nf.add('b', Op, ['a'])", "none", ["a"], True),
        ("\nf.add('b', Op, [*ids])", "none", None, False),
        ("\nf.add('b', Op, 'ids')", "none", None, False),
        ("\nfor n in 'b': f.add(n, Op, ['a'])", "none", "missing", False),
        ("\nbuild(f)", "none", "missing", False),
        ("\nx = f.add('b', Op, ['root'])\nx >> y", "none", [], False),
        ("\nSensor(dag=f.dag)", "none", "missing", False),
    ],
)
def test_what_only_running_would_show_is_not_guessed(
    code: str, schedule: str, parents: Any, is_complete: bool
) -> None:
    arguments, _, rest = code.partition("\n")
    source = f"f = DAGFactory({arguments})\nf.add('a', 'EmptyOperator', ['root'])\n{rest}\ndag = f.create_dag()"
    dag = read_dag(source)
    assert (dag.schedule, dag.is_complete) == (schedule, is_complete)
    if rest and parents != "missing":
        assert dag.steps["b"].parents == parents


def test_a_factory_has_a_name_or_is_not_read() -> None:
    add = "DAGFactory()\nf.add('a', 'EmptyOperator', ['root'])"
    assert list(read_dag(f"f: DAGFactory = {add}").steps) == ["a"]
    assert not read_dag(f"x.f = {add}").is_complete


def test_a_handler_without_arguments_has_none() -> None:
    assert read_handler("x = 1").arguments == read_handler("(").arguments == {}


def test_a_readme_keeps_links_to_websites_only() -> None:
    text = "[a](../bank/README.md) [b](https://x.org) [c](docs/x.md) ![d](https://x.org/i.png) <https://y.org>\n\n```\n<b>\n```"
    html = render_readme(text)
    assert re.findall('href="(.*?)"', html) == ["https://x.org", "https://y.org"]
    assert "<img" not in html and "c" in html and "&lt;b&gt;" in html


def test_a_picture_shows_labels_as_they_are_and_is_not_too_large() -> None:
    label = 'a "b" \\N <c> &lt; é'
    node = Node(label, "", "task")
    nodes = {str(number): node for number in range(40)}
    dense = make_graph(nodes, [(one, two) for one in nodes for two in nodes])
    graphs = [dense, make_graph({"x": node}, [("x", "y")])]
    empty, svg = draw(graphs)
    assert (
        not empty
        and "a &quot;b&quot; \\N &lt;c&gt; &amp;lt; é" in svg
        and "->" not in svg
    )
