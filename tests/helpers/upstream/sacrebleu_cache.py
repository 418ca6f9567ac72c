"""sacreBLEU's folder as it is after a download: its addresses are fixed, so nothing serves it.

It asks for an archive only if there is none, and looks into it no more once it is unpacked.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from helpers.upstream.release import DIRECTIONS, segments

REFERENCES = {"cs-en": ("B",), "en-cs": ("B", "C"), "de-en": ("A", "B")}
"""Translators of directions that have not A alone; sacreBLEU takes the first named here."""
RAW = Path("wmt22", "raw")


def fill(folder: Path) -> Path:
    """Writes WMT22 into what SACREBLEU names; returns the folder."""
    raw = folder / RAW
    texts = raw / "wmt22-news-systems-1.1" / "xml"
    texts.mkdir(parents=True)
    (raw / "wmt22.v1.1.tar.gz").write_bytes(b"fetched and unpacked")
    for direction in DIRECTIONS:
        path = texts / f"wmttest2022.{direction}.all.xml"
        path.write_text(document(direction), encoding="utf-8")
    return folder


def document(direction: str) -> str:
    """Returns a direction's file: its source, a text a translator, and one system's."""
    source, target = direction.split("-")
    sources, references = zip(*segments(direction), strict=True)
    sides = [f'<src lang="{source}">{_text(sources)}</src>']
    for translator in REFERENCES.get(direction, ("A",)):
        said = [f"{translator}: {text}" if translator == "C" else text for text in references]
        head = f'<ref lang="{target}" translator="{translator}">'
        sides.append(f"{head}{_text(said)}</ref>")
    sides.append(f'<hyp system="Online-W" language="{target}">{_text(references)}</hyp>')
    inside = "\n".join(sides)
    return (
        f"<?xml version='1.0' encoding='utf-8'?>\n<dataset id=\"wmttest2022.{direction}\">\n"
        f'<doc origlang="{source}" id="paper.1">\n{inside}\n</doc>\n</dataset>\n'
    )


def _text(lines: list[str] | tuple[str, ...]) -> str:
    found = (f'<seg id="{n}">{escape(line)}</seg>' for n, line in enumerate(lines, start=1))
    return f"<p>{''.join(found)}</p>"
