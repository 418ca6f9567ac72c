"""Constraints, exam answers, mathematical answers and reviews."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics import exams, math_answers, translation, win_rates
from bayling_study.shared.metrics.aggregates import pool
from bayling_study.shared.metrics.answers import measure
from bayling_study.shared.metrics.measurement import Options
from bayling_study.shared.reasoning import TAGS
from bayling_study.shared.review_prompts import parse_scores
from helpers.scoring_cases import answers, values

REVIEW = "Evaluation evidence: …\n\nScore of the Assistant 1: {}\nScore of the Assistant 2: {}"


def test_constraints_exact_folded_and_all() -> None:
    given = answers(
        ["The Cat sat", "a dog"],
        ["The cat sat", "a dog ran"],
        [{"constraints": ["cat", "sat"]}, {"constraints": ["dog"]}],
    )
    found = translation.measure_constrained(given, Options())
    result = values(found)
    assert result["constraint-rate"] == pytest.approx(200 / 3)
    assert result["constraint-rate-folded"] == 100
    assert result["constraint-all"] == 50
    assert found[0].note == "2/3 constraints"
    assert {"bleu", "chrf2"} <= set(result)


def test_prompt_without_constraints_is_refused() -> None:
    with pytest.raises(StudyError, match="de-en/1: the prompt's meta names no constraints"):
        translation.measure_constrained(answers(["a"], ["a"], [{"constraints": []}]), Options())


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Answer is choice (C)", "C"),
        ("Answer: Choice B, not D", "B"),
        ("答案是选项(D)", "D"),
        ("answer is choice (c)", None),
        ("", None),
    ],
)
def test_first_letter(text: str, letter: str | None) -> None:
    assert exams.first_letter(text) == letter


def test_several_choices_are_a_set() -> None:
    assert exams.letter_set("D and B, so BD") == "BD"
    assert exams.letter_set("none") is None


def test_exam_rates_and_ceiling() -> None:
    rule = {"answer_rule": "single"}
    given = answers(["Answer is B", "?", "A"], ["B", "C", "AD"], [rule] * 3, item="sat-math")
    found = {m.metric: m for m in exams.measure(given, Options())}
    assert found["accuracy"].value == pytest.approx(100 / 3)
    assert found["accuracy"].note == "1/3 right"
    assert found["unparseable"].value == pytest.approx(100 / 3)
    assert found["gold-ceiling"].value == pytest.approx(200 / 3)  # "AD" cannot be answered


def test_own_systems_are_marked_by_both_rules_and_released_ones_by_theirs() -> None:
    rule = {"answer_rule": "single"}
    texts = ["Final answer: D", "I cannot tell, Bob", "B", "A. far\nB. near"]
    given = answers(texts, ["D", "B", "B", "A"], [rule] * 4, item="sat-math")
    found = {m.metric: m for m in exams.measure(given, Options())}
    assert found["accuracy"].value == 75 and found["unparseable"].value == 0
    assert found["accuracy-stated"].note == "2/4 right"
    assert found["unparseable-stated"].note == "2 answers"
    released = values(exams.measure(replace(given, released=True), Options()))
    assert list(released) == ["accuracy", "unparseable", "gold-ceiling"]


def test_exam_rule_and_gold_are_needed() -> None:
    with pytest.raises(StudyError, match="answer rule of 'x' is 'guess'"):
        exams.measure(answers(["A"], ["A"], [{"answer_rule": "guess"}], item="x"), Options())
    with pytest.raises(StudyError, match="x/1: the question has no gold answer"):
        exams.measure(answers(["A"], [" "], [{"answer_rule": "single"}], item="x"), Options())


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"so \boxed{x = \frac{1}{2}}", r"\frac{1}{2}"),
        (r"first \boxed{1} then \boxed{2}", "2"),
        (r"\boxed{1", None),
        ("thus $x = 3$", "3"),
        ("$1$ and $2$ on one line", "1$ and $2"),
        ("line $4$\nlast", "4"),
        ("x = 7.", "7"),
        ("there are 12 ways", "12"),
        ("12m of 5 kg", "5"),
        ("令 $x=1$。答案是 5", "5"),
        ("答案是 $7$,也说答案是 8", "7"),
        ("none", None),
    ],
)
def test_final_answer(solution: str, answer: str | None) -> None:
    assert math_answers.final_answer(solution) == answer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1/2", r"\frac{1}{2}"),
        ("0.5", r"\frac12"),
        (".5", "0.5"),
        (r"\tfrac{3}{4}", r"\dfrac34"),
        (r"\frac1{72}", r"\frac{1}{72}"),
        (r"90^\circ", "90"),
        ("k = 3", "3"),
        (r"\sqrt2", r"\sqrt{2}"),
        (r"5\text{ cm}", "5"),
        (r"\left( 1, 2 \right)", "(1,2)"),
        (r"20\%", "20"),
    ],
)
def test_equivalent_answers(one: str, other: str) -> None:
    assert math_answers.equivalent(one, other)


@pytest.mark.parametrize(("one", "other"), [("1", "2"), ("x=1=y", "1"), ("2/1", "2"), ("-1", "1")])
def test_different_answers(one: str, other: str) -> None:
    assert not math_answers.equivalent(one, other)
    assert not math_answers.equivalent(None, other)


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        (REVIEW.format(8, 7.5), (8, 7.5)),
        ("Score of Assistant 1: 9\nScore of Assistant 2: 4", (9, 4)),
        ("score of the assistant 2: 4 … score of the assistant 1: 10/10", (10, 4)),
        ("Score of the Assistant 1: 9", None),
        ("good", None),
    ],
)
def test_review_scores(text: str, scores: tuple[float, float] | None) -> None:
    assert parse_scores(text) == scores


@pytest.mark.parametrize(
    ("one", "score"),
    [
        *(("Score of the Assistant 1: 8,5", 8.5), ("Score of the Assistant 1: 8.5.", 8.5)),
        *(("Score of the Assistant 1: ８", 8), ("Score of the Assistant 1：٨٫٥", 8.5)),
        *(("**Score of the Assistant 1**: 8", 8), ("**Score of the Assistant 1:** 8", 8)),
        *(("__Score of the Assistant 1__: **8**", 8), ("| Score of the Assistant 1 | 8 |", 8)),
        *(("Score of the Assistant 1: <8>", 8), ("Score of the Assistant 1: [[8]]", 8)),
        *(("Score of the Assistant 1: `8`", 8), ("`Score of the Assistant 1`: `8`", 8)),
        *(('"Score of the Assistant 1": "8"', 8), ("Score of the Assistant 1: (8)", 8)),
        *(("Score of the Assistant 1: **8**/10", 8), ("Score of the Assistant 1: 8 out of 10", 8)),
        *(("Score of the Assistant 1: 8 - clear and short", 8), ("Score of Assistant 1:\n8", 8)),
        ("Score of the Assistant 1: 8\n- 10 facts are right", 8),
        ("Score of the Assistant 1: 1-10\nScore of the Assistant 1: 8", 8),
        ("<think>\nScore of the Assistant 1: 2\n</think>\nScore of the Assistant 1: 8", 8),
        ("Score of the Assistant 1: 2\n</think>\nScore of the Assistant 1: 8", 8),
    ],
)
def test_forms_in_which_judges_state_a_score(one: str, score: float) -> None:
    assert parse_scores(f"{one}\nScore of the Assistant 2: 4") == (score, 4)


@pytest.mark.parametrize(("start", "end"), TAGS)
def test_scores_in_a_judges_draft_do_not_count(start: str, end: str) -> None:
    draft = f"{start}Score of the Assistant 1: 2\nScore of the Assistant 2: 3"
    assert parse_scores(draft) is None
    assert parse_scores(f"{draft}{end}\nBoth are good.") is None
    assert parse_scores(f"{draft}{end}\n{REVIEW.format(8, 7.5)}") == (8, 7.5)


@pytest.mark.parametrize(
    "stated",
    [
        *("1-10", "8–9", "8 to 9", "**7** ~ **8**", "7 or 8", "7至8", "1 − 10"),
        *("80", "95", "0", "10.5", "8/5", "80/100", "8 out of 100", "4 of 5", "80%", "8 %"),
        *("8½", "8 1/2", "<score>", "-3", "８０"),
    ],
)
def test_what_is_no_score_of_the_scale_is_not_read(stated: str) -> None:
    text = f"Score of the Assistant 1: {stated}\nScore of the Assistant 2: 4"
    assert parse_scores(text) is None
    # nor does an earlier score stand where the last number stated is none of the scale
    if stated[0].isdigit():
        assert parse_scores(f"Score of the Assistant 1: 5\n{text}") is None


def test_released_reviews_are_read_by_the_rule_of_the_published_figures() -> None:
    """The rule as it was, whatever else a judge of a study may write."""
    texts = [REVIEW.format("8 (of 9)", "1-10"), REVIEW.format("0", "80")]
    found = values(win_rates.measure(answers(texts, [[]] * 2), Options()))
    assert (found["score-sum"], found["score-sum-opponent"]) == (8, 81)


@pytest.mark.parametrize("draft", ["<think>\n{}", "{}\n</think>\n", "<think>{}</think> So:"])
def test_scores_of_a_draft_do_not_count(draft: str) -> None:
    assert parse_scores(draft.format(REVIEW.format(8, 7))) is None


def test_wins_sums_and_categories() -> None:
    texts = [REVIEW.format(8, 7), REVIEW.format(5, 5), REVIEW.format(2, 8)]
    meta = [{"category": name} for name in ("math", "math", "fermi")]
    found = win_rates.measure(answers(texts, [[]] * 3, meta), Options())
    result = values(found)
    assert [result[name] for name in ("win", "tie", "loss")] == [1, 1, 1]
    assert result["score-ratio"] == pytest.approx(75)
    assert result["win-share"] == pytest.approx(100 / 3)
    assert result["not-worse-share"] == pytest.approx(200 / 3)
    assert (result["mean.math"], result["mean-opponent.math"]) == (6.5, 6)
    assert "consistent-share" not in result
    pooled = values(pool([{m.metric: m for m in found}] * 2))
    assert pooled["win"] == 2 and pooled["score-ratio"] == pytest.approx(75)


def test_both_orders_are_averaged_and_their_agreement_told() -> None:
    texts = [REVIEW.format(9, 5), REVIEW.format(8, 6), REVIEW.format(7, 6), REVIEW.format(3, 8)]
    meta = [{"question_id": q, "swapped": s} for q in (1, 2) for s in (False, True)]
    result = values(win_rates.measure(answers(texts, [[]] * 4, meta), Options()))
    # question 1: 9:5 and, exchanged, 6:8 give 7.5:6.5; question 2: 7:6 and 8:3
    assert (result["win"], result["score-sum"], result["score-sum-opponent"]) == (2, 15, 11)
    assert result["consistent-share"] == 50
    assert result["first-shown-share"] == 75


def test_a_question_without_scores_is_unjudged_and_keeps_its_place() -> None:
    texts = [REVIEW.format(9, 5), "no scores", REVIEW.format(7, 6), REVIEW.format(3, 8)]
    texts += ["nothing", "at all"]
    names = {"judge": "j", "baseline": "b", "category": "math"}
    meta = [{"question_id": q, "swapped": s, **names} for q in (1, 2, 3) for s in (False, True)]
    found = win_rates.measure_judged(answers(texts, [[]] * 6, meta), Options())
    result = values(found)
    assert [result[name] for name in ("win", "tie", "loss")] == [2, 0, 0]
    assert (result["score-sum"], result["score-sum-opponent"]) == (16.5, 9.5)
    assert result["win-share"] == 100
    assert result["mean.math"] == 8.25
    assert result["consistent-share"] == 100  # of the one question with both orders
    assert result["unjudged"] == pytest.approx(100 / 3)
    assert {len(m.statistics) for m in found} == {3}
    assert {m.signature for m in found} == {
        "review|format:FairEval|orders:2|version:2|judge:j|against:b"
    }


def test_a_judge_that_never_states_scores() -> None:
    meta = [{"question_id": 1, "swapped": s, "judge": "j", "baseline": "b"} for s in (False, True)]
    result = values(win_rates.measure_judged(answers(["", "?"], [[]] * 2, meta), Options()))
    assert result == {"unjudged": 100}


def test_one_order_judged_has_values_but_no_consistency() -> None:
    meta = [{"question_id": 1, "swapped": s, "judge": "j", "baseline": "b"} for s in (False, True)]
    texts = [REVIEW.format(8, 4), "?"]
    result = values(measure(answers(texts, [[]] * 2, meta), "judged", Options()))
    assert (result["win-share"], result["score-ratio"], result["unjudged"]) == (100, 200, 0)
    assert "consistent-share" not in result


def test_review_without_a_score_names_it() -> None:
    with pytest.raises(StudyError, match=r"suite\.jsonl: de-en/2: the review states no score"):
        win_rates.measure(answers([REVIEW.format(1, 2), "good"], [[], []]), Options())
