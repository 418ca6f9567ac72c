"""Suite kind ``flores``: FLORES-101 between the pivots and every other language. FLORES is parallel
in all its languages: segment 5 says the same in each (told by the id where there are ids). The same
segments are asked in every direction, so that averages over languages compare languages and not
texts. All directions are one suite: one file of prompts, one job per system."""

from pathlib import Path

from bayling_study.config.suites import FloresSuite
from bayling_study.core.languages.flores import FloresLanguage, flores, flores_languages, spellings
from bayling_study.shared.flores_rows import language_rows, paired
from bayling_study.shared.sources.fetched import read_segments
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.released import chosen
from bayling_study.stages.prompts.translation import class_averages, segment_prompt


def build(name: str, suite: FloresSuite, context: PromptContext) -> Prompts:
    """Returns each pivot's prompts, into and then out of it (``StudyError`` if files differ). Their
    ``meta`` has a direction's averages, and ``comet``: whether COMET's encoder knows both sides."""
    root = context.files_of(suite.source)
    paths = {item.code: _path(root, suite.files, item) for item in _languages(suite)}
    rows = paired([(path, language_rows(path, read_segments)) for path in paths.values()])
    texts = {code: [row.text for row in own] for code, own in zip(paths, rows, strict=True)}
    numbers = chosen(len(rows[0]), suite.segments, context.seed, name, "segments")
    for source, target in directions(suite):
        averages = class_averages(source, target, suite.pivots)
        comet = flores(source).in_xlmr and flores(target).in_xlmr
        for number in numbers:
            place = f"{source}-{target}/{number}"
            both = texts[source][number], texts[target][number]
            meta = {"segment": f"flores/{number}", "averages": averages, "comet": comet}
            yield segment_prompt(name, place, both, suite.prompt_language, meta)


def directions(suite: FloresSuite) -> list[tuple[str, str]]:
    """Returns (source, target) of every direction, each once."""
    others = [language.code for language in _languages(suite)]
    pairs = [(code, pivot) for pivot in suite.pivots for code in others if code != pivot]
    return list(dict.fromkeys(both for pair in pairs for both in (pair, pair[::-1])))


def _languages(suite: FloresSuite) -> list[FloresLanguage]:
    """Returns the suite's languages and its pivots, in FLORES' order."""
    wanted = {*suite.pivots, *suite.languages}
    return [item for item in flores_languages() if not suite.languages or item.code in wanted]


def _path(root: Path, pattern: str, language: FloresLanguage) -> Path:
    """Returns a language's file, by whichever of its codes the source has one."""
    paths = [
        root / pattern.format(flores101=language.flores101, flores200=code)
        for code in spellings(language.flores200)
    ]
    return next((path for path in paths if path.exists()), paths[0])
