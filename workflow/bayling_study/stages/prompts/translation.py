"""Translation of held-out segments: one prompt per segment, one item per direction.

The segments come from the test split of the study's corpora, which share no document and no pivot
text with training. A pair of languages has one draw for both directions, so that ``zh-en`` and
``en-zh`` ask for the same segments. Two languages that are both aligned to the pivot (``de-fr``
over English) are joined on the pivot text. Sources may be shown altered (``source_text``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bayling_study.config.suites import TranslationSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.languages.flores import flores_languages
from bayling_study.core.records import Prompt
from bayling_study.core.seeds import generator
from bayling_study.shared.aligned_rows import HeldOut
from bayling_study.shared.translation_prompts import translation_prompt
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.source_text import SourceTexts


def build(name: str, suite: TranslationSuite, context: PromptContext) -> Prompts:
    """Returns the prompts of all directions (``StudyError`` if one has too few segments)."""
    sources = SourceTexts(suite.source_text, suite.directions)
    held_out = HeldOut(context.need_corpora(), [*suite.directions, *sources.directions.values()])
    drawn_as = suite.same_segments_as or name
    for direction in suite.directions:
        source, target = direction.split("-")
        found = held_out.segments(direction)
        if len(found) < suite.segments:
            what = f"{direction} has {len(found)} held-out segments, {suite.segments} are asked for"
            fix = f"remove {direction}, or add its languages to corpora.parallel"
            if found:
                fix = f"segments: {len(found)}, or a larger corpora.split.test_share"
            raise StudyError(what, where=f"suites.{name}.segments", fix=fix)
        pair = "-".join(sorted((source, target)))
        drawn = generator(context.seed, "suites", drawn_as, pair).sample(found, suite.segments)
        zero_shot = direction in suite.zero_shot
        averages = class_averages(source, target, suite.pivots)
        shared = {"zero_shot": zero_shot, "averages": [trained_average(not zero_shot), *averages]}
        for number, segment in enumerate(drawn):
            texts = dict(zip((segment.source, segment.target), segment[-2:], strict=True))
            shown = sources.shown(held_out, direction, texts[source], texts[target])
            meta = {"segment": segment.id, "document": segment.document, **shared}
            meta |= {"plain_text": texts[source]} if shown != texts[source] else {}
            sides = shown, texts[target]
            yield segment_prompt(name, f"{direction}/{number}", sides, suite.prompt_language, meta)


def segment_prompt(
    suite: str, place: str, texts: tuple[str, str], language: str, meta: Mapping[str, Any]
) -> Prompt:
    """Returns the prompt, in a language, for a translation of the first of two texts. Its id,
    ``place``, is ``DIRECTION/NUMBER``. ``meta`` is what a scorer needs besides ``source_text``;
    words under ``constraints`` are asked for."""
    direction = place.partition("/")[0]
    source, target = direction.split("-")
    turn = translation_prompt(texts[0], target, language, meta.get("constraints", ()))
    languages = {"source": source, "target": target}
    meta = {"source_text": texts[0], **meta}
    return Prompt(place, suite, direction, languages, [turn], [texts[1]], meta)


def trained_average(trained: bool) -> str:
    """Returns the name of the average that a direction enters."""
    return "trained-average" if trained else "zero-shot-average"


def class_averages(source: str, target: str, pivots: Sequence[str]) -> list[str]:
    """Returns the averages that a direction enters by what FLORES-101 knows of its languages.
    ``xx-en`` and ``en-xx`` are all languages into and from English; ``xx-en.low`` those of a
    resource class, ``xx-en.Cyrl`` those of a script. A direction between two pivots enters those of
    both; a language that FLORES lacks has no class."""
    groups = [(f"{source}-xx", target)] if source in pivots else []
    groups += [(f"xx-{target}", source)] if target in pivots else []
    known = {language.code: language for language in flores_languages()}
    found = []
    for group, code in groups:
        found.append(group)
        if code in known:
            resources = known[code].resources.replace(" ", "-")
            found += [f"{group}.{resources}", f"{group}.{known[code].script}"]
    return found
