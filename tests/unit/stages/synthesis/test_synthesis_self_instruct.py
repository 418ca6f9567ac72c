"""Instructions that a teacher writes after examples: which are kept, and why others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.synthesis import Mixture
from bayling_study.shared.endpoint import Endpoint
from bayling_study.stages.synthesis.recipes import self_instruct
from bayling_study.stages.synthesis.teacher import EndpointTeacher, Messages
from helpers.endpoint_server import serving
from helpers.synthesis_corpora import made, mixture, talks, write_corpora

TASKS = [
    "Explain how a lighthouse warns ships at night.",
    "List four vegetables that grow well in cold gardens.",
    "Write a polite letter that asks for a day off.",
    "Describe the taste of fresh strawberries to a child.",
    "Name three rivers of Europe and the seas they reach.",
    "Why do birds fly south before the winter begins?",
    "Compare travelling by train with travelling by car.",
    "Give advice to somebody who cannot sleep well.",
]
ANSWER = "Here is an answer of a few plain English words about it."


def is_asked_to_write(messages: Messages) -> bool:
    return "Write one more task" in messages[-1]["content"]


class Author:
    """A teacher that writes the same tasks again and again, and answers each alike."""

    def __init__(self, tasks: list[str], answer: str = ANSWER) -> None:
        self.tasks, self.answer, self.shown = tasks, answer, list[int]()

    def complete(self, requests: Iterable[Messages]) -> Iterator[str | None]:
        for messages in requests:
            if is_asked_to_write(messages):
                self.shown.append(messages[-1]["content"].count("\n- "))
                yield self.tasks[(len(self.shown) - 1) % len(self.tasks)]
            else:
                yield self.answer


def wanted(conversations: int = 40, **options: Any) -> Mixture:
    chosen = {"languages": {"en": 1.0}, **options}
    shares = {"self-instruct": 1.0}
    return mixture(shares=shares, conversations=conversations, self_instruct=chosen)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpora(tmp_path_factory.mktemp("corpora"), general=talks(20))


def test_each_instruction_is_kept_once_and_the_recipe_ends(tmp_path: Path, corpora: Path) -> None:
    author = Author(TASKS)
    result, table = made(tmp_path / "made", corpora, wanted(), teachers={"teacher": author})
    rows = table.to_pylist()
    assert sorted(row["messages"][0]["content"] for row in rows) == sorted(TASKS)
    assert {row["messages"][1]["content"] for row in rows} == {ANSWER}
    assert {(row["source"], *row["languages"]) for row in rows} == {("chat", "en")}
    counts = result.rejections["mixture"].counts
    again = counts["self-instruct: an instruction like one before"]
    assert again == len(author.shown) - len(TASKS) and counts["self-instruct: no material left"]
    # examples alone in the first requests, then two of the instructions that were kept as well
    assert author.shown[:32] == [3] * 32 and set(author.shown[32:]) == {5}
    assert len(author.shown) <= 32 + 2 * 32, "a teacher that writes nothing new is given up"
    for one, other in combinations(TASKS, 2):
        assert not self_instruct.alike(one, other, 0.7), (one, other)


@pytest.mark.parametrize(
    ("task", "answer", "reason"),
    [
        (" . ", ANSWER, "an empty instruction"),
        (f'"{TASKS[0]}"', ANSWER, "an instruction in quotation marks or a list"),
        ("Erkläre bitte, warum der Himmel am Abend so rot ist.", ANSWER, "an instruction in an"),
        ("Count to 3 in en!", ANSWER, "an instruction like one before"),
        (TASKS[0], "", "an empty answer"),
        (TASKS[0], "Das ist eine Antwort in deutscher Sprache.", "an answer in another language"),
    ],
)
def test_what_the_teacher_writes_is_verified(
    task: str, answer: str, reason: str, tmp_path: Path, corpora: Path
) -> None:
    teachers = {"teacher": Author([task], answer)}
    result, table = made(tmp_path / "made", corpora, wanted(4), teachers=teachers)
    assert len(table) == 0
    reasons = list(result.rejections["mixture"].counts)
    assert any(text.startswith(f"self-instruct: {reason}") for text in reasons), reasons


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("a b c d", "A c x D", 0.75),  # three words in order, of four each
        ("police killed the gunman", "police kill the gunman", 0.75),  # Lin 2004, section 3.1
        ("police killed the gunman", "the gunman kill police", 0.5),
        ("请解释天空", "请解释大海", 0.6),  # a character is a word
        ("", "a", 0.0),
    ],
)
def test_rouge_l_counts_words_in_order(one: str, other: str, share: float) -> None:
    if share:
        assert self_instruct.alike(one, other, share)
    assert not self_instruct.alike(one, other, share + 0.01)


def test_a_second_run_asks_nothing_again_and_gives_the_same_bytes(
    tmp_path: Path, corpora: Path
) -> None:
    def answer(body: dict[str, Any], number: int) -> str:
        asked = body["messages"]
        return TASKS[number % len(TASKS)] if is_asked_to_write(asked) else ANSWER

    with serving(answer) as server:
        files, paid = [], []
        for name in ("one", "two"):
            cache = tmp_path / "answers.jsonl"
            with Endpoint(server.settings(parallel=1), cache, "systems.teacher") as endpoint:
                teachers = {"teacher": EndpointTeacher(endpoint)}
                _, table = made(tmp_path / name, corpora, wanted(6), teachers=teachers)
            files.append((tmp_path / name / "train.parquet").read_bytes())
            paid.append(len(server.bodies))
        assert files[0] == files[1] and paid[0] == paid[1] and len(table) > 2


def test_without_examples_nothing_is_asked(tmp_path: Path) -> None:
    few = write_corpora(tmp_path / "corpora", general=talks(2))
    author = Author(TASKS)
    result, table = made(tmp_path / "made", few, wanted(), teachers={"teacher": author})
    assert not author.shown and len(table) == 0
    assert result.rejections["mixture"].counts == Counter({"self-instruct: no material left": 1})
