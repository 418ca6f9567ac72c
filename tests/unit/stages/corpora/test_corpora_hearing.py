"""Each side's language is told from a sample; exchanged sides and misread encodings are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.corpora import CorporaSection
from bayling_study.core.errors import StudyError
from bayling_study.stages.corpora import __main__ as program
from bayling_study.stages.corpora.hearing import Hearing
from bayling_study.stages.corpora.misread import is_misread

# How Article 1 of the Universal Declaration of Human Rights begins.
TEXTS = {
    "en": "All human beings are born free and equal in dignity and rights",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren",
    "da": "Alle mennesker er født frie og lige i værdighed og rettigheder",
    "nb": "Alle mennesker er født frie og med samme menneskeverd og menneskerettigheter",
    "nn": "Alle menneske er fødde til fridom og med same menneskeverd og menneskerettar",
    "id": "Semua orang dilahirkan merdeka dan mempunyai martabat dan hak-hak yang sama",
    "ms": "Semua manusia dilahirkan bebas dan samarata dari segi kemuliaan dan hak-hak",
    "hr": "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima",
    "bs": "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima",
    "sr": "Сва људска бића рађају се слободна и једнака у достојанству и правима",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心",
    "yue": "人人生而自由，喺尊嚴同埋權利上一律平等。佢哋有理性同良心",
    "hsb": "Wšitcy čłowjekojo su wot naroda swobodni a su jenacy po dostojnosći a prawach",
}


def heard(language: str, spoken: str, rows: int = 40, most: float = 0.5) -> dict[str, Any]:
    hearing = Hearing(most)
    for number in range(rows):
        hearing.hear("src/x", language, f"{TEXTS[spoken]} ({number})")
    (side,) = hearing.report()
    return side


@pytest.mark.parametrize("language", sorted(TEXTS.keys() - {"hsb"}))
def test_a_side_in_its_own_language_passes(language: str) -> None:
    assert heard(language, language) == {
        **{"group": "src/x", "language": language},
        **{"heard": 40, "voted": 40, "foreign": 0},
    }


@pytest.mark.parametrize(
    ("language", "spoken"),
    [
        ("bs", "hr"),
        ("hr", "bs"),
        ("id", "ms"),
        ("ms", "id"),
        ("nb", "nn"),
        ("nn", "nb"),
        ("yue", "zh"),
        ("wuu", "zh"),
    ],
)
def test_a_language_that_is_taken_for_its_neighbour_is_not_refused(
    language: str, spoken: str
) -> None:
    assert heard(language, spoken)["foreign"] == 0


@pytest.mark.parametrize(
    ("language", "spoken"), [("en", "de"), ("de", "en"), ("da", "de"), ("zh", "en"), ("id", "hr")]
)
def test_a_side_in_another_language_is_refused_with_a_sample(language: str, spoken: str) -> None:
    message = rf"src/x: 40 of 40 texts given as '{language}' .* '{TEXTS[spoken][:20]}"
    with pytest.raises(StudyError, match=message):
        heard(language, spoken)
    assert heard(language, spoken, most=1.0)["foreign"] == 40  # the key turns it off


@pytest.mark.parametrize("language", ["hsb", "dsb", "gsw"])
def test_a_language_that_no_identifier_knows_is_not_checked(language: str) -> None:
    assert heard(language, "en") == {"group": "src/x", "language": language, "heard": 40}


def test_too_few_votes_refuse_nothing() -> None:
    assert heard("en", "de", rows=19) == {
        **{"group": "src/x", "language": "en"},
        **{"heard": 19, "voted": 19, "foreign": 19},
    }


def test_the_sample_is_limited_and_does_not_depend_on_the_order() -> None:
    texts = [f"{TEXTS['en' if n % 3 else 'de']} ({n})" for n in range(1500)]
    found = []
    for order in (texts, texts[::-1]):
        hearing = Hearing(0.5)
        for text in order:
            hearing.hear("src/x", "en", text)
            hearing.hear("src/x", "en", "Too short")
        found += hearing.report()
    assert found[0] == found[1]
    assert found[0]["heard"] == 200
    assert 40 <= found[0]["foreign"] <= 95  # a third, 67, give or take four standard deviations


def build(folder: Path, pairs: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    files = folder / "files"
    files.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    lines = "\n".join(f"{a}\t{b}" for a, b in pairs) + "\n"
    (files / "x.tsv").write_text(lines, encoding="utf-8")
    corpus = {"source": "src", "reader": "tsv", "path": "x.tsv", "languages": ["de"]}
    section = CorporaSection(parallel=[corpus], **more)  # type: ignore[list-item]
    return program.build(section, {"src": folder}, 1, folder / "out")


def pairs(first: str, second: str) -> list[tuple[str, str]]:
    return [(f"{TEXTS[first]} {n}", f"{TEXTS[second]} {n}") for n in range(30)]


def test_exchanged_columns_are_refused_by_the_stage(tmp_path: Path) -> None:
    report = build(tmp_path / "right", pairs("en", "de"))["parallel"]["languages"]
    assert [(side["language"], side["foreign"]) for side in report] == [("de", 0), ("en", 0)]
    with pytest.raises(StudyError, match="given as 'de' are in another language"):
        build(tmp_path / "wrong", pairs("de", "en"))
    assert not (tmp_path / "wrong/out").exists()


def test_conversations_in_another_language_are_refused(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    rows = [{"instruction": f"Q {n}", "output": f"{TEXTS['de']} {n}"} for n in range(30)]
    (tmp_path / "files/a.json").write_text(json.dumps(rows), encoding="utf-8")
    corpus = {"source": "src", "reader": "alpaca", "path": "a.json"}
    for language in ("de", "en"):
        section = CorporaSection(conversations=[{**corpus, "language": language}])  # type: ignore[list-item]
        if language == "en":
            with pytest.raises(StudyError, match="given as 'en' are in another language"):
                program.build(section, {"src": tmp_path}, 1, tmp_path / "out-en")
        else:
            report = program.build(section, {"src": tmp_path}, 1, tmp_path / "out-de")
            assert report["conversations"]["languages"][0]["foreign"] == 0


def misread(text: str, encoding: str) -> str:
    """Reads a text's UTF-8 in another encoding; bytes that it leaves open stay as they are."""
    if encoding == "gbk":
        return text.encode().decode("gbk", "replace")
    return "".join(bytes([b]).decode(encoding, "ignore") or chr(b) for b in text.encode())


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1250", "cp1251"])
@pytest.mark.parametrize("language", ["de", "da", "nn", "hr", "sr", "zh", "hsb"])
def test_misread_text_is_told_from_right_text(language: str, encoding: str) -> None:
    assert is_misread(misread(TEXTS[language], encoding), language)
    assert not is_misread(TEXTS[language], language)


def test_misread_twice_and_as_gbk() -> None:
    assert is_misread(misread(misread(TEXTS["de"], "cp1252"), "cp1252"), "de")
    assert is_misread(misread("今天天气很好我们一起去公园散步吧", "gbk"), "zh")
    assert is_misread("It doesnâ€™t work", "en")
    assert is_misread("Bis zu 25Â°C", "de")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("LE JUGÉ…", "fr"),
        ("„Was für ein Spaß“", "de"),
        ("JÄ“", "de"),
        ("Polojasno, déšť", "cs"),
        ("Він і Віктор", "uk"),
        ("联通", "zh"),
        ("打开/关闭离开模式。", "zh"),
        ("AMANHÃ”", "pt"),
    ],
)
def test_right_text_that_looks_misread_stays(text: str, language: str) -> None:
    assert not is_misread(text, language)


def test_misread_rows_are_counted(tmp_path: Path) -> None:
    rows = pairs("en", "de")
    rows[3] = rows[3][0], misread(rows[3][1], "cp1252")
    report = build(tmp_path, rows)["parallel"]
    assert report["groups"]["src/de"]["rejected"]["misread encoding"] == 1
    assert "WÃ¼rde" in report["samples"]["misread encoding"][0]["text_b"]
