"""Gated sources: told all at once, before the first job, with what to do about each. The hub wants
the terms of some models accepted and a read token sent. Whether an account has accepted them only
the download shows; that there is no token at all is known now."""

import os
from collections.abc import Iterable
from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.shared.sources.table import SourceRow

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
TOKEN_ADVICE = "run `hf auth login`, or put a read token into the environment variable HF_TOKEN"


def has_token() -> bool:
    """Tells whether the hub's client would find a token, which is not read: in the environment,
    then in the file that HF_TOKEN_PATH, HF_HOME or XDG_CACHE_HOME tells."""
    if any(os.environ.get(name, "").strip() for name in TOKEN_VARIABLES):
        return True
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    home = Path(os.environ.get("HF_HOME", cache))
    file = Path(os.environ.get("HF_TOKEN_PATH", home / "token")).expanduser()
    return file.is_file() and file.stat().st_size > 0


def check_gates(missing: Iterable[SourceRow]) -> None:
    """Checks that there is a token if one of the sources still to be fetched is gated (else a
    ``StudyError`` lists each such source with its terms, and says where the token goes). A
    rehearsal makes a stand-in of a gated model."""
    rows = (row for row in missing if not (row.first and row.location.startswith("models/")))
    gated = [row for row in rows if row.gated]
    if not gated or has_token():
        return
    names = ", ".join(row.id for row in gated)
    terms = "\n".join(f"  {page(row)} ({row.licence})" for row in gated)
    local = "\n".join(f"  {row.id}: /path/to/{page(row).rpartition('/')[2]}" for row in gated)
    what = f"{len(gated)} gated source(s) are still to be fetched and there is no token: {names}"
    fix = f"accept the terms of each with your account on the hub:\n{terms}\nthen {TOKEN_ADVICE};\n"
    fix += f"or name copies that you have in the config, download.local:\n{local}"
    raise StudyError(what, where="download", fix=fix)


def page(row: SourceRow) -> str:
    """Returns the page of a hub repository, ``OWNER/NAME``."""
    return row.places[0].partition("/")[2]
