"""Pages of HTML: as trees, and as early revisions of ShareGPT hold them, in the midst of text.
Angle brackets are no markup by themselves: ``vector<int>``, ``a < b > c``, ``<your name>``."""

import html
import re
from pathlib import Path
from typing import Any

from lxml.html import HTMLParser, document_fromstring
from lxml.html.defs import empty_tags, tags

from bayling_study.core.errors import StudyError

CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
"""Markdown's code: fenced blocks and what stands between equal runs of backticks."""
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s[^<>]*)?/?)>")
BREAKS = frozenset({"p", "div", "li", "tr", "pre", *(f"h{level}" for level in range(1, 7))})
"""Elements whose end is the end of a line."""
UNENDED = frozenset(
    {"p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "colgroup"}
)
"""Elements that need no end tag (HTML standard, section 13.1.2.4)."""


def page_tree(path: Path) -> Any:
    """Returns the root of a page's ``lxml.html`` tree (``StudyError`` if it is not UTF-8)."""
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(f"not UTF-8 text ({error.reason})", where=path) from error
    parser = HTMLParser(encoding="utf-8", huge_tree=True)
    return document_fromstring(content + b"<p></p>", parser=parser)  # it refuses an empty one


def strip_html(text: str) -> str:
    """Removes the tags of HTML's elements and resolves character references, outside code. A tag
    counts if its element exists and is whole: it needs no end, or begins and ends in the text.
    ``List<object>`` stays as it is."""
    parts, at = [], 0
    outside = CODE.sub(lambda code: " " * len(code[0]), text)
    found = {(tag[1], tag[2].lower()) for tag in TAG.finditer(outside)}
    whole = {name for end, name in found if {("", name), ("/", name)} <= found}
    known = tags & (whole | UNENDED | empty_tags)
    for code in CODE.finditer(text):
        parts += [_plain(text[at : code.start()], known), code[0]]
        at = code.end()
    return "".join([*parts, _plain(text[at:], known)])


def _plain(text: str, known: frozenset[str]) -> str:
    def replaced(tag: re.Match[str]) -> str:
        name = tag[2].lower()
        if name not in known:
            return tag[0]
        return "\n" if name == "br" or (tag[1] and name in BREAKS) else ""

    return html.unescape(TAG.sub(replaced, text))
