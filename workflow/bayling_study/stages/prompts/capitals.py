"""Which city is the capital: the same questions in every language that CLDR has names in.

A test of knowledge transfer: facts that a model knows in English, asked in
another language. Names of countries and of cities are CLDR's, through the
installed package Babel; which city is the capital is the table below, of
countries whose capital gives its name to a time zone. A question is a cloze
behind three solved lines, so it needs no translated wording. Wrong answers and
examples depend on the country alone: all languages ask the same.
"""

from __future__ import annotations

from functools import cache

from babel import Locale
from babel.dates import get_timezone_location

from bayling_study.core import languages
from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import generator
from bayling_study.stages.prompts.multiple_choice import ExamQuestion

CHOICES = 4
EXAMPLES = 3
LEAKING_SHARE = 0.5
"""A city that shares so much of its name with its country is no question (Algier, Algerien)."""
FEWEST = 20
"""A language with fewer questions than this is refused."""
_TABLE = """
    AF=Asia/Kabul AL=Europe/Tirane AM=Asia/Yerevan AO=Africa/Luanda
    AR=America/Argentina/Buenos_Aires AT=Europe/Vienna AZ=Asia/Baku BA=Europe/Sarajevo
    BD=Asia/Dhaka BE=Europe/Brussels BF=Africa/Ouagadougou BG=Europe/Sofia BJ=Africa/Porto-Novo
    BS=America/Nassau BT=Asia/Thimphu BW=Africa/Gaborone BY=Europe/Minsk CD=Africa/Kinshasa
    CF=Africa/Bangui CG=Africa/Brazzaville CL=America/Santiago CO=America/Bogota
    CU=America/Havana CY=Asia/Nicosia CZ=Europe/Prague DE=Europe/Berlin DK=Europe/Copenhagen
    DO=America/Santo_Domingo DZ=Africa/Algiers EE=Europe/Tallinn EG=Africa/Cairo
    ER=Africa/Asmara ES=Europe/Madrid ET=Africa/Addis_Ababa FI=Europe/Helsinki FR=Europe/Paris
    GA=Africa/Libreville GB=Europe/London GE=Asia/Tbilisi GH=Africa/Accra GM=Africa/Banjul
    GN=Africa/Conakry GQ=Africa/Malabo GR=Europe/Athens HN=America/Tegucigalpa
    HR=Europe/Zagreb HT=America/Port-au-Prince HU=Europe/Budapest IE=Europe/Dublin
    IQ=Asia/Baghdad IR=Asia/Tehran IS=Atlantic/Reykjavik IT=Europe/Rome JO=Asia/Amman
    JP=Asia/Tokyo KE=Africa/Nairobi KG=Asia/Bishkek KH=Asia/Phnom_Penh KI=Pacific/Tarawa
    KP=Asia/Pyongyang KR=Asia/Seoul LA=Asia/Vientiane LB=Asia/Beirut LI=Europe/Vaduz
    LR=Africa/Monrovia LS=Africa/Maseru LT=Europe/Vilnius LV=Europe/Riga LY=Africa/Tripoli
    MD=Europe/Chisinau ME=Europe/Podgorica MG=Indian/Antananarivo MK=Europe/Skopje
    ML=Africa/Bamako MN=Asia/Ulaanbaatar MR=Africa/Nouakchott MZ=Africa/Maputo
    NA=Africa/Windhoek NE=Africa/Niamey NI=America/Managua NL=Europe/Amsterdam NO=Europe/Oslo
    NP=Asia/Kathmandu OM=Asia/Muscat PE=America/Lima PH=Asia/Manila PL=Europe/Warsaw
    PT=Europe/Lisbon PY=America/Asuncion RO=Europe/Bucharest RS=Europe/Belgrade
    RU=Europe/Moscow RW=Africa/Kigali SA=Asia/Riyadh SD=Africa/Khartoum SE=Europe/Stockholm
    SI=Europe/Ljubljana SK=Europe/Bratislava SL=Africa/Freetown SN=Africa/Dakar
    SO=Africa/Mogadishu SR=America/Paramaribo SS=Africa/Juba SY=Asia/Damascus
    TD=Africa/Ndjamena TG=Africa/Lome TH=Asia/Bangkok TJ=Asia/Dushanbe TL=Asia/Dili
    TM=Asia/Ashgabat TN=Africa/Tunis TT=America/Port_of_Spain UA=Europe/Kiev UG=Africa/Kampala
    UY=America/Montevideo UZ=Asia/Tashkent VE=America/Caracas ZM=Africa/Lusaka ZW=Africa/Harare
"""
CAPITALS = dict(pair.split("=") for pair in _TABLE.split())
"""Country (ISO 3166) to the time zone that is named after its capital (IANA)."""


def questions(language: str, seed: int) -> list[ExamQuestion]:
    """Returns a language's questions in the order of country codes.

    Raises:
        StudyError: CLDR has too few names in this language.
    """
    names = _names(language)
    asked = [code for code in names if not _leaks(*names[code], languages.is_unspaced(language))]
    if len(asked) < FEWEST:
        raise StudyError(
            f"CLDR gives {len(asked)} questions about capitals in {language!r}, not {FEWEST}",
            where="suites.SUITE.languages",
            fix="another language",
        )
    return [_question(code, names, seed) for code in asked]


@cache
def _names(language: str) -> dict[str, tuple[str, str]]:
    """Returns country code to the names of country and capital, where CLDR has both.

    A city in Latin letters in a language with another script is CLDR's way to
    have no name for it.
    """
    languages.script(language)  # an unknown code is told here
    locale = languages.locale(language)
    latin = languages.script(language) == "Latn"
    found: dict[str, tuple[str, str]] = {}
    for code, zone in CAPITALS.items():
        country = locale.territories.get(code)
        city = _city(zone, locale)
        if country and city and (latin or not _is_latin(city)):
            found[code] = (str(country), str(city))
    return found


def _city(zone: str, locale: Locale) -> str:
    try:
        return str(get_timezone_location(zone, locale=locale, return_city=True))
    except KeyError:  # the locale names no territories at all
        return ""


def _is_latin(text: str) -> bool:
    return any("a" <= letter <= "z" for letter in text.lower())


def _leaks(country: str, city: str, unspaced: bool) -> bool:
    """Tells whether the country's name gives the city away."""
    shared = _longest_shared(country.casefold(), city.casefold())
    return shared >= (2 if unspaced else 3) and shared >= LEAKING_SHARE * len(city)


def _longest_shared(first: str, second: str) -> int:
    """Returns the length of the longest piece of text that two names have in common."""
    return max(
        end - start
        for start in range(len(second) + 1)
        for end in range(start, len(second) + 1)
        if second[start:end] in first
    )


def _question(code: str, names: dict[str, tuple[str, str]], seed: int) -> ExamQuestion:
    """Returns a country's question; choices that a language has no name for are replaced."""
    rng = generator(seed, "suites", "capitals", code)
    order = [other for other in rng.sample(sorted(CAPITALS), len(CAPITALS)) if other != code]
    others = [other for other in order if other in names]
    choices = [code, *others[: CHOICES - 1]]
    rng.shuffle(choices)
    examples = others[CHOICES - 1 : CHOICES - 1 + EXAMPLES]
    lines = [f"{names[other][0]}: {names[other][1]}" for other in examples]
    text = "\n".join([*lines, f"{names[code][0]}:"])
    return ExamQuestion(text, [names[choice][1] for choice in choices], choices.index(code))
