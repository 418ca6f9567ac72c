from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayling_study.core import seeds
from bayling_study.core.errors import StudyError
from bayling_study.shared.interactive.checks import verify
from bayling_study.shared.interactive.dialogue import PLAIN_OPENINGS, Director
from bayling_study.shared.interactive.lexicon import LexiconTerm
from bayling_study.shared.interactive.library import Library, kept_names
from bayling_study.shared.interactive.pairs import (
    MAX_CHARACTERS,
    MAX_WORDS,
    MIN_WORDS,
    NEIGHBOURS,
    MinimalPairs,
    difference,
)
from bayling_study.shared.interactive.registry import DEMANDS, demand_named
from bayling_study.shared.interactive.types import Dialogue, DirectedPair, Scene
from bayling_study.shared.interactive.wordings import WORDINGS
from helpers.interactive_corpus import rows

DIRECTIONS = ["zh-en", "en-zh", "de-en", "en-de"]
KINDS = sorted(set(DEMANDS) - set(PLAIN_OPENINGS))


@functools.cache
def library() -> Library:
    return Library(rows(), DIRECTIONS, seed=5)


def dialogue(
    direction: str, seed: int, demands: dict[str, float] | None = None, turns: int = 0
) -> Dialogue:
    sizes = {turns: 1.0} if turns else {2: 0.6, 3: 0.4}
    director = Director(library(), demands or {}, sizes, {"en": 0.5, "zh": 0.5})
    return director.dialogue(direction, seeds.generator(seed, direction))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DIRECTIONS), st.integers(0, 10_000))
def test_every_answer_passes_its_checks_and_the_previous_one_does_not(
    direction: str, seed: int
) -> None:
    made = dialogue(direction, seed)
    earlier: list[str] = []
    for step in made.steps:
        assert all(verify(step.checks, step.answer, earlier)), step
        if earlier:
            assert not all(verify(step.checks, earlier[-1], earlier)), step
        earlier.append(step.answer)
    assert len(earlier) >= 2


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(DIRECTIONS), st.integers(0, 10_000))
def test_answers_are_aligned_text_or_an_exact_form_of_it(direction: str, seed: int) -> None:
    known = {text for row in rows() for text in (row["text_a"], row["text_b"])}
    whole = "\n".join(known)
    steps = dialogue(direction, seed).steps
    assert len(steps) >= 2
    for step in steps:
        if step.kind == "capitals":
            assert step.answer in whole.upper()
        elif step.kind not in {"quotes", "with-original", "replace-name"}:
            assert step.answer in whole or step.segment.target_text == step.answer


@pytest.mark.parametrize("kind", KINDS)
def test_each_demand_finds_material_in_some_direction(kind: str) -> None:
    made = []
    for direction in DIRECTIONS:
        try:
            turns = 1 if DEMANDS[kind].opens else 2
            made.append(dialogue(direction, 3, {kind: 1.0}, turns))
        except StudyError:
            continue
    assert made
    assert all(kind in [step.kind for step in found.steps] for found in made)


def test_the_same_seed_gives_the_same_dialogue() -> None:
    fresh = [Library(rows(), DIRECTIONS, seed=5) for _ in range(2)]
    made = [
        Director(each, {}, {3: 1.0}, {"en": 1.0}).dialogue("en-de", seeds.generator(9, "x"))
        for each in fresh
    ]
    assert made[0] == made[1]


def test_the_users_language_is_the_instruction_language() -> None:
    director = Director(library(), {"replace-words": 1.0}, {2: 1.0}, {"zh": 1.0})
    made = director.dialogue("de-en", seeds.generator(1, "x"))
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in step.user) for step in made.steps)
    assert all(set(choices) == {"en", "zh"} for choices in WORDINGS.values())


def test_switching_language_stays_within_the_given_directions() -> None:
    narrow = Library(rows(), ["en-de"], seed=5)
    director = Director(narrow, {"switch-language": 1.0}, {2: 1.0}, {"en": 1.0})
    with pytest.raises(StudyError, match="en-de"):
        director.dialogue("en-de", seeds.generator(1, "x"))


def test_an_unknown_demand_is_refused_with_the_known_ones() -> None:
    with pytest.raises(StudyError, match="replace-words"):
        Director(library(), {"replace-word": 1.0}, {2: 1.0}, {"en": 1.0})
    with pytest.raises(StudyError, match="by itself"):
        Director(library(), {"translate": 1.0}, {2: 1.0}, {"en": 1.0})


def test_no_segment_is_used_twice_before_all_were_used() -> None:
    deck = Library(rows(), ["en-de"], seed=1).deck("en-de", {})
    names = [deck.draw().id for _ in range(2 * len(deck))]
    assert len(set(names[: len(deck)])) == len(deck)
    assert sorted(names[: len(deck)]) == sorted(names[len(deck) :])


def segment(source: str, target: str) -> DirectedPair:
    return DirectedPair("x", "toy", "toy/1", "en", "zh", source, target)


def test_a_minimal_pair_differs_in_one_block_and_takes_whole_words() -> None:
    one = segment("Checking outdoor air quality", "检查室外空气质量")
    other = segment("Checking indoor air quality", "检查室内空气质量")
    edit = difference(one, other)
    assert edit is not None
    assert (edit.source_old, edit.source_new) == ("outdoor", "indoor")
    assert (edit.target_old, edit.target_new) == ("室外", "室内")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Show the long path here", "现在全部重新设置其他内容"),
        ("Show the path-finder here", "在此显示路径-查找器"),
        ("Show the “path” here", "在此显示“路径”吧"),
    ],
)
def test_no_minimal_pair_of_other_text_half_words_or_quotes(source: str, target: str) -> None:
    assert (
        difference(
            segment("Show the map-finder here", "在此显示地图-查找器"), segment(source, target)
        )
        is None
    )


def frames_of(text: str) -> list[tuple[str, str]]:
    """Returns what stands before and behind each block that can be cut out of a text of letters."""
    size = MAX_CHARACTERS if "外" in text else MAX_WORDS
    cuts = range(min(size, len(text) - MIN_WORDS) + 1)
    return [(text[:at], text[at + n :]) for n in cuts for at in range(len(text) - n + 1)]


def partners_of(own: int, texts: list[str]) -> list[int]:
    """Returns up to twelve texts that share a frame, those behind it first, the nearest frames'."""
    found: dict[int, None] = {}
    for frame in frames_of(texts[own]):
        group = [n for n, text in enumerate(texts) for one in frames_of(text) if one == frame]
        ordered = [n for n in group if n > own] + [n for n in group if n <= own]
        found |= dict.fromkeys(n for n in ordered[:NEIGHBOURS] if n != own)
    return list(found)[:NEIGHBOURS]


LETTERS = st.lists(st.text("ab外", max_size=12), max_size=20)


@given(LETTERS)
def test_partners_share_all_but_one_block_the_smallest_blocks_first(texts: list[str]) -> None:
    segments = [
        DirectedPair(f"{n}", "toy", "toy/1", "en", "zh", " ".join(text), "")
        for n, text in enumerate(texts)
    ]
    found = [MinimalPairs(segments)._partners(one) for one in segments]
    expected = [partners_of(number, texts) for number in range(len(texts))]
    assert [[int(one.id) for one in row] for row in found] == expected


def test_names_are_capitalised_words_inside_the_sentence_on_both_sides() -> None:
    found = kept_names(
        segment("Enter the Zenvo code. Then go to Paris", "输入 Zenvo 代码。Then 去巴黎")
    )
    assert found == ["Zenvo"]
    assert kept_names(segment("Enter the Zenvo code", "输入 ZenvoHub 代码")) == []
    assert kept_names(segment("Enter the eBook, see Book", "输入 Book 代码")) == ["Book"]


def test_a_name_that_stands_in_small_letters_elsewhere_is_no_brand() -> None:
    texts = [
        ("Use the Kettle lamp", "使用 Kettle 灯"),
        ("Use the Zenvo lamp", "使用 Zenvo 灯"),
        ("Fill the kettle, not the xzenvo", "装满水壶"),
    ]
    rows = [
        {"id": str(n), "source": "s", "document": str(n), "lang_a": "en", "lang_b": "zh"}
        | {"text_a": english, "text_b": chinese}
        for n, (english, chinese) in enumerate(texts)
    ]
    made = Library(rows, ["en-zh"], 1)
    assert [made.brands(one) for one in made.segments("en-zh")] == [[], ["Zenvo"], []]


def test_a_draft_lacks_a_term_only_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = DirectedPair("a", "c", "d", "en", "zh", "Open WiFi now", "打开 ＷｉＦｉ 设置")
    monkeypatch.setattr(Library, "edits", lambda self, segment: [])
    for target, draft in (("wifi", None), ("ＷｉＦｉ", "打开 设置")):
        terms = [LexiconTerm("WiFi", target)]
        monkeypatch.setattr(Library, "terms", lambda self, segment, found=terms: found)
        rng = seeds.generator(1, "x")
        step = demand_named("correct-draft").make(Scene(wide, "en"), library(), rng)
        assert (draft in step.user) if draft else step is None
