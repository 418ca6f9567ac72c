"""``answers.html``: all answers of a study, two systems side by side, in one file.

A page opened from disk may load nothing, so the data is in it: JSON blocks, each compressed by
gzip and written in base64, which the browser's ``DecompressionStream`` unpacks when they are
looked at. The page has no text of the data in its markup.
"""

import base64
import gzip
import json
from pathlib import Path

from bayling_study.core.files import write_text
from bayling_study.shared.metrics.measures import meaning
from bayling_study.stages.report.answer_blocks import AnswerSuite, answer_suite
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.page import FOLDER, render_page

SCRIPTS = ("data", "choice", "charts", "ngrams", "rows", "page")
"""Parts of the page's script, ``answers_page/NAME.js``, in their order."""
LEVEL = 6
"""Effort of gzip; 9 takes nearly twice as long for 0.3 % less (texts of the replay)."""


def write_answers(study: Study, path: Path) -> None:
    """Writes the page of answers; a suite whose answers cannot be shown is missing from it."""
    suites: list[AnswerSuite] = []
    for suite in study.by_suite:
        with study.block(f"answers of {suite}"):
            found = answer_suite(study, suite)
            suites += [found] if found is not None else []
    metrics = dict.fromkeys(metric for suite in suites for metric in suite.about["metrics"])
    lower = [metric for metric in metrics if meaning(metric).better == "lower"]
    index: dict[str, object] = {"suites": [suite.about for suite in suites], "lower": lower}
    with study.block("answers: the baseline as first choice"):
        index["baseline"] = study.baseline
    blocks: dict[str, object] = {"index": index}
    for made in suites:
        blocks |= made.blocks
    packed = {name: _packed(block) for name, block in blocks.items()}
    style = "".join(
        (FOLDER / name).read_text("utf-8") for name in ("page.css", "answers_page/page.css")
    )
    script = "".join((FOLDER / f"answers_page/{name}.js").read_text("utf-8") for name in SCRIPTS)
    title = study.config.study.title
    write_text(
        path, render_page("answers_page/page.html", style, script, title=title, blocks=packed)
    )


def _packed(value: object) -> str:
    """Returns a value as JSON, compressed, in base64; the same value gives the same text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), LEVEL, mtime=0)).decode("ascii")
