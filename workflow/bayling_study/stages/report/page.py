"""The page itself: sections in, one self-contained HTML file out.

All text is escaped by Jinja; only the figures, which matplotlib made and
escaped, go in as they are. The page's policy forbids every script but its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bayling_study.stages.report.blocks import PageSection

FOLDER = Path(__file__).parent
SHOWN = 8
"""Sentences of the verdict that are open; of more, the others open on demand."""


def render(
    title: str, subtitle: str, sections: list[PageSection], sentences: Sequence[str] = ()
) -> str:
    """Returns the page as HTML text; ``sentences`` are the verdict, the first thing on it."""
    loader = FileSystemLoader(FOLDER)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    return environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sentences=sentences[:SHOWN],
        more=sentences[SHOWN:],
        sections=sections,
        style=Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=Markup(base64.b64encode(digest).decode()),
    )
