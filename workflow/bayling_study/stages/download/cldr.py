"""Kind ``babel``: names of CLDR, from the Babel of this environment. Babel keeps CLDR in a binary
form of its own that only Babel should read, so the installed library is asked and the answers are
written as JSON: for each locale the names of territories, languages and currencies by their codes.
The same version of Babel gives the same bytes."""

from importlib.metadata import version

from babel import Locale, localedata

from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.stages.download.request import DownloadRequest

FIELDS = ("territories", "languages", "currencies")


def write_names(request: DownloadRequest) -> None:
    """Writes ``names.json``, locale to field to code to name, into ``request.files``
    (``StudyError`` if the environment has another version than the table says)."""
    installed = version(request.row.location)
    if installed != request.revision:
        what = f"{request.row.location} {installed} is installed, not {request.revision}"
        fix = "make envs; or write the installed version into the table of sources"
        raise StudyError(what, where=f"source {request.row.id}", fix=fix)
    names = {}
    for identifier in sorted(localedata.locale_identifiers()):
        parts = identifier.split("_")  # of a language, or of a language and a script
        if len(parts) <= 2 and not parts[-1].isupper():  # a territory's variant differs in little
            found = Locale.parse(identifier)
            names[identifier] = {key: dict(sorted(getattr(found, key).items())) for key in FIELDS}
    request.files.mkdir(parents=True, exist_ok=True)
    write_json(request.files / "names.json", names)
