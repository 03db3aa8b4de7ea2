"""The page of a local run: its tasks with a bar for each, as one file of HTML."""

from collections.abc import Sequence

import jinja2

from maxaitools.local.task_facts import Facts, shown

# The policy forbids scripts and requests, so a name or path in the page cannot make any.
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
  body { max-width: 60rem; margin: auto; padding: 1rem; overflow-wrap: anywhere; }
  h2 { font-size: 1.1rem; margin: 1.5rem 0 0.25rem; }
  p, ul { margin: 0.25rem 0; }
  .track { border: 1px solid; border-radius: 3px; height: 0.9rem; overflow: hidden; }
  .bar { height: 100%; background: #888; }
  .success, .failed { min-width: 2px; }
  .success { background: #2a8a4a; }
  .failed { background: #d03b3b; }
</style>
<main>
<h1>{{ title }}</h1>
<p>{{ about }}</p>
{% for line in notes %}<p><strong>{{ line }}</strong></p>{% endfor %}
{% for task in tasks %}
<h2>{{ task.name }}: {{ task.state }}</h2>
<div class="track"><div class="bar {{ task.state }}"
  style="margin-left: {{ (100 * task.began / total) | round(2) }}%;
  width: {{ (100 * (task.seconds or 0) / total) | round(2) }}%"></div></div>
<p>{{ shown(task.seconds) }} seconds, memory {{ task.memory }}</p>
<ul>{% for output in task.outputs %}<li>{{ output }}</li>{% endfor %}</ul>
{% endfor %}
</main>
"""


def page(title: str, about: str, notes: Sequence[str], tasks: Sequence[Facts]) -> str:
    """Return the page of a run: a title, a line about it, warnings and errors, and its tasks."""
    end = max((each.began + (each.seconds or 0) for each in tasks), default=0)
    given = {"title": title, "about": about, "notes": notes, "tasks": tasks}
    template = jinja2.Environment(autoescape=True).from_string(_PAGE)
    return template.render(given, shown=shown, total=end or 1)
