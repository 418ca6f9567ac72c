"""The languages of FLORES-101 and the names that CLDR gives them."""

from __future__ import annotations

from collections import Counter

import pytest
from babel import Locale

from bayling_study.config.base import Direction
from bayling_study.config.conditions import direction
from bayling_study.core import languages
from bayling_study.core.errors import StudyError
from bayling_study.core.languages.flores import flores, flores_languages

ALL = flores_languages()


def test_every_code_is_there_once():
    """The upstream list has 102 rows: 101 languages, Chinese in both scripts."""
    assert len(ALL) == 102
    for field in ("code", "flores101", "flores200"):
        assert len({getattr(language, field) for language in ALL}) == 102, field
    for reader in ("en", "zh"):
        assert len({languages.name(language.code, reader) for language in ALL}) == 102, reader


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


def test_names_and_scripts_are_those_of_cldr():
    """Chinese names of two characters end in 文, as the papers' prompts write them."""
    english, chinese = (Locale.parse(tag).languages for tag in ("en", "zh"))
    for language in ALL:
        tag = languages.LOCALES.get(language.code, language.code)
        assert languages.name(language.code, "en") == english[tag]
        name = chinese[tag]
        short = len(name) == 2 and name.endswith("语")
        assert languages.name(language.code, "zh") == (f"{name[0]}文" if short else name)
        korean = {"Kore": "Hang"}  # CLDR names the mixed script
        script = languages.script(language.code)
        assert language.script == korean.get(script, script)


def test_any_two_make_a_direction():
    assert "{2,3}" in Direction.__metadata__[0].pattern  # type: ignore[attr-defined]
    for language in ALL:
        if language.code != "en":
            direction(f"en-{language.code}", "here")


def test_resource_classes_cover_all():
    counts = Counter(language.resources for language in ALL)
    assert counts == {"high": 7, "mid": 39, "low": 41, "very low": 15}


def test_unknown_codes_are_refused():
    with pytest.raises(StudyError, match="no FLORES-101 language is called 'tlh'"):
        flores("tlh")
    with pytest.raises(StudyError, match="'zz' is not a language code"):
        languages.name("zz")


def test_a_second_script_has_a_name_and_its_own_facts():
    assert languages.name("qsr") == "Serbian (Latin)" and languages.script("qsr") == "Latn"
    assert languages.name("zht", "zh") == "繁体中文" and languages.is_unspaced("zht")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        *(("wuu", "吴语"), ("gan", "赣语"), ("hsn", "湘语"), ("yue", "粤语"), ("hak", "客家语")),
        *(("nan", "闽南语"), ("de", "德文"), ("ja", "日文"), ("ko", "韩文"), ("bo", "藏文")),
    ],
)
def test_chinese_languages_keep_the_names_that_cldr_has(code, name):
    """吴语 is a spoken language; 吴文 is not a word, as 德文 is."""
    assert languages.name(code, "zh") == name


def test_every_language_has_the_tokenizer_that_its_script_needs():
    special = {"zh": "zh", "zht": "zh", "ja": "ja-mecab"}
    special |= dict.fromkeys(("th", "my", "km", "lo"), "char")
    for language in ALL:
        assert languages.bleu_tokenizer(language.code) == special.get(language.code, "13a")
    for code in ("yue", "wuu", "gan", "hsn", "hak", "nan"):
        assert languages.bleu_tokenizer(code) == "zh"
    assert {languages.bleu_tokenizer(code) for code in ("bo", "dz")} == {"char"}
