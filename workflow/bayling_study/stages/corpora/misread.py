"""Finds text whose UTF-8 was read in another encoding ("fÃ¼r", "РџСЂРёРІРµС‚", "浣犲ソ")."""

import codecs
import re
import unicodedata

from bayling_study.core import languages
from bayling_study.core.text.scripts import script_names

C1 = "bayling-c1"
SINGLE = ("cp1252", "cp1250", "cp1251")
SHARE = 0.6
"""Share of the non-ASCII text that must be UTF-8 in disguise. Of 238,373 translations of Home
Assistant and Django, none has it."""
LEAST_HAN = 8
"""Chinese characters from which GBK is tried: by chance shorter texts are UTF-8 too ("联通")."""
CLOSED = re.compile(r"(?<=\w)[“”‘’…–—»«›‹]+(?!\w)")
"""Signs after a word, which make UTF-8 of its last letter ("JUGÉ…")."""


_FIRST, _NEXT = (
    "".join(bytes(range(*ends)).decode(encoding, "ignore") for encoding in (*SINGLE, "latin-1"))
    for ends in ((0xC2, 0xF5), (0x80, 0xC0))
)
DISGUISED = re.compile(rf"[{_FIRST}][^\x00-\x7f]*[{_NEXT}]")
"""The first byte of several, and one that goes on, with what is no byte between them."""


def is_misread(text: str, language: str) -> bool:
    """Tells whether a text is mostly UTF-8 of the language's own script, read as another encoding.
    The encodings tried are Windows-1252 and Latin-1, Windows-1250, -1251, and GBK."""
    if text.isascii():
        return False
    names = script_names(languages.script(language))
    found, bare = [], CLOSED.sub("", text)
    if DISGUISED.search(text):
        found = [bare.encode(encoding, C1) for encoding in SINGLE]
    if "CJK" in names and _high(han := bare.encode("gbk", "ignore")) >= 2 * LEAST_HAN:
        found.append(han)
    rest = len(bare) - len(bare.encode("ascii", "ignore"))
    return any(_own(data, names) > SHARE * max(rest, _high(data)) for data in found)


def _c1(error: UnicodeError) -> tuple[bytes, int]:
    """Keeps a byte that an encoding leaves open and a lenient reader left as it is."""
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    return bytes(ord(sign) for sign in signs if sign < "\xa0"), error.end


codecs.register_error(C1, _c1)


def _high(data: bytes) -> int:
    return len(data.translate(None, bytes(range(0x80))))


def _own(data: bytes, names: tuple[str, ...]) -> int:
    """Returns how many bytes are UTF-8 of a script's letters, or signs."""
    return sum(
        len(sign.encode())
        for sign in data.decode("utf-8", "ignore")
        if "\xa0" <= sign <= "\xbf"
        or "\u2010" <= sign <= "\u203a"
        or (sign > "\x7f" and unicodedata.name(sign, "").startswith(names))
    )
