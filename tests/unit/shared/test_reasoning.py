"""Reasoning is told apart from the answer, whatever marks it and however it ends."""

from __future__ import annotations

import pytest

from bayling_study.shared.reasoning import TAGS, begun, split


@pytest.mark.parametrize(("start", "end"), TAGS)
def test_every_pair_of_marks(start: str, end: str) -> None:
    whole = f"{start}\nHm, {{formal}}?\n{end}\n\nGuten Tag"
    assert split(whole) == ("Hm, {formal}?", "Guten Tag")
    assert split(f"Hm?{end}Guten Tag") == ("Hm?", "Guten Tag")  # the template wrote the first
    assert split(f"Hm?{end}Guten Tag", inside=True) == ("Hm?", "Guten Tag")
    assert split(f"\n {start}Hm, formal or") == ("Hm, formal or", "")
    assert split(f"{start}\n\n{end}\n\nGuten Tag") == ("", "Guten Tag")
    assert split(f"{start}a{end}\n{start}b{end} c") == ("a\n\nb", "c")
    assert split(f"a{end}\n{start}b") == ("a\n\nb", "")
    assert begun(f"<|assistant|>{start}\n")
    assert not begun(f"<|assistant|>{start}\n\n{end}\n\n")


@pytest.mark.parametrize(
    "text",
    [
        *("", "  Guten Tag \n", "I think <b>so</b>.", "a </b> c", "思考 <思考>"),
        "The mark <think> opens and </think> closes reasoning.",
        "Write [THINK] first.",
        "`<think>`",
    ],
)
def test_a_text_without_reasoning_comes_back_as_it_is(text: str) -> None:
    assert split(text) == ("", text)


def test_a_prompt_that_began_it_and_an_answer_that_never_ends_it() -> None:
    assert split(" Hm, formal or", inside=True) == ("Hm, formal or", "")
    assert split("", inside=True) == ("", "")
    # A model that writes the first mark although the prompt did.
    assert split("<think>Hm</think>Ja", inside=True) == ("Hm", "Ja")


def test_what_stands_behind_reasoning_may_name_its_marks() -> None:
    assert split("<think>Hm</think>The mark </think> ends it") == (
        *("Hm", "The mark </think> ends it"),
    )
