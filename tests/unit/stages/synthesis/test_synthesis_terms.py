"""Words of term lists in demands and recipes: only where the human answer has them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config.suites import InteractiveSuite
from bayling_study.core.text.forms import occurrences
from bayling_study.shared.corpus_tables import TERM_SCHEMA
from bayling_study.shared.interactive.lexicon import LexiconTerm
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.listed import COLUMNS, joined
from bayling_study.stages.prompts import PromptContext, interactive
from bayling_study.stages.synthesis import aligned, order
from bayling_study.stages.synthesis import mixture as mixtures
from bayling_study.stages.synthesis.audit import audit
from bayling_study.stages.synthesis.card import card
from helpers import interactive_corpus
from helpers.synthesis_corpora import CharacterTokenizer, made, mixture, write_corpora

BIRDS = [
    ("heron", "Reiher", "苍鹭"),
    ("sparrow", "Spatz", "麻雀"),
    ("crane", "Kranich", "白鹤"),
    ("goldfinch", "Stieglitz", "金翅雀"),
    ("blackbird", "Amsel", "乌鸫"),
    ("hoopoe", "Wiedehopf", "戴胜"),
    ("lapwing", "Kiebitz", "凤头麦鸡"),
    ("nightjar", "Ziegenmelker", "夜鹰"),
    ("stonechat", "Schwarzkehlchen", "黑喉石"),
    ("wryneck", "Wendehals", "蚁䴕"),
    ("osprey", "Fischadler", "鱼鹰"),
    ("dunlin", "Alpenstrandläufer", "滨鹬"),
]


def aligned_rows(split: str = "train") -> list[dict[str, Any]]:
    """Each bird in one sentence of one document: too rare to be learnt."""
    result = []
    for number, (english, german, chinese) in enumerate(BIRDS):
        extra = f"{random.Random(f'{split}{number}').randrange(10**6):06d}"
        texts = {
            "de": f"Ein {german} wohnt seit Tagen neben Haus {extra}.",
            "zh": f"一只{chinese}几天来住在 {extra} 号房旁边。",
        }
        for code, text in texts.items():
            result.append(
                {
                    "id": f"b/{code}/{split}/{number}",
                    "source": "birds",
                    "lang_a": "en",
                    "lang_b": code,
                    "text_a": f"For days now one {english} has lived beside house {extra}.",
                    "text_b": text,
                    "document": f"b/{split}/{number}",
                    "split": split,
                }
            )
    return result


def entries() -> list[dict[str, str]]:
    """The birds, what is no translation here, and function words."""
    pairs = [("de", one, other) for one, other, _ in BIRDS]
    pairs += [("zh", one, other) for one, _, other in BIRDS]
    pairs += [("de", "crane", "Kran"), ("zh", "crane", "起重机"), ("de", "house", "Haus")]
    pairs += [("de", "lake", "See"), ("fr", "heron", "héron"), ("de", "one", "Ein")]
    return [
        dict(zip(COLUMNS, ("birds-terms", "en", code, one, other), strict=True))
        for code, one, other in pairs
    ]


ONLY_TERMS: dict[str, Any] = {
    "conversations": 16,
    "shares": {"constrained": 0.5, "code-switch": 0.25, "cross-lingual": 0.25},
    "directions": {"en-de": 0.5, "zh-en": 0.5},
}


def test_a_word_of_a_list_is_asked_for_where_the_answer_has_it(tmp_path: Path) -> None:
    bare = write_corpora(tmp_path / "bare", aligned_rows())
    _, nothing = made(tmp_path / "none", bare, mixture(**ONLY_TERMS))
    assert len(nothing) == 0
    corpora = write_corpora(tmp_path / "corpora", aligned_rows(), terms=entries())
    result, table = made(tmp_path / "made", corpora, mixture(**ONLY_TERMS))
    assert len(table) == 16
    names = {"en-de": [b[1] for b in BIRDS], "zh-en": [b[0] for b in BIRDS]}
    for row in table.to_pylist():
        user, answer = (message["content"] for message in row["messages"])
        if row["recipe"] == "constrained":
            asked = [name for name in names[row["direction"]] if name in user]
            assert len(asked) == 1 and occurrences(answer, asked[0]) == 1
        assert "Kran " not in user and "起重机" not in user
    facts = audit(result, CharacterTokenizer(), "bayling")
    assert facts["listed_terms"] == {"birds-terms": 24}
    shown = card("Birds", facts, {}, {"birds-terms": "CC BY-NC 4.0"})
    assert "| birds-terms | CC BY-NC 4.0 |" in shown


def terms_of(folder: Path, source: str, target: str, *pairs: tuple[str, str]) -> list[LexiconTerm]:
    """Returns the terms of a German translation by a list alone."""
    values = [("list", "en", "de", *pair) for pair in pairs]
    columns = dict(zip(COLUMNS, zip(*values, strict=True), strict=True))
    pq.write_table(pa.table(columns, schema=TERM_SCHEMA), folder / "terms.parquet")
    row = {**aligned_rows()[0], "text_a": source, "text_b": target}
    library = Library([row], ["en-de"], 1, term_lists=folder / "terms.parquet")
    return library.terms(library.segments("en-de")[0])


def test_only_what_both_sides_have_once_is_a_term(tmp_path: Path) -> None:
    source = "The United Kingdom taxes art at a party, and trade by trade."
    target = "Das Vereinigte Königreich besteuert Kunst auf Partys, Handel um Handel."
    pairs = [
        ("United Kingdom", "Vereinigtes Königreich"),  # another ending
        ("united", "Vereinigte"),
        ("United Kingdom", "Vereinigte Königreich"),
        ("art", "Kunst"),  # also in the middle of "party"
        ("party", "Partei"),  # another sense
        ("trade", "Handel"),  # twice
        ("at", "auf"),  # a particle
        ("taxes", "besteuert"),
    ]
    found = terms_of(tmp_path, source, target, *pairs)
    assert found == [("United Kingdom", "Vereinigte Königreich"), ("taxes", "besteuert")]
    both = [("taxes", "Kunst"), ("taxes", "besteuert")]
    assert terms_of(tmp_path, source, target, *both) == []


def test_a_learnt_term_counts_before_a_listed_one() -> None:
    learnt = [LexiconTerm("station", "Bahnhof")]
    listed = [
        LexiconTerm("old", "alte"),
        LexiconTerm("station", "Haltestelle"),
        LexiconTerm("new station", "Neubau"),
    ]
    assert joined(learnt, listed, "The old station") == [LexiconTerm("old", "alte"), *learnt]
    assert joined(learnt, [], "The old station") is learnt


def test_every_row_group_is_searched_that_may_have_a_language(tmp_path: Path) -> None:
    corpora = write_corpora(tmp_path / "c", aligned_rows(), terms=entries(), group=3)
    library = Library(aligned_rows(), ["de-en"], 1, term_lists=corpora / "terms.parquet")
    found = [library.terms(segment) for segment in library.segments("de-en")]
    assert [terms[0] for terms in found] == [(bird[1], bird[0]) for bird in BIRDS]
    assert all(len(terms) == 1 for terms in found)
    assert library.listed == {"birds-terms": 12}


def test_a_segment_has_terms_where_any_are_learnt_or_listed(tmp_path: Path) -> None:
    corpora = write_corpora(tmp_path / "c", terms=entries())
    alone = {**aligned_rows()[0], "id": "b/alone", "text_a": "Qwert!", "text_b": "Zuiop!"}
    rows = [*interactive_corpus.rows(), *aligned_rows(), alone]
    for directions, path in ((["en-de"], None), (["en-de", "de-en"], corpora / "terms.parquet")):
        asked, told = (Library(rows, directions, 1, term_lists=path) for _ in range(2))
        segments = [one for name in directions for one in asked.segments(name)]
        found = [bool(asked.terms(segment)) for segment in segments]
        assert [told.has_terms(segment) for segment in segments] == found
        assert {True, False} == set(found)
        assert told.listed == asked.listed


@pytest.mark.slow
def test_bytes_with_term_lists_do_not_depend_on_workers_or_blocks_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aligned, "BLOCK_ROWS", 8)
    monkeypatch.setattr(order, "BUCKET_ROWS", 5)
    monkeypatch.setattr(mixtures, "SMALL", 0)
    corpora = write_corpora(tmp_path / "corpora", aligned_rows(), terms=entries())
    files = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        result, _ = made(folder, corpora, mixture(**ONLY_TERMS), workers=workers)
        assert result.listed
        files.append((folder / "train.parquet").read_bytes())
    assert files[0] == files[1]


def test_the_suite_asks_for_listed_words_of_its_own_side(tmp_path: Path) -> None:
    corpora = write_corpora(tmp_path, [*aligned_rows(), *aligned_rows("test")], terms=entries())
    suite = InteractiveSuite(
        kind="interactive",
        directions=["en-de"],
        conversations=4,
        demands={"include-words": 1.0},
        turns={1: 1.0},
    )
    prompts = list(interactive.build("talk", suite, PromptContext(4, corpora)))
    for prompt in prompts:
        checks = prompt.meta["demands"][0]["checks"]
        assert checks[0]["type"] == "contains"
        assert occurrences(prompt.references[0], checks[0]["text"]) == 1
    assert prompts == list(interactive.build("talk", suite, PromptContext(4, corpora)))
