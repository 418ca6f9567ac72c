"""spBLEU against sacreBLEU's own tokenizer, and the off-target rate of known texts."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers import tokenizer_spm

from bayling_study.config.suites import FloresSuite
from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics import identification, translation
from bayling_study.shared.metrics.measurement import Answers, Options
from bayling_study.shared.metrics.resampling import Resampling
from bayling_study.shared.metrics.segment_scores import SegmentScores
from bayling_study.stages.scoring.results import score_suite
from bayling_study.stages.significance.__main__ import compare_suite
from bayling_study.stages.significance.families import Shown
from helpers.scoring_cases import answers, values

GERMAN = [
    "Das Gerät ist derzeit nicht verfügbar, bitte versuchen Sie es später noch einmal.",
    "Die Sitzung wurde beendet, weil längere Zeit keine Eingabe erfolgte.",
]
ENGLISH = [
    "The device is not available at the moment, please try again later.",
    "The session was ended because there was no input for a long time.",
]
CHINESE = ["该设备目前不可用，请稍后再试。", "由于长时间没有输入，会话已结束。"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a small SentencePiece model under sacreBLEU's name for it."""
    folder = tmp_path_factory.mktemp("sacrebleu") / "models"
    folder.mkdir()
    text = folder / "text"
    text.write_text("\n".join((GERMAN + ENGLISH + CHINESE) * 20), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.Train(
        input=str(text),
        model_prefix=str(folder / "spm"),
        vocab_size=100,
        character_coverage=1.0,
        minloglevel=2,
    )
    return (folder / "spm.model").rename(folder / translation.MODEL)


def test_spbleu_is_sacrebleus(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(model.parents[1]))
    draw = random.Random(2)
    references = [" ".join(draw.sample(line.split(), 8)) + " " for line in GERMAN * 5]
    given = [" ".join(draw.sample(line.split(), 8)) + "\n" for line in GERMAN * 4] + ["", "x"]
    found = translation.measure_flores(
        answers(given, references, target="de"), Options(spm=model, off_target=False)
    )
    metric = BLEU(tokenize="flores101")
    lines = [text.replace("\n", " ") for text in given]
    assert found[0].metric == "spbleu"
    assert found[0].value == pytest.approx(metric.corpus_score(lines, [references]).score)
    assert found[0].signature == str(metric.get_signature())


def test_a_damaged_model_is_told(tmp_path: Path) -> None:
    (tmp_path / translation.MODEL).write_text("not a model")
    with pytest.raises(StudyError, match="SentencePiece"):
        translation.measure_flores(answers(ENGLISH, ENGLISH), Options(spm=tmp_path / "x"))


@pytest.mark.parametrize(
    ("given", "expected"), [(GERMAN, 0.0), (ENGLISH, 100.0), ([GERMAN[0], ENGLISH[1]], 50.0)]
)
def test_answers_in_another_language_are_counted(given: list[str], expected: float) -> None:
    found = identification.measure(answers(given, GERMAN, target="de"), Options())
    assert values(found) == {"off-target": expected, "off-target-agreement": 100.0}
    assert "of the references 0.0 %" in found[0].note and "approximate" not in found[0].note
    assert "py3langid:" in found[0].signature and "pycld2:" in found[0].signature


LISTS = {
    "fr": "pain lait œufs fromage beurre farine sucre",
    "de": "Brot Milch Käse Butter Zucker Mehl Eier Äpfel",
    "es": "leche pan huevos queso mantequilla harina azúcar",
    "it": "pane latte uova formaggio burro farina zucchero",
    "pt": "pão leite ovos queijo manteiga farinha açúcar",
    "el": "ψωμί γάλα αυγά τυρί βούτυρο αλεύρι ζάχαρη",
}


@pytest.mark.parametrize("code", LISTS)
@pytest.mark.parametrize("mark", ["\n", "\t", "\r\n", "\x0b", "\x85"])
def test_words_at_breaks_are_not_glued(code: str, mark: str) -> None:
    """ "pain\\nlait" was asked for as "painlait", which is no French."""
    spaced, broken = LISTS[code], LISTS[code].replace(" ", mark)
    found = [
        identification.measure(answers([text], [spaced], target=code), Options())[0]
        for text in (spaced, broken)
    ]
    assert found[0].value == found[1].value == 0.0
    assert found[1].signature == f"{found[0].signature}|breaks:space"


def test_both_scripts_of_chinese_and_close_languages_count_as_one() -> None:
    traditional = ["該設備目前不可用，請稍後再試。", "由於長時間沒有輸入，會話已結束。"]
    for target in ("zh", "zht"):
        found = identification.measure(answers(traditional, CHINESE, target=target), Options())
        assert found[0].value == 0.0, target


def test_short_empty_and_odd_answers_have_no_vote_but_a_remark() -> None:
    given = ["", "42 %", "OK\x00\x85\ud800"]
    found = identification.measure(answers(given, GERMAN + GERMAN[:1], target="de"), Options())
    assert found[0].value == 0.0
    assert "approximate, 3 answers have fewer than 20 letters" in found[0].note


def test_a_language_that_no_identifier_knows_is_not_measured() -> None:
    assert identification.measure(answers(ENGLISH, ENGLISH, target="umb"), Options()) == []
    alone = identification.measure(answers(ENGLISH, ENGLISH, target="ceb"), Options())
    assert [m.metric for m in alone] == ["off-target"] and "py3langid" not in alone[0].signature
    off = replace(Options(), off_target=False)
    assert identification.measure(answers(ENGLISH, ENGLISH), off) == []


def test_votes() -> None:
    votes = np.array(
        [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]], dtype=np.uint32
    )
    assert identification.is_off(votes).tolist() == [False, False, True, True, False]
    agree, both = identification.agreement(votes)
    assert agree.tolist() == [True, False, False, True, False]
    assert both.tolist() == [True, True, False, True, False]


PLAN = Resampling(samples=20, confidence=0.95, seed=1)
METRICS = {"spbleu", "bleu", "chrf2", "chrf++", "off-target", "off-target-agreement"}
GROUP = {"en-xx": ["en-de", "en-umb"]}


def german_and_umbundu(texts: list[str], system: str) -> list[Answers]:
    """Returns answers in a language that both identifiers know and in one that neither knows."""
    return [
        replace(answers(texts, GERMAN, target=code, item=f"en-{code}"), system=system)
        for code in ("de", "umb")
    ]


def test_spbleu_and_what_only_some_languages_have_are_averaged(model: Path) -> None:
    items = german_and_umbundu(ENGLISH, "one")
    flores, options = FloresSuite(kind="flores"), Options({"umb": ["13a"]}, spm=model)
    for order in (items, items[::-1]):
        scores, _ = score_suite(order, flores, options, PLAN, GROUP)
        means = {score.metric: score for score in scores if score.item == "en-xx"}
        assert set(means) == METRICS
        assert means["off-target"].value == 100.0
        assert means["off-target"].note == "plain mean of 1 of 2 items"
        assert means["off-target"].signature.startswith("mean of 1 of 2 items|off-target|")
        assert means["spbleu"].note == "plain mean of 2 items"


def test_averages_are_compared_by_spbleu_and_by_what_only_some_languages_have(model: Path) -> None:
    answered = {
        "one": german_and_umbundu(ENGLISH, "one"),
        "two": german_and_umbundu(GERMAN, "two"),
    }
    extra = {name: SegmentScores({}) for name in answered}
    options = Options({"umb": ["13a"]}, spm=model)
    rows = compare_suite(answered, "flores", options, PLAN, extra, GROUP, Shown("one"))
    means = {row["metric"]: row for row in rows if row["item"] == "en-xx"}
    assert set(means) == METRICS
    assert means["off-target"]["signature"].startswith("mean of 1 of 2 items|")
    assert means["spbleu"]["signature"].startswith("mean of 2 items|")


def test_serbian_in_latin_letters_is_identified():
    """Both identifiers call Serbian in Latin letters Croatian, which counts as the same."""
    texts = ["Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima.", GERMAN[0]]
    assert identification.identifiers("qsr") == ["py3langid", "pycld2"]
    assert identification.is_off(identification.votes(texts, "qsr")).tolist() == [False, True]
