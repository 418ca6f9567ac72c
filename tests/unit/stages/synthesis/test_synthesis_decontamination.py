from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayling_study.core.records import Prompt, write_prompts
from bayling_study.stages.synthesis.audit import audit
from bayling_study.stages.synthesis.decontamination import Contamination, held_out_texts
from bayling_study.stages.synthesis.hashing import text_hashes
from helpers.interactive_corpus import rows
from helpers.synthesis_corpora import CharacterTokenizer, made, mixture, talks, write_corpora

LONG = " ".join(f"w{number}" for number in range(20))
SHORT = " ".join(f"v{number}" for number in range(9))


@pytest.fixture(scope="module")
def tests() -> Contamination:
    chinese = "请在此输入您的设备的用户名和密码以便登录"
    thai = "กรุณาใส่ชื่อผู้ใช้และรหัสผ่านของอุปกรณ์ของคุณที่นี่"
    return Contamination({"one": [LONG, chinese], "two": [SHORT, "ja nein doch", thai]})


@pytest.mark.parametrize(
    ("text", "suite", "reason"),
    [
        ("so " + " ".join(f"W{number}" for number in range(3, 16)), "one", "13-gram"),
        ("v1 v2, v3 v4 v5 v6 v7 v8! x", "two", "8-gram"),
        ("好的，请在此输入您的设备的用户名和其他", "one", "13-gram"),
        ("โปรดใส่ชื่อผู้ใช้และรหัสผ่านของอุปกรณ์ครับ", "two", "21-gram"),
        ("Ja  nein — doch.", "two", "equals"),
    ],
)
def test_what_a_test_has_is_found_with_its_suite(
    tests: Contamination, text: str, suite: str, reason: str
) -> None:
    found = tests.find(["nothing of it", text])
    assert found[0] is None
    assert found[1] is not None and found[1].suite == suite and reason in found[1].reason


@pytest.mark.parametrize(
    "text",
    [" ".join(f"w{number}" for number in range(12)), "nein ja nein", "", "用户名"],
)
def test_less_than_that_is_no_contamination(tests: Contamination, text: str) -> None:
    assert tests.find([text]) == [None]


def test_texts_of_a_batch_do_not_run_into_each_other(tests: Contamination) -> None:
    parts = LONG.split()
    assert tests.find([" ".join(parts[:10]), " ".join(parts[10:])]) == [None, None]


SENTENCES = st.lists(st.sampled_from("abc"), max_size=30).map(" ".join)


@given(st.lists(SENTENCES, max_size=4), st.lists(SENTENCES, max_size=4))
def test_what_is_found_is_what_shares_words_in_a_row(tests: list[str], texts: list[str]) -> None:
    def runs(text: str, size: int) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[n : n + size]) for n in range(len(words) - size + 1)}

    def gives_away(text: str, test: str) -> bool:
        sizes = [size for size in (13, 8, 6) if len(test.split()) >= size][:1]
        alike = text == test and len(test.split()) >= 3
        return alike or any(not runs(text, n).isdisjoint(runs(test, n)) for n in sizes)

    found = Contamination({"suite": tests}).find(texts)
    expected = [any(gives_away(text, test) for test in tests) for text in texts]
    assert [one is not None for one in found] == expected


def test_another_process_finds_the_same(tests: Contamination) -> None:
    texts = [LONG, SHORT, "ja nein doch", "none of these"]
    assert pickle.loads(pickle.dumps(tests)).find(texts) == tests.find(texts)


@given(st.lists(st.text(max_size=8), max_size=8))
def test_equal_texts_have_equal_hashes_and_others_not(texts: list[str]) -> None:
    hashes = text_hashes(texts).tolist()
    assert len(set(zip(texts, hashes, strict=True))) == len(set(texts)) == len(set(hashes))


def prompt(number: int, turn: str, reference: str, source: str = "") -> Prompt:
    meta = {"source_text": source} if source else {}
    return Prompt(f"x/{number}", "s", "x", {"target": "en"}, [turn], [reference], meta)


def held_out(folder: Path, prompts: Iterable[Prompt]) -> Iterator[str]:
    write_prompts(folder / "s.jsonl", prompts)
    return held_out_texts(folder / "s.jsonl")


def test_a_suites_frame_is_no_test_text_but_its_questions_and_references_are(
    tmp_path: Path,
) -> None:
    frame = 'Question:\n{q}\n\nOutput the correct answer in this format: "Answer is choice ()"'
    exams = [prompt(n, frame.format(q=f"Why is {n} odd?"), "A") for n in range(20)]
    texts = list(held_out(tmp_path, exams))
    assert not any("correct answer" in text for text in texts)
    assert sum("odd" in text for text in texts) == 20
    translation = prompt(1, "Provide the English translation: Haus", "house", source="Haus")
    assert list(held_out(tmp_path, [translation])) == ["house", "Haus"]


def test_a_text_of_many_directions_is_held_out_once_and_is_no_frame(tmp_path: Path) -> None:
    prompts = [prompt(n, "?", f"reference {n % 40}", f"source {n % 9}") for n in range(90)]
    texts = list(held_out(tmp_path, prompts))
    assert len(texts) == len(set(texts)) == 49
    assert {text for text in texts if text.startswith("source")} == {
        f"source {n}" for n in range(9)
    }


def test_the_texts_of_suites_are_read_as_they_are_taken(tmp_path: Path) -> None:
    def peak(repeats: int) -> int:
        path = tmp_path / f"{repeats}.jsonl"
        texts = [f"{number} {'word ' * 60}" for number in range(100)]
        write_prompts(path, (prompt(n, "?", texts[n % 100], "s") for n in range(100 * repeats)))
        tracemalloc.start()
        assert sum(1 for _ in held_out_texts(path)) == 101
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak(1)
    assert peak(20) < peak(2) + 100_000  # the references of 2,000 prompts take 0.7 MB


def test_rows_and_conversations_of_a_suites_text_are_removed_and_counted(tmp_path: Path) -> None:
    secret = "Seven grey owls sat on the old church tower until the morning bell rang twice."
    leak = talks(1)[0]
    leak["messages"][1]["content"] = f"Note: {secret}"
    corpora = write_corpora(tmp_path / "corpora", general=[leak, *talks()[1:]])
    row = rows()[0]
    tests = {"wmt": [secret], "flores": [row["text_a"]]}
    wanted = mixture(conversations=100, shares={"translation": 0.9, "general": 0.1})
    result, table = made(tmp_path / "made", corpora, wanted, tests=tests)
    contents = "\n".join(m["content"] for r in table["messages"].to_pylist() for m in r)
    assert secret not in contents and row["text_a"] not in contents
    found = audit(result, CharacterTokenizer(), "bayling")["contamination"]
    assert found["wmt"] == {"rows": 0, "conversations": 1}
    assert found["flores"]["rows"] >= 2
