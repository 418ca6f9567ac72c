"""Kind ``babel``: names of CLDR, from the Babel of this environment.

Babel keeps CLDR in a binary form of its own that only Babel should read, so the installed library
is asked and the answers are written as JSON: for each locale the names of territories, languages
and currencies by their codes. The same version of Babel gives the same bytes.
"""

from importlib.metadata import version

from babel import Locale, localedata

from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.stages.download.request import DownloadRequest

NAMES_FILE = "names.json"
FIELDS = ("territories", "languages", "currencies")
LANGUAGE_PARTS = 2
"""Locales of a language, or of a language and a script, have up to two parts."""


def write_names(request: DownloadRequest) -> None:
    """Writes ``names.json`` into ``request.files``.

    Raises:
        StudyError: the environment has another version than the table names.
    """
    installed = version(request.row.location)
    if installed != request.revision:
        what = f"{request.row.location} {installed} is installed, not {request.revision}"
        fix = "make envs; or write the installed version into the table of sources"
        raise StudyError(what, where=f"source {request.row.id}", fix=fix)
    request.files.mkdir(parents=True, exist_ok=True)
    write_json(request.files / NAMES_FILE, names())


def names() -> dict[str, dict[str, dict[str, str]]]:
    """Returns locale to field to code to name."""
    result = {}
    for identifier in sorted(localedata.locale_identifiers()):
        parts = identifier.split("_")
        if len(parts) > LANGUAGE_PARTS or parts[-1].isupper():
            continue  # a territory's variant differs in little
        found = Locale.parse(identifier)
        result[identifier] = {name: dict(sorted(getattr(found, name).items())) for name in FIELDS}
    return result
