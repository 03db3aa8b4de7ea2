"""The page of a local run: its tasks with a bar for each, as one file of HTML."""

from collections.abc import Sequence
from pathlib import Path

import jinja2

from maxairesources.errors import InputError
from maxaitools.local.task_facts import Facts, shown

# The policy forbids scripts and requests, so a name or path in the page cannot make any.
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
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
  .track { border: 1px solid; border-radius: 3px; }
  .bar { min-width: 3px; height: 0.9rem; background: #888; }
  .success { background: #2a8a4a; }
  .failed, .upstream_failed { background: #d03b3b; }
</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
<p>{{ about }}</p>
{% for line in warnings %}
<p><strong>{{ line }}</strong></p>
{% endfor %}
{% for task in tasks %}
<section>
<h2>{{ task.name }}: {{ task.state }}</h2>
<div class="track"><div class="bar {{ task.state }}" style="margin-left:
  {{ (100 * (task.began or 0) / total) | round(2) }}%; width:
  {{ (100 * (task.seconds or 0) / total) | round(2) }}%"></div></div>
<p>{{ shown(task.seconds) }} seconds, memory {{ task.memory }}</p>
<ul>
{% for output in task.outputs %}
<li>{{ output }}</li>
{% endfor %}
</ul>
</section>
{% endfor %}
</main>
</body>
</html>
"""


def write_page(
    file: Path, title: str, about: str, tasks: Sequence[Facts], warnings: Sequence[str]
) -> None:
    """Write the page of a run.

    Args:
        file: the page, whose folder exists.
        title: the objective.
        about: the deployment, the data root and the state of the run.
        tasks: the facts of the tasks, in their order.
        warnings: the warnings and errors of the run.

    Raises:
        InputError: the file cannot be written.
    """
    template = jinja2.Environment(autoescape=True).from_string(_PAGE)
    total = max(
        (t.began + t.seconds for t in tasks if t.seconds is not None), default=1
    )
    page = template.render(
        title=title,
        about=about,
        tasks=tasks,
        warnings=warnings,
        total=total or 1,
        shown=shown,
    )
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(str(error.strerror), "name another file", file) from None
