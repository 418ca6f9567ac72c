"""WMT22 general test sets, as the BayLing release or sacreBLEU holds them. Either has a source and
a reference file for each of 14 directions (one segment a line), the same text under other names.
References are the organisers' reference A, except for cs-en and en-cs where it is B, in both."""

from pathlib import Path

from bayling_study.config.suites import Wmt22Suite
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.released import aligned_lines, is_present
from bayling_study.stages.prompts.translation import segment_prompt, trained_average

REFERENCES = Path("exp/translation_benchmark/reference")


def build(name: str, suite: Wmt22Suite, context: PromptContext) -> Prompts:
    """Returns one prompt per segment, direction by direction (``StudyError`` if lines differ). A
    direction without reference files in the source (a partial copy) is skipped with a message."""
    root = context.files_of(suite.source)
    for direction in suite.directions:
        source, reference = _files(root, direction)
        if is_present(name, direction, source, reference):
            averages = [trained_average(direction not in suite.zero_shot)]
            meta = {"prompt_language": suite.prompt_language, "averages": averages}
            for number, texts in enumerate(aligned_lines(source, reference), start=1):
                place = f"{direction}/{number}"
                yield segment_prompt(name, place, texts, suite.prompt_language, meta)


def _files(root: Path, direction: str) -> tuple[Path, Path]:
    """Returns the files of source and reference: of the release, or of the source ``wmt22``."""
    released = (root / REFERENCES).is_dir()
    stem = REFERENCES / direction.replace("-", "") if released else Path(direction)
    return root / f"{stem}.src", root / f"{stem}.ref"
