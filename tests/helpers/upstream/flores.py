"""FLORES-101 as an archive of lines and FLORES+ as the hub's tables, in small."""

from __future__ import annotations

from bayling_study.core.languages.flores import RENAMED, FloresLanguage, flores_languages
from helpers.upstream.packing import Files, parquet, tar_gz, text_of
from helpers.upstream.texts import pairs

SIZES = {"dev": 8, "devtest": 9}


def flores_101() -> bytes:
    """A file a language and split, tables of what each sentence is about, and a README."""
    files = {"README": b"FLORES-101\n"}
    for split, count in SIZES.items():
        rows = (f"https://en.wikinews.org/wiki/{n}\tnews\tlaw\tno\tno" for n in range(count))
        table = text_of(["URL\tdomain\ttopic\thas_image\thas_hyperlink", *rows])
        files[f"metadata_{split}.tsv"] = table
        for language in flores_languages():
            files[f"{split}/{language.flores101}.{split}"] = text_of(lines(language, count))
    return tar_gz(files, "flores101_dataset")


def flores_plus() -> Files:
    """A table a language and split, four languages by other codes than in FLORES-200."""
    files: Files = {"README.md": b"---\n---\n"}
    for split, count in SIZES.items():
        for language in flores_languages():
            code = RENAMED.get(language.flores200, language.flores200)
            facts = {"iso_639_3": code[:3], "iso_15924": code[4:], "split": split}
            facts |= {"glottocode": "stan1293", "last_updated": "1.0", "domain": "wikinews"}
            facts |= {"topic": "law", "has_image": "no", "has_hyperlink": "no"}
            rows = [
                {"id": number, **facts, "text": text, "url": f"https://en.wikinews.org/{number}"}
                for number, text in enumerate(lines(language, count))
            ]
            files[f"{split}/{code}.parquet"] = parquet(rows)
    return files


def lines(language: FloresLanguage, count: int) -> list[str]:
    """Returns so many sentences in a language."""
    if language.code == "en":
        return [english for english, _ in pairs("de", count)]
    return [text for _, text in pairs(language.code, count)]
