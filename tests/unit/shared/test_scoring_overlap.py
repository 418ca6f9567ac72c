"""BLEU and chrF from summed counts equal sacreBLEU's own results."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics import overlap
from bayling_study.shared.metrics.measurement import Options
from helpers.scoring_cases import answers, values

WORDS = ["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "quickly", "red", "."]


def text(draw: random.Random, longest: int) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(0, longest)))


def corpus(seed: int, size: int = 12, longest: int = 9) -> tuple[list[str], list[str]]:
    draw = random.Random(seed)
    return [text(draw, longest) for _ in range(size)], [text(draw, longest) for _ in range(size)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("longest", [2, 4, 12])
def test_corpus_scores_are_sacrebleus(seed: int, longest: int) -> None:
    hypotheses, references = corpus(seed, longest=longest)
    found = values(overlap.measure(answers(hypotheses, references), Options()))
    assert found["bleu"] == pytest.approx(BLEU().corpus_score(hypotheses, [references]).score)
    assert found["chrf2"] == pytest.approx(CHRF().corpus_score(hypotheses, [references]).score)
    plus = CHRF(word_order=2).corpus_score(hypotheses, [references]).score
    assert found["chrf++"] == pytest.approx(plus)


@pytest.mark.parametrize("seed", range(6))
def test_segment_scores_are_sacrebleus(seed: int) -> None:
    hypotheses, references = corpus(seed)
    bleu, chrf, _ = overlap.measure(answers(hypotheses, references), Options())
    assert len(bleu.segments) == len(chrf.segments) == len(hypotheses) > 0
    sentence = BLEU(effective_order=True)
    for index, (hypothesis, reference) in enumerate(zip(hypotheses, references, strict=True)):
        expected = sentence.sentence_score(hypothesis, [reference]).score
        assert bleu.segments[index] == pytest.approx(expected)
        expected = CHRF().sentence_score(hypothesis, [reference]).score
        assert chrf.segments[index] == pytest.approx(expected)


@pytest.mark.parametrize("tokenizer", ["13a", "zh", "ja-mecab", "char"])
def test_signature_is_sacrebleus(tokenizer: str) -> None:
    metric = BLEU(tokenize=tokenizer)
    metric.corpus_score(["a"], [["a"]])
    assert overlap.bleu_signature(tokenizer) == str(metric.get_signature())
    chrf = CHRF(word_order=2)
    chrf.corpus_score(["a"], [["a"]])
    assert overlap.chrf_signature(2) == str(chrf.get_signature())


def test_empty_hypotheses_count_as_empty_and_are_told() -> None:
    whole = overlap.measure(
        answers(["the cat sat on the mat"], ["the cat sat on the mat"]), Options()
    )
    with_empty = overlap.measure(
        answers(["the cat sat on the mat", " "], ["the cat sat on the mat"] * 2), Options()
    )
    assert values(with_empty)["bleu"] < values(whole)["bleu"] == pytest.approx(100)
    assert with_empty[0].note == "1 empty hypotheses, scored as empty"
    assert whole[0].note == ""
    assert np.isfinite(with_empty[0].segments).all()


def test_all_empty_is_zero() -> None:
    assert set(values(overlap.measure(answers(["", ""], ["a b", "c"]), Options())).values()) == {0}


def test_tokenizer_follows_the_target_language_and_the_config() -> None:
    japanese = answers(["猫が座った"], ["猫が座った。"], target="ja")
    usual = overlap.measure(japanese, Options())
    assert "tok:ja-mecab" in usual[0].signature
    both = overlap.measure(japanese, Options({"ja": ["ja-mecab", "char"]}))
    assert [m.metric for m in both[:2]] == ["bleu", "bleu-char"]
    assert "tok:char" in both[1].signature


def test_line_breaks_count_as_spaces() -> None:
    broken = overlap.measure(
        answers(["the cat\nsat on the mat"], ["the cat sat on the mat"]), Options()
    )
    assert values(broken)["bleu"] == pytest.approx(100)


def test_unknown_language_names_file_and_prompt() -> None:
    with pytest.raises(StudyError, match=r"suite\.jsonl: de-en/1.*xx"):
        overlap.measure(answers(["a"], ["a"], target="xx"), Options())


def test_missing_reference_names_the_prompt() -> None:
    with pytest.raises(StudyError, match=r"de-en/2: the prompt has no reference"):
        overlap.measure(answers(["a", "b"], ["a", []]), Options())


@pytest.mark.parametrize("target", ["zh", "zht", "yue"])
def test_latin_words_in_chinese_are_words(target: str) -> None:
    """By character a wrong brand name scores for its letters, 78 where sacreBLEU's zh gives 48."""
    given, expected = (
        "請打開 Bluetooth 設定，然後重新啟動裝置。",
        "請開啟 Bluetooth 設定，然後重啟裝置。",
    )
    found = overlap.measure(answers([given], [expected], target=target), Options())[0]
    assert "tok:zh" in found.signature
    assert found.value == pytest.approx(
        BLEU(tokenize="zh").corpus_score([given], [[expected]]).score
    )
    assert found.value < BLEU(tokenize="char").corpus_score([given], [[expected]]).score
