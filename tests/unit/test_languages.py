"""The languages of FLORES-101 and the names that CLDR gives them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import lm_eval
import pytest
from babel import Locale

from bayling_study.config.base import Direction
from bayling_study.config.conditions import direction
from bayling_study.core import languages
from bayling_study.core.errors import StudyError
from bayling_study.core.languages.flores import (
    RESOURCES,
    flores,
    flores_languages,
    from_upstream,
    languages_of,
)

ALL = flores_languages()


def test_every_code_is_there_once():
    """The upstream list has 102 rows: 101 languages, Chinese in both scripts."""
    assert len(ALL) == 102
    for field in ("code", "flores101", "flores200", "english_name", "chinese_name"):
        counts = Counter(getattr(language, field) for language in ALL)
        assert [value for value, count in counts.items() if count > 1] == [], field


@pytest.mark.parametrize(
    ("code", "first", "second"),
    [
        ("zh", "zho_simpl", "zho_Hans"),
        ("zht", "zho_trad", "zho_Hant"),
        ("lv", "lav", "lvs_Latn"),
        ("ms", "msa", "zsm_Latn"),
        ("om", "orm", "gaz_Latn"),
        ("fa", "fas", "pes_Arab"),
        ("mn", "mon", "khk_Cyrl"),
        ("uz", "uzb", "uzn_Latn"),
    ],
)
def test_codes_whose_editions_differ(code, first, second):
    assert (flores(code).flores101, flores(code).flores200) == (first, second)
    assert from_upstream(first) is from_upstream(second) is flores(code)


def test_names_and_scripts_are_those_of_cldr():
    """Chinese names of two characters end in 文, as the papers' prompts write them."""
    english, chinese = (Locale.parse(tag).languages for tag in ("en", "zh"))
    for language in ALL:
        tag = languages.LOCALES.get(language.code, language.code)
        assert language.english_name == english[tag]
        name = chinese[tag]
        short = len(name) == 2 and name.endswith("语")
        assert language.chinese_name == (f"{name[0]}文" if short else name)
        korean = {"Kore": "Hang"}  # CLDR names the mixed script
        script = languages.script(language.code)
        assert language.script == korean.get(script, script)


def test_any_two_make_a_direction():
    assert "{2,3}" in Direction.__metadata__[0].pattern  # type: ignore[attr-defined]
    for language in ALL:
        if language.code != "en":
            direction(f"en-{language.code}", "here")


def test_belebele_has_what_the_harness_lists():
    tasks = Path(lm_eval.__file__).parent / "tasks" / "belebele"
    listed = {path.stem.removeprefix("belebele_") for path in tasks.glob("belebele_*_*.yaml")}
    assert len(listed) == 122
    assert [x.code for x in ALL if (x.flores200 in listed) != x.in_belebele] == []
    assert flores("de").belebele == "deu_Latn" and flores("cy").belebele is None


def test_resource_classes_cover_all_but_english():
    parts = [languages_of(resources) for resources in RESOURCES]
    assert [len(part) for part in parts] == [6, 39, 41, 15]
    assert languages_of(*RESOURCES) == tuple(x.code for x in ALL if x.code != "en")


def test_unknown_codes_are_refused():
    with pytest.raises(StudyError, match="no FLORES-101 language is called 'tlh'"):
        flores("tlh")
    with pytest.raises(StudyError, match="has the code 'deu_Cyrl'"):
        from_upstream("deu_Cyrl")
    with pytest.raises(StudyError, match="'zz' is not a language code"):
        languages.name("zz")


def test_a_second_script_has_a_name_and_its_own_facts():
    assert languages.name("qsr") == "Serbian (Latin)" and languages.script("qsr") == "Latn"
    assert languages.name("zht", "zh") == "繁体中文" and languages.is_unspaced("zht")
