"""The split: no document and no text on both sides, whatever the corpus looks like."""

from __future__ import annotations

import random
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayling_study.config.corpora import Cleaning, CorporaSection, ParallelCorpus, Split
from bayling_study.core import parquet
from bayling_study.core.text.forms import compared
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora import parallel
from bayling_study.stages.corpora.hearing import Hearing
from bayling_study.stages.corpora.splitting import Leaks, grams, is_test
from bayling_study.stages.corpora.tally import CorpusTally

WORDS = ["set", "up", "the", "device", "and", "wait", "for", "10", "20"]
CHOOSE = random.Random(0)
TEXTS = [" ".join(CHOOSE.choices(WORDS, k=CHOOSE.randint(5, 9))) for _ in range(30)]
"""Few texts over few words, so that repetitions and shared 6-grams are common."""

ROWS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(["de", "cs"]),
        st.sampled_from(TEXTS),
        st.sampled_from(string.ascii_lowercase),
    ),
    min_size=10,
    max_size=60,
)


def segment(
    text_a: str, text_b: str = "Satz", document: str = "d", split: str = ""
) -> ParallelSegment:
    return ParallelSegment("id", "src", "en", "de", text_a, text_b, document, split)


def split_rows(rows: list[tuple[int, str, str, str]], seed: int) -> list[ParallelSegment]:
    """Runs cleaning, splitting and leak removal over made-up rows."""
    raw = [
        ParallelSegment(
            f"{n}", "src", "en", language, text, f"Gerät Modell Version {other}", f"src/{d}"
        )
        for n, (d, language, text, other) in enumerate(rows)
    ]
    section = CorporaSection(split=Split(test_share=0.4))
    tally = CorpusTally()
    corpus = ParallelCorpus(source="src", reader="moses", languages=["de", "fr"])  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        rows_of_corpus = ((corpus, row) for row in raw)
        parallel.write(rows_of_corpus, section, seed, Path(folder), tally, Hearing(1.0))
        rows_written = parquet.rows(Path(folder) / "parallel.parquet")
        found = [ParallelSegment(**row) for row in rows_written]
    groups = tally.report()["groups"].values()
    assert sum(group["kept"] for group in groups) == len(found)
    assert sum(group["read"] for group in groups) == len(rows)
    return found


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 1000))
def test_train_and_test_share_nothing(rows: list[tuple[int, str, str, str]], seed: int) -> None:
    found = split_rows(rows, seed)
    train = [row for row in found if row.split == "train"]
    test = [row for row in found if row.split == "test"]
    assert not {row.document for row in train} & {row.document for row in test}
    assert not {compared(r.text_a) for r in train} & {compared(r.text_a) for r in test}
    assert not {(r.lang_b, compared(r.text_b)) for r in train} & {
        (r.lang_b, compared(r.text_b)) for r in test
    }
    for row in test:
        seen = {gram for other in train for n in range(5, 7) for gram in grams(other.text_a, n)}
        own = list(grams(row.text_a))
        assert sum(gram in seen for gram in own) <= len(own) / 2


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 1000))
def test_nothing_is_there_twice(rows: list[tuple[int, str, str, str]], seed: int) -> None:
    found = split_rows(rows, seed)
    pairs = [(r.lang_b, r.split, compared(r.text_a), compared(r.text_b)) for r in found]
    assert len(set(pairs)) == len(pairs)
    asked = [(r.lang_b, compared(r.text_a)) for r in found if r.split == "test"]
    assert len(set(asked)) == len(asked)


@given(
    documents=st.lists(st.text(min_size=1), unique=True), added=st.text(), seed=st.integers(0, 99)
)
def test_a_document_keeps_its_side_when_others_come(
    documents: list[str], added: str, seed: int
) -> None:
    before = {name: is_test(name, seed, 0.3) for name in documents}
    after = {name: is_test(name, seed, 0.3) for name in [added, *documents]}
    assert before.items() <= after.items()


def test_share_of_documents_is_about_what_was_asked() -> None:
    names = [f"src/{number}" for number in range(2000)]
    assert sum(is_test(name, 1, 0.1) for name in names) == pytest.approx(200, abs=45)
    assert not any(is_test(name, 1, 0.0) for name in names)
    assert all(is_test(name, 1, 1.0) for name in names)
    assert [is_test(n, 1, 0.5) for n in names] != [is_test(n, 2, 0.5) for n in names]


def test_grams_of_long_and_short_texts() -> None:
    assert list(grams("One, two three four five six 7!")) == [
        "one two three four five six",
        "two three four five six 0",
    ]
    assert list(grams("Only three words")) == ["only three words"]


@pytest.mark.parametrize(
    ("text_a", "text_b", "expected"),
    [
        ("Wait for 3 seconds, then go", "Neu", "pivot text in training"),
        ("Something that is really new here", "warte 1 sekunde.", "translation in training"),
        ("please wait for 5 seconds then go on", "Neu", "6-grams in training"),
        ("wait for 5 seconds then", "Neu", "6-grams in training"),
        ("you wait for 5 seconds or go now", "Neu", ""),
    ],
)
def test_leaks_have_reasons(text_a: str, text_b: str, expected: str) -> None:
    test = segment(text_a, text_b, split="test")
    leaks = Leaks([test], max_seen_share=0.3)
    leaks.see(segment("Wait for 5 seconds, then go!", "Warte 5 Sekunde"))
    assert leaks.reason(test) == expected


def test_a_translation_counts_as_seen_in_its_own_language_only() -> None:
    test = segment("Something that is really new here", "Warte kurz", split="test")
    leaks = Leaks([test], max_seen_share=0.5)
    leaks.see(segment("Another text", "Warte kurz")._replace(lang_b="lb"))
    assert leaks.reason(test) == ""


def test_transliterated_languages_are_in_latin_letters_on_both_sides_of_the_split() -> None:
    english = ["open the door of the room", "close the window of the house now", "wait for it here"]
    russian = [
        "откройте дверь комнаты сейчас",
        "закройте окно дома прямо сейчас",
        "подождите здесь",
    ]
    raw = [
        ParallelSegment(f"{n}", "src", "en", "ru", english[n % 3], russian[n % 3], f"src/{n}")
        for n in range(3)
    ]
    plain = ParallelCorpus(source="src", reader="moses", languages=["ru"])  # type: ignore[arg-type]
    section = CorporaSection(split=Split(test_share=0.5), cleaning=Cleaning(min_words=3))
    texts: dict[bool, dict[str, str]] = {}
    for latin in (False, True):
        corpus = plain.model_copy(update={"transliterated": ["ru"] if latin else []})
        hearing, tally = Hearing(1.0), CorpusTally()
        with tempfile.TemporaryDirectory() as folder:
            parallel.write(
                iter([(corpus, r) for r in raw]), section, 3, Path(folder), tally, hearing
            )
            rows = list(parquet.rows(Path(folder) / "parallel.parquet"))
        assert {row["split"] for row in rows} == {"train", "test"}
        texts[latin] = {row["id"]: row["text_b"] for row in rows}
        assert [row["text_a"] for row in rows] == [english[int(row["id"])] for row in rows]
    assert texts[False] == dict(zip("012", russian, strict=True))
    assert texts[True]["2"] == "podozhdite zdes"
    assert all(text.isascii() for text in texts[True].values())
