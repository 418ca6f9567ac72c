"""Both sides of a comparison are read in one normal form, and released outputs as they are."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from bayling_study.core.files import write_json
from bayling_study.core.records import write_hypotheses
from bayling_study.shared.metrics.answers import measure, read_answers
from bayling_study.shared.metrics.measurement import Answers, Options
from helpers.scoring_cases import answers, values

EXCLUDED = (0x95B, 0x95C, 0x9DC, 0x9DF, 0xA36, 0xA59, 0xA5B, 0xFB2A)
"""Letters that no normal form composes (Unicode's composition exclusions)."""


def whole(text: str) -> str:
    """The text with letters of one code point, as keyboards write them and NFC does not."""
    for letter in map(chr, EXCLUDED):
        text = text.replace(unicodedata.normalize("NFC", letter), letter)
    return text


OTHER_SPELLINGS = {
    "hi": whole("सड़क पर बड़ी गाड़ी खड़ी है"),  # U+095C, which NFC takes apart
    "bn": whole("বাড়ি যাওয়ার সময় হয়েছে"),  # U+09DC, U+09DF
    "pa": whole("ਖ਼ਬਰ ਜ਼ਰੂਰੀ ਹੈ ਸ਼ਹਿਰ ਵਿੱਚ"),  # U+0A59, U+0A5B, U+0A36
    "he": whole("שׁלום וברכה לכולם היום"),  # U+FB2A
    "de": "Ge\u0308ra\u0308t für später",  # NFC composes
    "vi": "Thie\u0302\u0301t bi\u0323 không khả dụng",
    "ko": unicodedata.normalize("NFD", "장치를 사용할 수 없습니다"),
    "zht": "\u8c48\uf900 裝置 \ufa10 設定",  # compatibility ideographs
}
PLAIN = Options(off_target=False)


def changed(text: str) -> str:
    """The text in NFC, another one than given."""
    other = unicodedata.normalize("NFC", text)
    assert other != text
    return other


@pytest.mark.parametrize("code", OTHER_SPELLINGS)
def test_an_equal_answer_in_another_spelling_is_perfect(code: str) -> None:
    """A Hindi test set given as its own answers had chrF2 53."""
    text = OTHER_SPELLINGS[code]
    for given, expected in ((text, changed(text)), (changed(text), text), (text, text)):
        found = measure(answers([given], [expected], target=code), "translation", PLAIN)
        assert values(found)["chrf2"] == values(found)["chrf++"] == pytest.approx(100)
        assert {m.signature.endswith("|norm:NFC") for m in found} == {True}


def test_texts_in_nfc_keep_their_signature() -> None:
    found = measure(answers(["ein Gerät"], ["das Gerät"], target="de"), "translation", PLAIN)
    assert not any("norm" in m.signature for m in found)


def test_constraints_demands_and_exams_are_compared_in_one_form() -> None:
    word = whole("बड़ी")
    wanted = [{"constraints": [changed(word)]}]
    given = answers([f"{word} गाड़ी"], ["x"], wanted, target="hi")
    found = values(measure(given, "constrained", PLAIN))
    assert found["constraint-rate"] == found["constraint-rate-folded"] == 100
    keeps = {"type": "keeps", "least": 0.9, "replace": [[changed(word), "नई"]]}
    demands = [{"kind": "start", "checks": []}, {"kind": "replace", "checks": [keeps]}]
    turns = [[f"{word} गाड़ी यहाँ", "नई गाड़ी यहाँ"]]
    found = values(
        measure(answers(turns, turns, [{"demands": demands}], "hi"), "interactive", PLAIN)
    )
    assert found["satisfaction"] == 100 and found["kept"] == pytest.approx(200 / 3)
    exam = [{"answer_rule": "math"}]
    gold = measure(answers(["\\boxed{é}"], ["e\u0301"], exam), "exams", PLAIN)
    assert values(gold)["accuracy"] == 100


def test_released_outputs_keep_value_and_signature(tmp_path: Path) -> None:
    text = OTHER_SPELLINGS["hi"]
    ours = answers([text], [changed(text)], target="hi")
    found = []
    for kind in ("tuned", "published"):
        folder = tmp_path / kind
        write_hypotheses(folder / "suite.jsonl", ours.hypotheses)
        write_json(folder / "system.json", {"kind": kind, "items": {"suite": [ours.item]}})
        found.append(_chrf(read_answers(ours.prompts, folder, kind, "suite")[0]))
    assert found[0][0] == pytest.approx(100) and found[0][1].endswith("|norm:NFC")
    assert found[1][0] < 90 and "norm" not in found[1][1]
    assert found[1] == _chrf(replace(ours, released=True))


def _chrf(given: Answers) -> tuple[float, str]:
    found = {m.metric: m for m in measure(given, "translation", PLAIN)}["chrf2"]
    return found.value, found.signature
