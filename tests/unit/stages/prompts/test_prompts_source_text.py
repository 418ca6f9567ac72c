"""Altered test sources: at rate 0 nothing changes, a third language leaks nothing, Serbian in both
scripts is one text in Latin letters."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from bayling_study.config.loading import load_config
from bayling_study.config.suites import TranslationSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt, write_prompts
from bayling_study.core.text.words import words
from bayling_study.shared.romanisation import romanised
from bayling_study.stages.prompts import PromptContext, translation
from bayling_study.stages.report.results import source_table
from helpers.interactive_corpus import rows
from helpers.synthesis_corpora import write_corpora

CONFIG = Path(__file__).parents[4] / "config" / "config.yaml"
DIRECTIONS = ["de-en", "en-zh"]

SERBIAN = [
    ("Страница је сачувана.", "Stranica je sačuvana."),
    ("Љубав, њива и џеп: ђак чита ћирилицу.", "Ljubav, njiva i džep: đak čita ćirilicu."),
    ("Унесите лозинку од најмање осам знакова!", "Unesite lozinku od najmanje osam znakova!"),
    ("Жена шета кроз Нови Сад 2024. године", "Žena šeta kroz Novi Sad 2024. godine"),
    ("ЊЕГОШ и Џон пишу: „Добро дошли“.", "NJEGOŠ i Džon pišu: „Dobro došli“."),
]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("altered") / "corpora"
    return write_corpora(folder, [*rows(), *rows("test", 100)])


def made(corpora: Path, name: str = "t", **values: Any) -> list[Prompt]:
    plain = {"kind": "translation", "directions": DIRECTIONS, "segments": 40}
    suite = TranslationSuite.model_validate({**plain, **values})
    return list(translation.build(name, suite, PromptContext(3, corpora)))


def switched(**options: Any) -> dict[str, Any]:
    return {"source_text": {"switched": options}}


def leaks(prompts: list[Prompt]) -> dict[str, list[str]]:
    """Returns what the report shows of each direction: sources, words exchanged, leak."""
    study: Any = SimpleNamespace(prompts=lambda suite: prompts)
    table = source_table(study, "t")
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def share(text: str) -> float:
    return float(text.removesuffix(" %"))


def test_at_rate_0_the_file_is_that_of_the_plain_suite(corpora: Path, tmp_path: Path) -> None:
    for name, options in (("plain", {}), ("zero", switched(rate=0.0)),
                          ("third", switched(rate=0.0, language="fr"))):  # fmt: skip
        write_prompts(tmp_path / name, made(corpora, **options))
    assert (tmp_path / "zero").read_bytes() == (tmp_path / "plain").read_bytes()
    assert (tmp_path / "third").read_bytes() == (tmp_path / "plain").read_bytes()


def test_sources_are_switched_and_references_are_not(corpora: Path) -> None:
    plain, mixed = made(corpora), made(corpora, **switched(rate=0.35))
    assert [p.references for p in mixed] == [p.references for p in plain]
    changed = 0
    for old, new in zip(plain, mixed, strict=True):
        text = new.meta["source_text"]
        assert new.turns == [old.turns[0].replace(old.meta["source_text"], text)]
        assert new.meta.get("plain_text", text) == old.meta["source_text"]
        assert ("plain_text" in new.meta) == (text != old.meta["source_text"])
        changed += text != old.meta["source_text"]
        gone = [word for word in words(old.meta["source_text"]) if word not in words(text)]
        assert len(gone) <= 0.35 * len(words(old.meta["source_text"]))
    assert changed > 20
    assert mixed == made(corpora, **switched(rate=0.35))  # the same bytes again
    found = leaks(mixed)
    assert set(found) == set(DIRECTIONS)
    assert all(share(exchanged) > 2 and share(leak) > 2 for _, exchanged, leak in found.values())


def test_a_third_language_shows_nothing_of_the_reference(corpora: Path) -> None:
    mixed = made(corpora, directions=["de-en"], **switched(rate=0.35, language="zh"))
    assert sum("plain_text" in prompt.meta for prompt in mixed) > 10
    chinese = {two for row in rows() if row["lang_b"] == "zh" for two in row["text_b"]}
    for prompt in mixed:
        new = set(prompt.meta["source_text"]) - set(prompt.meta.get("plain_text", ""))
        assert "plain_text" not in prompt.meta or new & chinese
    [(sources, exchanged, leak)] = leaks(mixed).values()
    assert (sources, leak) == ("40", "0.0 %")
    assert share(exchanged) > 2


def test_a_suite_can_ask_the_segments_of_another(corpora: Path) -> None:
    def asked(name: str, **values: Any) -> list[str]:
        return [prompt.meta["segment"] for prompt in made(corpora, name, **values)]

    assert asked("u") != asked("t")
    assert asked("u", same_segments_as="t", **switched(rate=0.3)) == asked("t")


def test_serbian_in_both_scripts_is_one_text_in_latin_letters() -> None:
    for cyrillic, latin in SERBIAN:
        assert romanised(cyrillic, "sr").casefold() == romanised(latin, "qsr").casefold()
    assert romanised("Држава", "sr") == "Drzhava"
    assert (romanised("Київ", "uk"), romanised("Київ", "ast")) == ("Kyiv", "Kiyiv")


def test_sources_are_romanised_and_references_are_not(corpora: Path) -> None:
    options = {"directions": ["zh-en"], "segments": 10}
    plain = made(corpora, **options)
    latin = made(corpora, **options, source_text={"transliterated": True})
    assert [p.references for p in latin] == [p.references for p in plain]
    for old, new in zip(plain, latin, strict=True):
        assert new.meta["plain_text"] == old.meta["source_text"]
        assert new.meta["source_text"] == romanised(old.meta["source_text"], "zh")
        assert new.turns[0].isascii()


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ({"same_segments_as": "nowhere"}, r"same_segments_as(.|\n)*translation"),
        (
            {"same_segments_as": "translation", "segments": 7},
            r"suite that draws \d+ segments is called",
        ),
        ({"same_segments_as": "interactive"}, r"suite that draws \d+ segments is called"),
        (switched(rate=0.2, language="de"), "de-de has the same language twice"),
        (switched(rate=0.2, language="en"), "en-en has the same language twice"),
        (switched(rate=0.2, language="ja"), r"switched\.language(.|\n)*no parallel corpus has"),
        (switched(rate=1.2), "rate"),
        (switched(language="fr"), "rate"),
    ],
    ids=[
        "unknown",
        "another size",
        "another kind",
        "its own language",
        "the target's",
        "no text",
        "share",
        "none",
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(
    tmp_path: Path, suite: dict[str, Any], message: str
) -> None:
    path = tmp_path / "mine.yaml"
    values = {"kind": "translation", "directions": ["zh-en", "de-en"], **suite}
    path.write_text(yaml.safe_dump({"suites": {"altered": values}}))
    with pytest.raises(StudyError, match=message):
        load_config(CONFIG, path)
