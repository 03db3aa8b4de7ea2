"""Makes the pages of the catalogue, and builds the site with mkdocs-material."""

import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import markdown
import nh3
from markupsafe import Markup
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import BasePlugin
from mkdocs.structure.files import File, Files
from mkdocs.structure.toc import get_toc

from maxairesources.settings import repository_of
from maxairesources.tree import USECASES
from maxaitools.catalogue.live import Live
from maxaitools.catalogue.pictures import MOST_NODES, Node, draw, make_graph
from maxaitools.catalogue.sources import Marketplace, Objective, packages, read

_TEMPLATES = Path(__file__).with_name("templates")
# A page with more rows opens too slowly.
_MOST_ROWS = 500


class Page(NamedTuple):
    """A page: its path, section, title and template, the values for it, and its graphs by name."""

    path: str
    section: str
    title: str
    template: str
    values: Mapping[str, Any] = {}
    graphs: Mapping[str, str] = {}


def page_of(name: str) -> str:
    """Return the path of the page of a domain, or of an objective by its path."""
    return f"{name.replace('/', '.')}.html" if "/" in name else f"domain.{name}.html"


def make_pages(market: Marketplace, live: Mapping[str, Live]) -> Iterator[Page]:
    """Yield the pages of the catalogue, in the order of the navigation."""
    yield Page("index.html", "", "Usecases", "usecases.html")
    yield _lineage(market)
    yield Page("deployments.html", "", "Deployments", "deployments.html")
    for name, each in live.items():
        path, shown = f"deployment.{name}.html", {"deployment": each}
        yield Page(path, "Live", name, "deployment.html", shown)
    for domain, objectives in market.domains.items():
        folder = f"{USECASES}/{domain}"
        values = {
            "domain": domain,
            "image": repository_of(domain, Path()),
            "objectives": objectives,
            "packages": packages(domain),
            "python": read(f"{folder}/.python-version").strip() or "3.11",
            "readme": render_readme(read(f"{folder}/README.md")),
        }
        yield Page(page_of(domain), domain, domain, "domain.html", values)
        for objective in objectives:
            yield _objective(market, objective)


def _objective(market: Marketplace, objective: Objective) -> Page:
    domain = objective.path.partition("/")[0]
    tasks = {
        task.name: Node(task.name, f"#task-{number}", "task")
        for number, task in enumerate(objective.tasks, 1)
    }
    edges = [
        (p, task.name) for task in objective.tasks for p in task.step.parents or ()
    ]
    nodes, flow = {}, []
    for use in market.uses[objective.path]:
        table, task = f"table {use.address}", f"task {use.task}"
        nodes[table] = Node(use.address, "", "table")
        nodes[task] = tasks.get(use.task, Node(use.task, "", "task"))
        pairs = [(task, table)]
        for other in sorted({each.objective for each in market.other_side[use]}):
            if other != objective.path:
                nodes[other] = _node(market, other)
                pairs.append((table, other))
        flow += pairs if use.writes else [pair[::-1] for pair in pairs]
    graphs = {"dag": make_graph(tasks, edges), "data": make_graph(nodes, flow)}
    title, values = objective.path, {"objective": objective, "domain": domain}
    return Page(page_of(title), domain, title, "objective.html", values, graphs)


def _node(market: Marketplace, name: str) -> Node:
    """Return the node of a domain or an objective, with a link if it has a page."""
    link = page_of(name) if name in market.names else ""
    return Node(name, link, "objective")


def _lineage(market: Marketplace) -> Page:
    uses = sorted(use for each in market.uses.values() for use in each)
    crossing = [
        (use, other)
        for use in uses
        for other in market.other_side[use]
        if use.writes and other.objective != use.objective
    ]
    pairs = [(one.objective, other.objective) for one, other in crossing]
    if len({each for pair in pairs for each in pair}) > MOST_NODES:
        pairs = [(p.partition("/")[0], q.partition("/")[0]) for p, q in pairs]
    nodes = {each: _node(market, each) for pair in pairs for each in pair}
    sources = [use for use in uses if not use.writes and not market.other_side[use]]
    values = {"crossing": crossing, "sources": sources}
    graphs = {"lineage": make_graph(nodes, pairs)}
    return Page("lineage.html", "", "Lineage", "lineage.html", values, graphs)


def render_readme(text: str) -> Markup:
    """Return a README as HTML, without images, and with links to websites only."""
    html = markdown.markdown(
        text,
        extensions=["tables", "fenced_code", "sane_lists", "toc"],
        # The page has a heading, and so has its section with the README.
        extension_configs={"toc": {"baselevel": 3}},
    )

    def keep(tag: str, name: str, value: str) -> str | None:
        return value if name != "href" or "://" in value else None

    tags = nh3.ALLOWED_TAGS - {"img"}
    html = nh3.clean(html, tags, url_schemes={"http", "https"}, attribute_filter=keep)
    # With a class, the theme does not make each table scroll by itself.
    return Markup(html.replace("<table>", '<table class="data">'))


def _utc(time: str) -> str:
    try:
        parsed = datetime.fromisoformat(time).astimezone(timezone.utc)
    except (OverflowError, ValueError):
        return "unknown"
    return f"{parsed:%Y-%m-%d %H:%M} UTC"


def render(pages: Sequence[Page], shared: Mapping[str, Any]) -> dict[str, str]:
    """Return the content of each page by its path; all but Markup is escaped."""
    env = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
    )
    env.filters.update(utc=_utc, page_of=page_of)
    drawn = iter(draw([graph for page in pages for graph in page.graphs.values()]))
    content = {}
    for page in pages:
        pictures = {name: Markup(next(drawn)) for name in page.graphs}
        values = {**shared, **page.values, "pictures": pictures}
        text = env.get_template(page.template).render(values)
        # A docstring or a commit may have half of a character.
        content[page.path] = text.encode(errors="replace").decode()
    return content


class _Pages(BasePlugin):
    """Gives the pages to mkdocs, which else reads Markdown."""

    def __init__(self, content: Mapping[str, str]) -> None:
        super().__init__()
        self._content = content

    def on_files(self, files: Files, *, config: MkDocsConfig) -> Files:
        for path in self._content:
            files.append(File.generated(config, f"{path[:-5]}.md", content=""))
        for name in (*config.extra_css, *config.extra_javascript):
            content = Path(_TEMPLATES, str(name)).read_bytes()
            files.append(File.generated(config, str(name), content=content))
        return files

    def on_page_content(self, _: str, *, page: Any, **more: Any) -> str:
        content = self._content[page.url]
        headings = re.findall('<h2 id="(.*?)".*?>(.*?)</h2>', content)
        toc: Any = [
            {"level": 2, "id": id, "name": name, "children": []}
            for id, name in headings
        ]
        page.toc = get_toc(toc)
        return content

    def on_post_page(self, output: str, **_: Any) -> str:
        # The theme lacks a name of the dialog for screen readers, and indents by half of a page.
        output = output.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1)
        return output if "<pre>" in output else re.sub(r"\n\s+<", "\n<", output)


def build_site(market: Marketplace, live: Mapping[str, Live], folder: Path) -> int:
    """Write the site to a folder, and return the number of its pages."""
    pages = [*make_pages(market, live)]
    shared = {
        "market": market,
        "live": live,
        "most": _MOST_ROWS,
        "paths": {page.path for page in pages},
    }
    nav: dict[str, Any] = {}
    for page in pages:
        source = f"{page.path[:-5]}.md"
        if page.section:
            title = page.title.partition("/")[2] or page.title
            nav.setdefault(page.section, []).append({title: source})
        else:
            nav[page.title] = source
    logging.getLogger("mkdocs").setLevel(logging.ERROR)
    # The site has no date of its own.
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    with tempfile.TemporaryDirectory() as empty:
        config = load_config(str(_TEMPLATES / "mkdocs.yml"), docs_dir=empty)
        config.site_dir = str(folder)
        config.nav = [{title: each} for title, each in nav.items()]
        config.plugins["pages"] = _Pages(render(pages, shared))
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
    return len(pages)
