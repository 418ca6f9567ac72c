"""The pages themselves: sections or data in, one self-contained HTML file out. All text is escaped
by Jinja; only the figures, which matplotlib made and escaped, go in as they are. A page's policy
forbids every script but its own."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bayling_study.stages.report.blocks import PageSection

FOLDER = Path(__file__).parent
SHOWN = 8  # sentences of the verdict that are open; of more, the others open on demand


def render(
    title: str, subtitle: str, sections: list[PageSection], sentences: Sequence[str] = ()
) -> str:
    """Returns the page as HTML text; ``sentences`` are the verdict, the first thing on it."""
    verdict = {"sentences": sentences[:SHOWN], "more": sentences[SHOWN:]}
    page = {"title": title, "subtitle": subtitle, "sections": sections, **verdict}
    return render_page("page.html", ["page.css"], ["page.js"], **page)


def render_page(
    template: str, styles: Iterable[str], scripts: Iterable[str], **values: object
) -> str:
    """Returns a page from files of this folder: a template, its style and its only script."""
    style, script = (
        "".join((FOLDER / name).read_text(encoding="utf-8") for name in names)
        for names in (styles, scripts)
    )
    loader = FileSystemLoader(FOLDER)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    trusted = {"style": style, "script": script, "script_hash": digest}
    values |= {name: Markup(text) for name, text in trusted.items()}
    return environment.get_template(template).render(values)
