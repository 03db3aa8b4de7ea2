"""Draws graphs with Graphviz."""

import html
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from maxairesources.errors import InputError

# A picture with more is not legible, and Graphviz may need hours for it.
MOST_NODES, MOST_EDGES = 60, 300


class Node(NamedTuple):
    """A node of a graph; the style sheet draws each kind in its way."""

    label: str
    link: str
    kind: str


def make_graph(nodes: Mapping[str, Node], edges: Iterable[tuple[str, str]]) -> str:
    """Return a graph in Graphviz' language, without edges from or to unknown nodes.

    A graph that is empty or too large to draw is an empty string.
    """
    ids = {name: f"n{number}" for number, name in enumerate(nodes)}
    lines = ["digraph { rankdir=LR bgcolor=transparent edge [arrowsize=0.7]"]
    lines.append("node [shape=box style=rounded fontname=sans fontsize=12 height=0.4]")
    for name, (label, link, kind) in nodes.items():
        # Graphviz reads entities as HTML does, and a backslash as the start of an escape.
        text = html.escape(re.sub(r"[\s\x00-\x1f]+", " ", label)).replace("\\", "\\\\")
        text = re.sub("/(?=[^/]*$)", r"/\\n", text)
        lines.append(
            f'{ids[name]} [label="{text}" class={kind} URL="{html.escape(link)}"]'
        )
    known = dict.fromkeys(edge for edge in edges if {*edge} <= ids.keys())
    if not 0 < len(nodes) <= MOST_NODES or len(known) > MOST_EDGES:
        return ""
    lines += [f"{ids[one]} -> {ids[other]}" for one, other in known]
    return "\n".join([*lines, "}"])


def draw(graphs: Sequence[str]) -> list[str]:
    """Return each graph as an SVG element for a page, and "" as it is; one process draws all.

    Raises:
        InputError: Graphviz is not installed.
    """
    source = "\n".join(graphs).encode(errors="replace")
    try:
        done = subprocess.run(["dot", "-Tsvg"], input=source, stdout=-1, check=True)
    except FileNotFoundError:
        remedy = "install Graphviz: build-support/setup"
        raise InputError("is not installed", remedy, "dot") from None
    svg = re.sub(r"(?s)<!--.*?-->|<title>.*?</title>", "", done.stdout.decode())
    # A page of HTML needs no namespaces, its ids are unique, and it has its own colours.
    svg = re.sub(r' (xmlns(:xlink)?|id|xlink:title|fill|stroke)="[^"]*"', "", svg)
    svg = svg.replace("xlink:href=", "href=")
    drawn = iter(re.findall(r"(?s)<svg.*?</svg>", svg))
    return [next(drawn) if graph else "" for graph in graphs]
