"""Many texts at once: what ``core.text`` tells of one, as columns. A block of texts becomes one
array of code points, and what is known of each character is looked up in tables, which are filled
with the characters that occur. Where that would not be exact a text is looked at by itself."""

import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bayling_study.core import languages
from bayling_study.core.text.forms import ZEROS, compared
from bayling_study.core.text.scripts import is_unspaced_character, script_name, script_names
from bayling_study.core.text.words import MARKS, script_share, words
from bayling_study.stages.corpora.misread import SINGLE, may_be_han, utf8_roles

T = TypeVar("T")
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

CONTROL_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
JOINERS = frozenset("\u200c\u200d")
NO_JOINERS = frozenset({"LATIN", "CYRILLIC", "GREEK", "CJK", "HANGUL", "HEBREW"})
"""Scripts whose spelling has no use for U+200C and U+200D (Unicode Standard, 23.2)."""
SUSPECT_SIGNS = frozenset("{}[]%$_<>&`*~#•+@/")
"""Without one of these, or a full stop or dash in certain company, no pattern of ``cleaning``
matches."""
HARMLESS = frozenset("!\"'(),-./:;?[]{} ")
"""Signs in no word and with no composed form: what NFKC turns into them ends a word as they do."""

KNOWN, SPACE, WORD, ALONE, MARK, DIGIT, SUSPECT, DOT, DASH, CONTROL, JOINER, HIGH, WIDE, W = (
    1 << n for n in range(14)
)
UNEVEN, LONG, SHIFTING, HALF = (1 << n for n in range(14, 18))
"""``UNEVEN``: its compared form is not one character whatever stands beside it. ``LONG``: case
folding makes several characters of it; ``SHIFTING``: or another kind of character. ``HALF``: a
letter that is a mark as well."""
ROLES = 18  # the first of the bits that say how it would look to UTF-8

TABLE_BITS = 20  # of the hashes of words in a block; too few would only cost time
ROW, MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)

_FACTS = np.zeros(0x110000, np.uint32)  # 0 is not met yet
_SCRIPTS = np.zeros(0x110000, np.uint16)
_FOLDED = np.zeros(0x110000, np.uint32)
_VALUES = np.zeros(0x110000, np.uint64)
_NAMES: dict[str, int] = {"": 0}


def _kind(sign: str) -> int:
    """Returns what a character is to a word: WORD (a letter or digit), ALONE, MARK, or nothing."""
    if not sign.isalnum():
        return MARK if sign in MARKS else 0
    return (ALONE if is_unspaced_character(sign) else WORD) | (MARK if sign in MARKS else 0)


def _learn(code: int) -> None:
    """Fills the tables for a character."""
    sign = chr(code)
    folded, plain = sign.casefold(), unicodedata.normalize("NFKC", sign)
    compared_form = folded.translate(ZEROS)
    kind = _kind(sign)
    kinds = [_kind(part) for part in folded]
    whole = kind == kinds[0] == WORD and {WORD, MARK}.issuperset(kinds)  # as ß is in ss
    category = unicodedata.category(sign)
    joiner = sign in JOINERS
    flags = {
        SPACE: sign.isspace(),
        kind: kind,
        DIGIT: category == "Nd",
        SUSPECT: sign in SUSPECT_SIGNS,
        DOT: sign == ".",
        DASH: sign == "-",
        CONTROL: sign == "\ufffd"
        or (category in CONTROL_CATEGORIES and sign != "\n" and not joiner),
        JOINER: joiner,
        HIGH: code > 0x7F,
        WIDE: unicodedata.east_asian_width(sign) in "WF",
        W: sign in "wW",
        LONG: len(folded) > 1,
        SHIFTING: kinds != [kind] and not whole,
        HALF: kind & MARK and kind & (WORD | ALONE),
    }
    even = plain == sign and (whole or [_kind(part) for part in compared_form] == [kind])
    even = even or (not kind and HARMLESS.issuperset(plain))
    bits = sum(bit for bit, is_set in flags.items() if is_set)
    _FACTS[code] = bits | KNOWN | UNEVEN * (not even) | utf8_roles(sign) << ROLES
    _SCRIPTS[code] = _NAMES.setdefault(script_name(sign), len(_NAMES))
    _FOLDED[code] = ord(compared_form) if len(compared_form) == 1 else code
    mixed = (int(_FOLDED[code]) + 1) * int(ROW) % (1 << 64)
    _VALUES[code] = (mixed ^ mixed >> 31) * int(MIX) % (1 << 64)


class Texts:
    """A block of texts with what is told of each. All results have one entry a text."""

    def __init__(self, texts: Sequence[str], codes: Sequence[str]) -> None:
        """``codes`` are the languages of the texts."""
        self.texts, self.codes = texts, codes
        joined = "\n".join(["", *texts, ""])
        self._signs = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        self._lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self._starts = np.cumsum(self._lengths + 1) - self._lengths
        self._facts = _FACTS[self._signs]
        if not self._facts.all():
            for code in np.unique(self._signs[self._facts == 0]).tolist():
                _learn(code)
            self._facts = _FACTS[self._signs]
        self._all = np.bitwise_or.reduceat(self._facts, self._starts)

    def _have(self, bits: int) -> Mask:
        return (self._all & np.uint32(bits)) != 0

    def each(self, told: Callable[[str], T]) -> list[T]:
        """Returns what is told of each text's language."""
        known = {code: told(code) for code in set(self.codes)}
        return [known[code] for code in self.codes]

    @cached_property
    def empty(self) -> Mask:
        return self._lengths == 0

    @cached_property
    def lines(self) -> Mask:
        """Whether there is more than one line."""
        return np.fromiter(("\n" in text for text in self.texts), np.bool_, len(self.texts))

    @cached_property
    def suspect(self) -> Mask:
        """Whether a pattern of ``cleaning`` may match."""
        facts = self._facts
        places = np.flatnonzero(facts & np.uint32(DOT | DASH))
        here, before, behind = facts[places], facts[places - 1], facts[places + 1]
        spaced = (behind & SPACE) != 0
        dotted = (behind & (WORD | ALONE)) | (before & W) | (spaced & ((before & DIGIT) != 0))
        found = np.where(here & DOT, dotted != 0, spaced)
        result = self._have(SUSPECT)
        result[self._rows(places[found])] = True
        return result

    def _rows(self, places: Places) -> Places:
        """Returns the numbers of the texts in which places are."""
        return np.searchsorted(self._starts, places, "right") - 1

    @cached_property
    def control(self) -> Mask:
        """Whether there are control, invisible, private or undecodable characters. Line breaks are
        fine here; zero-width joiners are where the script needs them."""
        fine = self.each(lambda code: script_names(languages.script(code))[0] not in NO_JOINERS)
        return self._have(CONTROL) | (self._have(JOINER) & ~np.array(fine, np.bool_))

    @cached_property
    def may_be_misread(self) -> Mask:
        """Whether a text may be UTF-8 that was read as something else."""
        roles = self._all >> np.uint32(ROLES)
        likely = np.array(self.each(may_be_han), np.bool_)
        for number in range(len(SINGLE)):
            likely |= (roles >> np.uint32(2 * number)) & 3 == 3
        return likely & self._have(HIGH)

    @cached_property
    def columns(self) -> Places:
        """The widths."""
        wide = (self._facts & np.uint32(WIDE)) != 0
        return self._lengths + np.add.reduceat(wide, self._starts, dtype=np.int64)

    @cached_property
    def _kinds(self) -> npt.NDArray[np.uint32]:
        """Of each character ``WORD`` or ``ALONE`` if it is part of such a word, or 0."""
        kinds = self._facts & np.uint32(WORD | ALONE)
        if (self._all & np.uint32(MARK)).any():
            places = np.arange(len(kinds))
            places[(self._facts & np.uint32(MARK)) != 0] = 0
            kinds = kinds[np.maximum.accumulate(places)]
        return kinds

    @cached_property
    def _begins(self) -> Mask:
        """Of each character whether a word begins with it."""
        kinds = self._kinds
        begins = kinds == ALONE
        begins &= (self._facts & np.uint32(MARK)) == 0
        begins[1:] |= (kinds[1:] == WORD) & (kinds[:-1] != WORD)
        return begins

    @cached_property
    def words(self) -> Places:
        """The numbers of words."""
        found = np.add.reduceat(self._begins, self._starts, dtype=np.int64)
        return self._by_itself(found, self._have(HALF), lambda text, _: len(words(text)))

    @cached_property
    def parts(self) -> Places:
        """The numbers of what white space divides."""
        blank = (self._facts & np.uint32(SPACE)) != 0
        begins = np.append(False, blank[:-1] & ~blank[1:])
        return np.add.reduceat(begins, self._starts, dtype=np.int64)

    @cached_property
    def script_share(self) -> npt.NDArray[np.float64]:
        """The share of words that are written in the language's script, as the function's."""
        lettered = _SCRIPTS[self._signs]
        places = np.flatnonzero((lettered != 0) & (self._kinds != 0))
        word = np.cumsum(self._begins)[places]
        firsts = places[np.append(True, word[1:] != word[:-1])] if len(places) else places
        rows = self._rows(firsts)
        scripts = sorted(set(self.codes))
        own = np.zeros((len(scripts), len(_NAMES)), np.bool_)
        for number, code in enumerate(scripts):
            known = [
                _NAMES[name] for name in script_names(languages.script(code)) if name in _NAMES
            ]
            own[number, known] = True
        kind = np.array(self.each(scripts.index))
        right = own[kind[rows], lettered[firsts]]
        total = np.bincount(rows, minlength=len(self.texts))
        share = np.bincount(rows[right], minlength=len(self.texts)) / np.maximum(total, 1)
        one = lambda text, code: script_share(text, languages.script(code))
        return self._by_itself(share, self._have(HALF), one)

    def _by_itself(self, found: Any, alone: Mask, one: Callable[[str, str], Any]) -> Any:
        """Puts in what is told of certain texts one by one."""
        for row in np.flatnonzero(alone).tolist():
            found[row] = one(self.texts[row], self.codes[row])
        return found

    @cached_property
    def compared(self) -> list[str]:
        """The compared forms."""
        places = np.flatnonzero(self._kinds)
        begins = self._begins[places]
        into = np.arange(len(places)) + np.cumsum(begins)  # a blank before each word
        signs = np.full(len(places) + np.count_nonzero(begins), ord(" "), np.uint32)
        signs[into] = _FOLDED[self._signs[places]]
        text = signs.tobytes().decode("utf-32-le", "surrogatepass")
        ends = np.append(into, len(signs) + 1)[np.searchsorted(places, self._starts)] - 1
        ends = [*ends.tolist(), len(text)]
        found = [text[a + 1 : b] for a, b in pairwise(ends)]
        for row in np.flatnonzero(self._have(LONG)).tolist():
            found[row] = found[row].casefold()
        composed = map(partial(unicodedata.is_normalized, "NFC"), self.texts)
        alone = self._have(UNEVEN | HALF) | ~np.fromiter(composed, np.bool_, len(found))
        return self._by_itself(found, alone, lambda text, _: compared(text))

    def most_copied(self, other: "Texts") -> npt.NDArray[np.float64]:
        """Returns of each text at least the share of its words that the other's text has too; 1 of
        a text without words."""
        have = np.zeros(1 << TABLE_BITS, np.bool_)
        have[other._hashed()[0]] = True
        keys, rows = self._hashed()
        bits = np.bitwise_or.reduceat(self._facts, np.flatnonzero(self._begins)) & np.uint32(LONG)
        found = have[keys] | (bits != 0)
        total = np.bincount(rows, minlength=len(self.texts))
        share = np.bincount(rows[found], minlength=len(self.texts)) / np.maximum(total, 1)
        doubtful = (total == 0) | self._have(SHIFTING | HALF) | other._have(LONG | SHIFTING | HALF)
        share[doubtful] = 1.0
        return share

    def _hashed(self) -> tuple[Places, Places]:
        """Returns a number of a few bits of each word in its text, and the text's."""
        places = np.flatnonzero(self._begins)
        rows = self._rows(places)
        values = np.where(self._kinds != 0, _VALUES[self._signs], np.uint64(0))
        sums = np.add.reduceat(values, places) + rows.astype(np.uint64) * ROW
        sums = (sums ^ (sums >> np.uint64(32))) * MIX
        return (sums >> np.uint64(64 - TABLE_BITS)).astype(np.int64), rows
