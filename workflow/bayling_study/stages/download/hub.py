"""Fetches models and data sets from the hub at a pinned revision.

huggingface_hub does the transfer (it resumes by itself and checks the hub's hashes); the host is
the one that HF_ENDPOINT names, or its default. A row without a revision, or with a branch
(``refs/convert/parquet``), takes its newest commit once: it is noted before the transfer starts, so
that an interrupted download goes on with the same one, and then locked. A row may name several
repositories that hold the same; the first that the hub knows is taken, and the receipt says which.
"""

import importlib
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_text
from bayling_study.shared.sources.gates import TOKEN_ADVICE, page
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.certificates import refuse_untrusted, share_bundle
from bayling_study.stages.download.request import DownloadRequest
from bayling_study.stages.download.transfer import PASSING_STATUS, asked_pause

LOG = logging.getLogger(__name__)
WEIGHTS = (".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".gguf", ".h5", ".index.json")
"""How the files end that a model's stand-in is made without; an index would name what is absent."""

BUSY_SECONDS = 20.0  # until a hub is asked again that is too busy to say when


class GatedError(StudyError):
    """The hub wants terms accepted, or a token."""


def online_hub() -> Any:
    """Returns huggingface_hub, on line, and with the certificates that requests trusts. It is
    imported here because that is slow, and the workflow reads this package often."""
    share_bundle()
    # What it read of HF_HUB_OFFLINE, which `make` sets to 1 for the jobs that must ask no hub.
    constants: Any = importlib.import_module("huggingface_hub.constants")
    constants.HF_HUB_OFFLINE = False
    return importlib.import_module("huggingface_hub")


def fetch_hub(request: DownloadRequest) -> tuple[str, str]:
    """Fetches the row's files into ``request.files``; returns commit and repository fetched (for a
    ``StudyError`` see ``open_repository``)."""
    with open_repository(request) as (hub, place, where):
        patterns = list(request.row.files) or None
        hub.snapshot_download(**where, allow_patterns=patterns, local_dir=request.files)
        return where["revision"], place


@contextmanager
def open_repository(request: DownloadRequest) -> Iterator[tuple[Any, str, dict[str, str]]]:
    """Yields the hub's client, the repository that answers, and how the client is told of it
    (``StudyError``, in the block too: terms not accepted, no token, no such repository or revision,
    or the network gave up)."""
    hub = online_hub()
    errors = importlib.import_module("huggingface_hub.errors")
    if request.row.gated and not hub.get_token():  # refused before anything starts
        raise gated(request)
    try:
        revision, place = _answering(request, hub.HfApi())
        yield hub, place, {**repository(place), "revision": revision}
    except errors.GatedRepoError as error:
        raise gated(request) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        what = f"the hub has no such repository or revision ({request.revision or 'newest'})"
        fix = "check the source's row; a gated or private repository also needs a token: "
        raise StudyError(what, where=request.row.location, fix=fix + TOKEN_ADVICE) from error
    except (errors.HTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        refuse_untrusted(request.row.location, error)
        what = f"the hub cannot be reached or gave up ({error})"
        fix = "start again, it continues where it stopped; or set HF_ENDPOINT to a mirror, or "
        fix += f"download.local.{request.row.id} in the config"
        raise StudyError(what, where=request.row.location, fix=fix) from error


def repository(place: str) -> dict[str, str]:
    """Returns how the hub's client is told of ``models/OWNER/NAME`` or ``datasets/OWNER/NAME``."""
    kind, _, name = place.partition("/")
    return {"repo_id": name, "repo_type": kind.removesuffix("s")}


def gated(request: DownloadRequest) -> GatedError:
    """Returns the error that says what to accept and where to put the token."""
    row = request.row
    fix = f"accept its terms ({row.licence}) on the page of {page(row)} with your account,\n"
    fix += f"then {TOKEN_ADVICE};\nor set download.local.{row.id} to a copy that you have"
    what = f"{row.places[0]} is gated and no accepted token was found"
    return GatedError(what, where=f"source {row.id}", fix=fix)


def is_commit(revision: str) -> bool:
    """Tells whether a revision is a commit, which always means the same, and not a branch."""
    return re.fullmatch("[0-9a-f]{40}", revision) is not None


def _answering(request: DownloadRequest, api: Any) -> tuple[str, str]:
    """Returns the commit to fetch and the first repository that has it. The commit is noted where
    the table leaves it open."""
    note, wanted = request.raw / "revision", request.revision
    if not is_commit(wanted) and note.exists():
        wanted = note.read_text(encoding="utf-8")
    if len(request.row.places) == 1 and is_commit(wanted):
        return wanted, request.row.places[0]
    found, place = first_answer(request.row, api, wanted, request.policy.retries)
    write_text(note, str(found.sha))
    return str(found.sha), place


def first_answer(
    row: SourceRow, api: Any, revision: str, retries: int = 0, **how: Any
) -> tuple[Any, str]:
    """Returns what the hub says of the first of a row's repositories that it has, and which it is.
    ``how`` are further arguments of the client's ``repo_info``. The errors are the client's: of the
    last repository, if it has none, or of a hub that is still busy after the ``retries``."""
    errors = importlib.import_module("huggingface_hub.errors")
    how |= {"revision": revision or None}
    *others, last = row.places
    for place in others:
        try:
            return _info(api, place, retries, how), place
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError):
            LOG.warning("%s: the hub has no %s; asking for the next", row.id, place)
    return _info(api, last, retries, how), last


def _info(api: Any, place: str, retries: int, how: dict[str, Any]) -> Any:
    """Asks again what the client asks once: a study's first minute has a hundred such requests."""
    errors = importlib.import_module("huggingface_hub.errors")
    while True:
        try:
            return api.repo_info(**repository(place), **how)
        except errors.HfHubHTTPError as error:
            if not retries or error.response.status_code not in PASSING_STATUS:
                raise
            retries -= 1
            time.sleep(BUSY_SECONDS if (wait := asked_pause(error.response)) is None else wait)
