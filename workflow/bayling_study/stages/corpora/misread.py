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
ASCII = bytes(range(0x80))
OPEN = re.compile("[\x80-\x9f]")
CLOSED = re.compile(r"(?<=\w)[“”‘’…–—»«›‹]+(?!\w)")
"""Signs after a word, which make UTF-8 of its last letter ("JUGÉ…")."""


def is_misread(text: str, language: str) -> bool:
    """Tells whether a text is mostly UTF-8 of the language's own script, read as another encoding.
    The encodings tried are Windows-1252 and Latin-1, Windows-1250, -1251, and GBK."""
    if text.isascii():
        return False
    bare = CLOSED.sub("", text)
    rest = len(bare) - len(bare.encode("ascii", "ignore"))
    found = [_bytes(bare, encoding) for encoding in SINGLE]
    if may_be_han(language) and _high(han := bare.encode("gbk", "ignore")) >= 2 * LEAST_HAN:
        found.append(han)
    return any(_is_own(data, SHARE * max(rest, _high(data)), language) for data in found)


def may_be_han(language: str) -> bool:
    """Tells whether a text may be Chinese characters that were read as others."""
    return "CJK" in script_names(languages.script(language))


def utf8_roles(sign: str) -> int:
    """Returns two bits for each of ``SINGLE``: whether a character's byte may begin one of several
    bytes in UTF-8, and whether it may go on with one. A misread text has both."""
    data = (_bytes(sign, encoding)[:1] for encoding in SINGLE)
    roles = (b"\xc2" <= byte <= b"\xf4" or 2 * (b"\x80" <= byte <= b"\xbf") for byte in data)
    return sum(role << 2 * number for number, role in enumerate(roles))


def _bytes(text: str, encoding: str) -> bytes:
    """Encodes what can be. A byte that an encoding leaves open was left as it is by a lenient
    reader."""
    return text.encode(encoding, C1 if OPEN.search(text) else "ignore")


def _c1(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    return bytes(ord(sign) for sign in signs if sign < "\xa0"), error.end


codecs.register_error(C1, _c1)


def _high(data: bytes) -> int:
    return len(data.translate(None, ASCII))


def _is_own(data: bytes, least: float, language: str) -> bool:
    """Tells whether more bytes than that are UTF-8 of the language's letters, or signs."""
    text = data.decode("utf-8", "ignore")
    if _high(text.encode()) <= least:
        return False
    names = script_names(languages.script(language))
    own = (
        len(sign.encode())
        for sign in text
        if "\xa0" <= sign <= "\xbf"
        or "\u2010" <= sign <= "\u203a"
        or (sign > "\x7f" and unicodedata.name(sign, "").startswith(names))
    )
    return sum(own) > least
