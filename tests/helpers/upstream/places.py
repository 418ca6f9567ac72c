"""Where the upstreams have what: by address, and by repository of the hub."""

from __future__ import annotations

from functools import partial

from helpers.upstream import flores, forms, models, others, release, suites
from helpers.upstream.hub import PARQUET, Repository
from helpers.upstream.packing import Files
from helpers.upstream.server import Content

NEWS = "https://data.statmt.org/news-commentary/v18.1/training/news-commentary-v18"
FACEBOOK = "https://dl.fbaipublicfiles.com"
SHAREGPT = "ShareGPT_V3_unfiltered_cleaned_split"
BELLE = {
    "1M": (0, "a8b4ee0a0a828c8568f74b1c0e09b1367af2d8d6"),
    "0.5M": (1000, "95e4ffaeb6a4b6d3ce9500b6c67e8d615ace3d10"),
}
"""Size to the first of its texts and the commit that the table pins."""


def web() -> dict[str, Content]:
    """Returns what plain servers have."""
    found: dict[str, Content] = {
        f"{NEWS}.en-zh.tsv.gz": partial(forms.news_commentary, "zh"),
        f"{NEWS}.de-en.tsv.gz": partial(forms.news_commentary, "de"),
        "https://raw.githubusercontent.com/tatsu-lab/stanford_alpaca/main/alpaca_data.json":
            forms.alpaca,
        "https://github.com/ictnlp/BayLing/archive/8f6ecb9.tar.gz": release.bayling,
        "https://github.com/microsoft/AGIEval/archive/3680910.tar.gz": release.agieval,
        "https://www.mdbg.net/chinese/export/cedict/cedict_1_0_ts_utf-8_mdbg.txt.gz":
            forms.cc_cedict,
        f"{FACEBOOK}/flores101/dataset/flores101_dataset.tar.gz": flores.flores_101,
        f"{FACEBOOK}/fairseq/models/flores/sacrebleu_tokenizer_spm.model": models.sentence_pieces,
    }  # fmt: skip
    for language in ("de", "zh"):
        address = f"{FACEBOOK}/arrival/dictionaries/en-{language}.txt"
        found[address] = partial(forms.muse, language)
    for pair in forms.NLLB:
        address = f"https://object.pouta.csc.fi/OPUS-NLLB/v1/moses/{pair}.txt.zip"
        found[address] = partial(forms.nllb, pair)
    return found | others.web()


def repositories() -> dict[str, Repository]:
    """Returns what the hub has."""
    main: dict[str, Files] = {
        "anon8231489123/ShareGPT_Vicuna_unfiltered": {
            f"{SHAREGPT}.json": forms.sharegpt(), "README.md": b"---\n---\n",
            f"{SHAREGPT}_no_imsorry.json": b"[]", "HTML_cleaned_raw_dataset/1.json": b"[]",
        },
        "Helsinki-NLP/opus-100": forms.opus_100(),
        "Open-Orca/SlimOrca": {"oo-labeled_correct.gpt4.sharegpt.jsonl": forms.slimorca()},
        "HuggingFaceH4/ultrachat_200k": forms.ultrachat(),
    }  # fmt: skip
    found = {f"datasets/{name}": Repository({"main": files}) for name, files in main.items()}
    for size, (first, commit) in BELLE.items():
        files = {f"Belle_open_source_{size}.json": forms.belle(first), "README.md": b""}
        found[f"datasets/BelleGroup/train_{size}_CN"] = Repository({"main": files}, pinned=commit)
    found["datasets/openlanguagedata/flores_plus"] = Repository(
        {"main": flores.flores_plus()}, gated=True
    )
    for name in suites.SETS:
        branches = {"main": {"README.md": b""}, PARQUET: suites.converted(name)}
        found[f"datasets/{name}"] = Repository(branches)
    return found | others.repositories() | models.repositories()
