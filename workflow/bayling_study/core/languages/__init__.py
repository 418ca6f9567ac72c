"""Facts about languages, from CLDR through Babel; only what CLDR cannot know is written here. Codes
are ISO 639 (``zh``, ``de``, ``yue``) and those of ``LOCALES``."""

from functools import cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from bayling_study.core.errors import StudyError
from bayling_study.core.text import scripts

LOCALES = {"zht": "zh_Hant", "qsr": "sr_Latn"}
"""Languages in their second script: codes that fit in a direction (ISO 639 leaves ``qaa`` to
``qtz`` for private use), and what CLDR calls them."""

CHINESE_SCRIPTS = ("Hans", "Hant", "Hani")
BLEU_TOKENIZERS = dict.fromkeys(CHINESE_SCRIPTS, "zh") | {"ja": "ja-mecab"}
"""sacreBLEU's tokenizer of a script or language; unspaced others have ``char``, all others 13a.
``config/README.md`` has the table with its reasons."""

CHINESE_SHORT_NAMES = {"zh": "中文", "yue": "粤语"}
"""Names that the papers' Chinese prompts use where CLDR has another one."""


@cache
def locale(code: str) -> Locale:
    """Returns CLDR's data in a language, such as names (``StudyError`` if it has none)."""
    try:
        return Locale.parse(LOCALES.get(code, code))
    except (UnknownLocaleError, ValueError) as error:
        fix = "a language that CLDR has data in, such as de"
        raise StudyError(f"CLDR has no data in the language {code!r}", fix=fix) from error


@cache
def name(code: str, language: str = "en") -> str:
    """Returns a language's name in English or Chinese, as in the papers (``StudyError`` if none).
    Chinese prompts say ``英文`` and ``德文`` where CLDR says ``英语`` and ``德语`` (ictnlp/BayLing,
    README), so a final ``语`` of a two-character name becomes ``文``. Not of a Chinese language:
    吴语 is spoken, and all of them are written 中文."""
    if language == "zh" and code in CHINESE_SHORT_NAMES:
        return CHINESE_SHORT_NAMES[code]
    tag, names = LOCALES.get(code, code), locale(language).languages
    try:  # CLDR may have the name alone of a language (``umb``), or all data but the name
        text = names[tag] if tag in names else Locale.parse(tag).get_display_name(language)
    except (UnknownLocaleError, ValueError) as error:
        fix = "an ISO 639 code such as zh, de or yue"
        raise StudyError(f"{code!r} is not a language code", fix=fix) from error
    if not text:
        raise StudyError(f"CLDR has no name in {language!r} for the language {code!r}")
    short = language == "zh" and len(text) == 2 and text.endswith("语")
    if short and script(code) not in CHINESE_SCRIPTS:
        return f"{text[0]}文"
    return str(text)


@cache
def script(code: str) -> str:
    """Returns a language's script by ISO 15924: ``Latn`` (``StudyError`` if CLDR has none)."""
    if "_" in LOCALES.get(code, ""):
        return LOCALES[code].partition("_")[2]
    likely = get_global("likely_subtags").get(code)
    if likely is None:
        raise StudyError(f"the script of the language {code!r} is not known to CLDR")
    return str(likely.split("_")[1])


def is_unspaced(code: str) -> bool:
    """Tells whether the language is written without spaces between words."""
    return scripts.is_unspaced(script(code))


def bleu_tokenizer(code: str) -> str:
    """Returns sacreBLEU's tokenizer of a language (``StudyError`` if its script is unknown)."""
    usual = BLEU_TOKENIZERS.get(script(code), "char" if is_unspaced(code) else "13a")
    return BLEU_TOKENIZERS.get(code, usual)
