"""Sentences of our own in English, German and Chinese, and in every language of FLORES.

The three are translations of each other, in articles whose sentences are unlike those of any other.
Of the other languages, sentences list names that CLDR has in them.
"""

from __future__ import annotations

from functools import cache
from itertools import islice, product

from babel import Locale, UnknownLocaleError

from helpers.interactive_corpus import NOUNS

Triple = tuple[str, str, str]
"""English, German, Chinese."""
ARTICLE = 20
"""Sentences of an article."""
PLACES = [
    ("Lisbon", "Lissabon", "里斯本"), ("Vienna", "Wien", "维也纳"), ("Geneva", "Genf", "日内瓦"),
    ("Prague", "Prag", "布拉格"), ("Moscow", "Moskau", "莫斯科"), ("Warsaw", "Warschau", "华沙"),
    ("Rome", "Rom", "罗马"), ("Athens", "Athen", "雅典"), ("Brussels", "Brüssel", "布鲁塞尔"),
    ("Cairo", "Kairo", "开罗"), ("Beijing", "Peking", "北京"), ("Tokyo", "Tokio", "东京"),
]  # fmt: skip
PEOPLE = [
    ("minister", "Der Minister", "部长"), ("farmer", "Der Bauer", "农民"),
    ("teacher", "Der Lehrer", "老师"), ("doctor", "Der Arzt", "医生"),
    ("painter", "Der Maler", "画家"), ("baker", "Der Bäcker", "面包师"),
    ("judge", "Der Richter", "法官"), ("sailor", "Der Matrose", "水手"),
    ("singer", "Der Sänger", "歌手"), ("student", "Der Student", "学生"),
    ("writer", "Der Schriftsteller", "作家"), ("merchant", "Der Kaufmann", "商人"),
]  # fmt: skip
DEEDS = [
    ("sold many old books to a friend", "verkaufte einem Freund viele alte Bücher",
     "卖给一位朋友许多旧书"),
    ("opened a small school for poor children", "eröffnete eine kleine Schule für arme Kinder",
     "为穷孩子开办了一所小学校"),
    ("spoke about peace with his neighbours", "sprach mit seinen Nachbarn über den Frieden",
     "和邻居们谈论了和平"),
    ("planted green trees along the river", "pflanzte grüne Bäume am Fluss", "在河边种了绿树"),
    ("lost his way in the cold rain", "verlor im kalten Regen den Weg", "在冷雨中迷了路"),
    ("wrote a long letter to the newspaper", "schrieb der Zeitung einen langen Brief",
     "给报社写了一封长信"),
    ("bought fresh bread and sweet apples", "kaufte frisches Brot und süße Äpfel",
     "买了新鲜面包和甜苹果"),
]  # fmt: skip
ENGLISH = Locale.parse("en")
LOCALES = {"zht": "zh_Hant", "no": "nb", "tl": "fil"}
"""This project's codes that CLDR writes otherwise."""
SYLLABLES = ("ba", "ndi", "ku", "mwe", "lo", "sa", "ti", "nga", "ro", "fe")


def articles(count: int, first: int = 0) -> list[list[Triple]]:
    """Returns so many articles; other values of ``first`` give others."""
    return [_article(number) for number in range(first, first + count)]


def _article(number: int) -> list[Triple]:
    scenes = islice(product(range(3), range(5)), 15)
    told = [_told(number, index, *scene) for index, scene in enumerate(scenes)]
    english, german, chinese = NOUNS[number % len(NOUNS)]
    page = 100 + number
    shown = [
        (f"Show the new {english} on page {page} now.",
         f"Jetzt {german} auf Seite {page} neu anzeigen.",
         f"现在在第 {page} 页显示新的{chinese}。"),
        (f"Show the new {english} on page {page} quickly now.",
         f"Jetzt {german} auf Seite {page} schnell neu anzeigen.",
         f"现在在第 {page} 页快速显示新的{chinese}。"),
        (f"Show the new {english} on page {page} now.",
         f"Jetzt {german} auf Blatt {page} neu anzeigen.",
         f"现在在第 {page} 页呈现新的{chinese}。"),
        (f"The {english} number {page} is wrong. Please check it.",
         f"Hier ist {german} Nummer {page} falsch. Bitte prüfe das.",
         f"第 {page} 号{chinese}有误。请检查一次。"),
        (f"On Monday the {english} of house {page} was found.",
         f"Am Montag wurde {german} von Haus {page} gefunden.",
         f"星期一找到了第 {page} 号房子的{chinese}。"),
    ]  # fmt: skip
    return [*told, *shown]


def _told(number: int, index: int, turn: int, step: int) -> Triple:
    """A sentence whose year tells it from every other."""
    year = 1000 + 15 * number + index
    person, place = PEOPLE[(number + step) % 12], PLACES[(3 * number + 5 * turn + step) % 12]
    deed = DEEDS[(number + index) % len(DEEDS)]
    return (
        f"In {year} the {person[0]} of {place[0]} {deed[0]}.",
        f"{person[1]} aus {place[1]} {deed[1].replace(' ', f' im Jahr {year} ', 1)}.",
        f"{year} 年，{place[2]}的{person[2]}{deed[2]}。",
    )


def sentences(count: int, first: int = 0) -> list[Triple]:
    """Returns so many sentences, of articles from ``first`` on."""
    found = articles(-(-count // ARTICLE), first)
    return [triple for article in found for triple in article][:count]


@cache
def names(code: str) -> dict[str, str]:
    """Returns what CLDR calls languages in a language.

    Where it has few names, or those are mostly English, they are made-up words.
    """
    try:
        found = Locale.parse(LOCALES.get(code, code)).languages
    except (UnknownLocaleError, ValueError):
        found = {}
    known = {key: found[key] for key in ENGLISH.languages if key in found and len(key) < 4}
    same = sum(name == ENGLISH.languages[key] for key, name in known.items())
    if len(known) >= 40 and 3 * same < len(known):
        return known
    size = len(SYLLABLES)
    return {
        key: code + SYLLABLES[place % size] + SYLLABLES[place // size % size]
        for place, key in enumerate(islice(ENGLISH.languages, 90))
    }


def pairs(code: str, count: int) -> list[tuple[str, str]]:
    """Returns so many sentences in English, each with the same in a language of FLORES."""
    if code in ("de", "zh"):
        place = ("de", "zh").index(code) + 1
        return [(triple[0], triple[place]) for triple in sentences(count, 500)]
    own = [key for key in names(code) if len(ENGLISH.languages[key]) < 20]
    found = []
    for number in range(count):
        keys = [own[(3 * number + step * step) % len(own)] for step in range(3)]
        one, two, three = (ENGLISH.languages[key] for key in keys)
        english = f"{one}, {two} and {three} were spoken in village {number}."
        found.append((english, f"{number}: {', '.join(names(code)[key] for key in keys)}."))
    return found
