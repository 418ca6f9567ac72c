"""Suite kind ``file``: a test set of one's own as it is, two files of lines per direction."""

from bayling_study.config.suites import FileSuite
from bayling_study.shared.sources.fetched import own_segments
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.released import aligned_lines
from bayling_study.stages.prompts.translation import segment_prompt


def build(name: str, suite: FileSuite, context: PromptContext) -> Prompts:
    """Returns one prompt per line, direction by direction; several have an average (``StudyError``
    if a file is absent or not UTF-8, or the two of a direction differ in length)."""
    root = context.files_of(suite.source)
    meta = {"averages": ["average"] if len(suite.directions) > 1 else []}
    for direction in suite.directions:
        files = suite.files.replace("{direction}", direction)
        paths = [root / files.replace("{language}", side) for side in direction.split("-")]
        for number, texts in enumerate(aligned_lines(paths[0], paths[1], own_segments), start=1):
            yield segment_prompt(name, f"{direction}/{number}", texts, suite.prompt_language, meta)
