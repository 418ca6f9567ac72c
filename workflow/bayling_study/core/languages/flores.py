"""The languages of FLORES-101: codes, scripts, resource classes, coverage by other resources.

BayLing 2 translates between English or Chinese and all of them, so recipes,
suites and reports ask here which languages there are. Names come from CLDR
through Babel (``languages.name``) and scripts from the FLORES-200 code; what
neither knows is one line of ``_TABLE``.

Sources of the table:

* languages and FLORES-101 codes: facebookresearch/flores,
  ``previous_releases/flores101/README.md``, "List of Languages";
* FLORES-200 codes: the same repository, ``flores200/README.md`` at commit 3f26fb0 (its map
  from FLORES-101's codes has all but ``kea`` and ``slv``, which its list of languages has);
* resource classes: Goyal et al., "The FLORES-101 Evaluation Benchmark"
  (arXiv 2106.03193), which counts sentence pairs with English in OPUS:
  ``very low`` below 100 thousand, ``low`` below 1 million, ``mid`` below 100
  million, ``high`` above. Its table was not at hand when this file was
  written: the classes group tables of a report and decide nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from bayling_study.core import languages
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import look_up

Resources = Literal["high", "mid", "low", "very low"]
RESOURCES: tuple[Resources, ...] = get_args(Resources)
"""Classes from the most to the least text."""


@dataclass(frozen=True)
class FloresLanguage:
    """One language of FLORES-101.

    Attributes:
        code: as this project writes it in directions (ISO 639; ``zht`` is Chinese
            in traditional script).
        flores101: name of its files in FLORES-101, ``zho_simpl``.
        flores200: its code in FLORES-200, FLORES+ and NLLB, ``zho_Hans``.
        resources: how much text OPUS has that is aligned with English.
        in_belebele: whether Belebele has questions in it.
        in_xlmr: whether XLM-R, COMET's encoder, was trained on it; scores of
            COMET for other languages mean little.
    """

    code: str
    flores101: str
    flores200: str
    resources: Resources
    in_belebele: bool
    in_xlmr: bool

    @property
    def script(self) -> str:
        """ISO 15924 code of the script of the FLORES text (``Latn``)."""
        return self.flores200.partition("_")[2]

    @property
    def english_name(self) -> str:
        """Name in English, from CLDR."""
        return languages.name(self.code, "en")

    @property
    def chinese_name(self) -> str:
        """Name in Chinese as the papers' prompts write it, from CLDR."""
        return languages.name(self.code, "zh")

    @property
    def belebele(self) -> str | None:
        """Name of its Belebele configuration, or none."""
        return self.flores200 if self.in_belebele else None


@cache
def flores_languages() -> tuple[FloresLanguage, ...]:
    """Returns all languages of FLORES-101, English and both forms of Chinese included."""
    return tuple(
        FloresLanguage(
            code, first, second, resources, code not in _NOT_IN_BELEBELE, code not in _NOT_IN_XLMR
        )
        for resources, lines in _TABLE.items()
        for code, first, second in (line.split() for line in lines.strip().splitlines())
    )


def flores(code: str) -> FloresLanguage:
    """Returns a language of FLORES-101 by this project's code.

    Raises:
        StudyError: FLORES-101 does not have it.
    """
    return look_up("FLORES-101 language", code, {item.code: item for item in flores_languages()})


def from_upstream(code: str) -> FloresLanguage:
    """Returns a language by its FLORES-101 or FLORES-200 code.

    Raises:
        StudyError: no language has this code.
    """
    for item in flores_languages():
        if code in (item.flores101, item.flores200):
            return item
    raise StudyError(f"no FLORES-101 language has the code {code!r}", fix="such as deu or deu_Latn")


def languages_of(*resources: Resources) -> tuple[str, ...]:
    """Returns the codes of the languages of some resource classes, English excepted."""
    return tuple(
        item.code
        for item in flores_languages()
        if item.resources in resources and item.code != "en"
    )


_NOT_IN_BELEBELE = frozenset(["ast", "be", "bs", "cy", "ga", "gl", "kam", "lb", "oc", "umb"])
"""Checked against the harness's list of Belebele tasks by a test."""

_NOT_IN_XLMR = frozenset(
    [
        "ast",
        "ceb",
        "ckb",
        "ff",
        "ig",
        "kam",
        "kea",
        "lb",
        "lg",
        "ln",
        "luo",
        "mi",
        "mt",
        "nso",
        "ny",
        "oc",
        "sn",
        "tg",
        "umb",
        "wo",
        "yo",
        "zu",
    ]
)
"""Languages that XLM-R's training text lacks (fairseq, ``examples/xlmr/README.md``; its
Kurdish, ``ku``, is Kurmanji)."""

_TABLE: dict[Resources, str] = {
    "high": """
        en  eng eng_Latn
        fr  fra fra_Latn
        de  deu deu_Latn
        it  ita ita_Latn
        pt  por por_Latn
        ru  rus rus_Cyrl
        es  spa spa_Latn
    """,
    "mid": """
        ar  ara arb_Arab
        bn  ben ben_Beng
        bg  bul bul_Cyrl
        ca  cat cat_Latn
        zh  zho_simpl zho_Hans
        zht zho_trad zho_Hant
        cs  ces ces_Latn
        da  dan dan_Latn
        nl  nld nld_Latn
        et  est est_Latn
        fi  fin fin_Latn
        gl  glg glg_Latn
        ka  kat kat_Geor
        el  ell ell_Grek
        he  heb heb_Hebr
        hi  hin hin_Deva
        hu  hun hun_Latn
        is  isl isl_Latn
        id  ind ind_Latn
        ja  jpn jpn_Jpan
        jv  jav jav_Latn
        ko  kor kor_Hang
        lv  lav lvs_Latn
        lt  lit lit_Latn
        lb  ltz ltz_Latn
        mk  mkd mkd_Cyrl
        mt  mlt mlt_Latn
        nb  nob nob_Latn
        fa  fas pes_Arab
        pl  pol pol_Latn
        ro  ron ron_Latn
        sr  srp srp_Cyrl
        sk  slk slk_Latn
        sl  slv slv_Latn
        sv  swe swe_Latn
        th  tha tha_Thai
        tr  tur tur_Latn
        uk  ukr ukr_Cyrl
        vi  vie vie_Latn
    """,
    "low": """
        af  afr afr_Latn
        am  amh amh_Ethi
        hy  hye hye_Armn
        ast ast ast_Latn
        az  azj azj_Latn
        bs  bos bos_Latn
        my  mya mya_Mymr
        ceb ceb ceb_Latn
        gu  guj guj_Gujr
        ha  hau hau_Latn
        ig  ibo ibo_Latn
        ga  gle gle_Latn
        kn  kan kan_Knda
        kk  kaz kaz_Cyrl
        km  khm khm_Khmr
        ky  kir kir_Cyrl
        lo  lao lao_Laoo
        luo luo luo_Latn
        ms  msa zsm_Latn
        ml  mal mal_Mlym
        mi  mri mri_Latn
        mr  mar mar_Deva
        mn  mon khk_Cyrl
        ny  nya nya_Latn
        om  orm gaz_Latn
        ps  pus pbt_Arab
        pa  pan pan_Guru
        sn  sna sna_Latn
        so  som som_Latn
        ckb ckb ckb_Arab
        sw  swh swh_Latn
        tg  tgk tgk_Cyrl
        ta  tam tam_Taml
        te  tel tel_Telu
        umb umb umb_Latn
        ur  urd urd_Arab
        uz  uzb uzn_Latn
        cy  cym cym_Latn
        xh  xho xho_Latn
        yo  yor yor_Latn
        zu  zul zul_Latn
    """,
    "very low": """
        as  asm asm_Beng
        be  bel bel_Cyrl
        hr  hrv hrv_Latn
        tl  tgl tgl_Latn
        ff  ful fuv_Latn
        lg  lug lug_Latn
        kea kea kea_Latn
        kam kam kam_Latn
        ln  lin lin_Latn
        ne  npi npi_Deva
        nso nso nso_Latn
        oc  oci oci_Latn
        or  ory ory_Orya
        sd  snd snd_Arab
        wo  wol wol_Latn
    """,
}
