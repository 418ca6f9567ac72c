"""Translation of held-out segments: one prompt per segment, one item per direction.

The segments come from the test split of the study's corpora, which share no document and no pivot
text with training. A pair of languages has one draw for both directions, so that ``zh-en`` and
``en-zh`` ask for the same segments. Two languages that are both aligned to the pivot (``de-fr``
over English) are joined on the pivot text.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from bayling_study.config.suites import TranslationSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.languages.flores import flores_languages
from bayling_study.core.records import Prompt
from bayling_study.core.seeds import generator
from bayling_study.shared.corpus_tables import PARALLEL_FILE
from bayling_study.shared.translation_prompts import translation_prompt
from bayling_study.stages.prompts import PromptContext

COLUMNS = ["id", "lang_a", "lang_b", "text_a", "text_b", "document"]


class HeldOut(NamedTuple):
    """A held-out segment: its ``texts`` by language code, two or more. ``id`` is the corpus row's,
    of the first language where two were joined; ``document`` is for resampling by document."""

    id: str
    document: str
    texts: dict[str, str]


def build(name: str, suite: TranslationSuite, context: PromptContext) -> list[Prompt]:
    """Returns the prompts of all directions (``StudyError`` if one has too few segments)."""
    path = context.need_corpora() / PARALLEL_FILE
    held_out = read_held_out(path)
    prompts: list[Prompt] = []
    for direction in suite.directions:
        source, target = direction.split("-")
        found = segments_of(held_out, source, target)
        if len(found) < suite.segments:
            what = f"{direction} has {len(found)} held-out segments, {suite.segments} are asked for"
            fix = f"remove {direction}, or add its languages to corpora.parallel"
            if found:
                fix = f"segments: {len(found)}, or a larger corpora.split.test_share"
            raise StudyError(what, where=f"suites.{name}.segments", fix=fix)
        pair = "-".join(sorted((source, target)))
        drawn = generator(context.seed, "suites", name, pair).sample(found, suite.segments)
        zero_shot = direction in suite.zero_shot
        averages = class_averages(source, target, suite.pivots)
        shared = {"zero_shot": zero_shot, "averages": [trained_average(not zero_shot), *averages]}
        for number, segment in enumerate(drawn):
            texts = segment.texts[source], segment.texts[target]
            meta = {"segment": segment.id, "document": segment.document, **shared}
            place = f"{direction}/{number}"
            prompts.append(segment_prompt(name, place, texts, suite.prompt_language, meta))
    return prompts


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


def read_held_out(path: Path) -> dict[tuple[str, str], list[HeldOut]]:
    """Reads the test split by (pivot, other language), sorted by id (``StudyError`` if absent)."""
    if not path.exists():
        raise StudyError("the corpora have no parallel text", where=path)
    table = pq.read_table(path, columns=COLUMNS, filters=[("split", "=", "test")])
    result: dict[tuple[str, str], list[HeldOut]] = {}
    for row in sorted(table.to_pylist(), key=lambda row: str(row["id"])):
        texts = {row["lang_a"]: row["text_a"], row["lang_b"]: row["text_b"]}
        segment = HeldOut(row["id"], row["document"], texts)
        result.setdefault((row["lang_a"], row["lang_b"]), []).append(segment)
    return result


def segments_of(
    held_out: dict[tuple[str, str], list[HeldOut]], source: str, target: str
) -> list[HeldOut]:
    """Returns the segments that have both languages, directly or through a shared pivot."""
    first, second = sorted((source, target))
    direct = held_out.get((first, second), []) + held_out.get((second, first), [])
    if direct:
        return direct
    for pivot in sorted({pivot for pivot, _ in held_out}):
        left, right = held_out.get((pivot, first), []), held_out.get((pivot, second), [])
        if left and right:
            return _join(left, right, pivot)
    return []


def _join(left: list[HeldOut], right: list[HeldOut], pivot: str) -> list[HeldOut]:
    """Pairs segments with the same pivot text; each pivot text counts once."""
    firsts, others = _by_text(left, pivot), _by_text(right, pivot)
    return [
        segment._replace(texts={**others[text].texts, **segment.texts})
        for text, segment in firsts.items()
        if text in others
    ]


def _by_text(segments: list[HeldOut], pivot: str) -> dict[str, HeldOut]:
    found: dict[str, HeldOut] = {}
    for segment in segments:
        found.setdefault(segment.texts[pivot], segment)
    return found
