"""The languages of FLORES-101: codes, scripts, resource classes, coverage by other resources.

Sources of the table, ``flores.tsv``:

* languages and FLORES-101 codes: facebookresearch/flores,
  ``previous_releases/flores101/README.md``, "List of Languages";
* FLORES-200 codes: the same repository, ``flores200/README.md`` at commit 3f26fb0 (its map
  from FLORES-101's codes has all but ``kea`` and ``slv``, which its list of languages has);
* resource classes: Goyal et al., "The FLORES-101 Evaluation Benchmark" (arXiv 2106.03193),
  which counts sentence pairs with English in OPUS: ``very low`` below 100 thousand, ``low``
  below 1 million, ``mid`` below 100 million, ``high`` above. Its table was not at hand when this
  file was written: the classes group tables of a report and decide nothing else;
* XLM-R: fairseq, ``examples/xlmr/README.md``; its Kurdish, ``ku``, is Kurmanji.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from bayling_study.core.lookup import look_up
from bayling_study.core.tables import beside, read_table

TABLE = Path(__file__).with_suffix(".tsv")
RENAMED: dict[str, str] = beside(__file__)
"""FLORES-200 codes that FLORES+ writes otherwise (its README, "Language coverage")."""


class FloresLanguage(NamedTuple):
    """One language of FLORES-101. ``code`` is that of directions (ISO 639; ``zht`` is Chinese in
    traditional script), ``flores101`` the name of its files in FLORES-101 (``zho_simpl``),
    ``flores200`` its code in FLORES-200 and NLLB (``zho_Hans``; see ``spellings``). ``resources``
    says how much OPUS aligns with English, ``in_xlmr`` whether COMET's encoder was trained on it:
    else scores mean little."""

    code: str
    flores101: str
    flores200: str
    resources: str
    in_xlmr: bool

    @property
    def script(self) -> str:
        """ISO 15924 code of the script of the FLORES text (``Latn``)."""
        return self.flores200.partition("_")[2]


@cache
def flores_languages() -> tuple[FloresLanguage, ...]:
    """Returns all languages of FLORES-101, English and both forms of Chinese included."""
    rows = (row.values() for _, row in read_table(TABLE, FloresLanguage._fields))
    return tuple(FloresLanguage._make([*names, xlmr == "yes"]) for *names, xlmr in rows)


def flores(code: str) -> FloresLanguage:
    """Returns a language by this project's code (``StudyError`` if FLORES-101 lacks it)."""
    return look_up("FLORES-101 language", code, {item.code: item for item in flores_languages()})


def spellings(code: str) -> tuple[str, ...]:
    """Returns the names that a language's files may bear: the given one, then FLORES+'s own or,
    for one of FLORES+'s, the older one."""
    either = RENAMED | {new: old for old, new in RENAMED.items()}
    return (code, either[code]) if code in either else (code,)
