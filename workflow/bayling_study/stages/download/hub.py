"""Fetches models and data sets from the hub at a pinned revision.

huggingface_hub does the transfer (it resumes by itself and checks the hub's hashes); the host is
the one that HF_ENDPOINT names, or its default. A row without a revision, or with a branch
(``refs/convert/parquet``), takes its newest commit once: it is noted before the transfer starts, so
that an interrupted download goes on with the same one, and then locked.
"""

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_text
from bayling_study.shared.sources.gates import TOKEN_ADVICE, page
from bayling_study.stages.download.certificates import is_untrusted, share_bundle, untrusted
from bayling_study.stages.download.request import DownloadRequest

WEIGHTS = (".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".gguf", ".h5", ".index.json")
"""How the files end that a model's stand-in is made without; an index would name what is absent."""


class GatedError(StudyError):
    """The hub wants terms accepted, or a token."""


def fetch_hub(request: DownloadRequest) -> str:
    """Fetches the row's files into ``request.files``; returns the commit fetched.

    Raises:
        StudyError: see ``repository``.
    """
    with repository(request) as (hub, where):
        patterns = list(request.row.files) or None
        hub.snapshot_download(**where, allow_patterns=patterns, local_dir=request.files)
        return where["revision"]


@contextmanager
def repository(request: DownloadRequest) -> Iterator[tuple[Any, dict[str, str]]]:
    """Yields the hub's client, and the row's repository at the commit to fetch as it names them.

    Raises:
        StudyError: terms not accepted, no token, no such repository or revision,
            or the network gave up; in the block too.
    """
    # Imported late: it is slow to import, and the workflow reads this package often.
    share_bundle()
    hub = importlib.import_module("huggingface_hub")
    errors = importlib.import_module("huggingface_hub.errors")
    if request.row.gated and not hub.get_token():  # refused before anything starts
        raise gated(request)
    kind, _, name = request.row.location.partition("/")
    repo_type = {"models": "model", "datasets": "dataset"}[kind]
    try:
        revision = _revision(request, hub.HfApi(), name, repo_type)
        yield hub, {"repo_id": name, "repo_type": repo_type, "revision": revision}
    except errors.GatedRepoError as error:
        raise gated(request) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        what = f"the hub has no such repository or revision ({request.revision or 'newest'})"
        fix = "check the source's row; a gated or private repository also needs a token: "
        raise StudyError(what, where=request.row.location, fix=fix + TOKEN_ADVICE) from error
    except (errors.HTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        if is_untrusted(error):
            raise untrusted(request.row.location, error) from error
        what = f"the hub cannot be reached or gave up ({error})"
        fix = "start again, it continues where it stopped; or set HF_ENDPOINT to a mirror, or "
        fix += f"download.local.{request.row.id} in the config"
        raise StudyError(what, where=request.row.location, fix=fix) from error


def gated(request: DownloadRequest) -> GatedError:
    """Returns the error that says what to accept and where to put the token."""
    row = request.row
    fix = f"accept its terms ({row.licence}) on the page of {page(row)} with your account,\n"
    fix += f"then {TOKEN_ADVICE};\nor set download.local.{row.id} to a copy that you have"
    what = f"{row.location} is gated and no accepted token was found"
    return GatedError(what, where=f"source {row.id}", fix=fix)


def is_commit(revision: str) -> bool:
    """Tells whether a revision is a commit, which always means the same, and not a branch."""
    return re.fullmatch("[0-9a-f]{40}", revision) is not None


def _revision(request: DownloadRequest, api: Any, name: str, repo_type: str) -> str:
    """Returns the commit to fetch; resolves and notes it where the table leaves it open."""
    note: Path = request.raw / "revision"
    if is_commit(request.revision):
        return request.revision
    if not note.exists():
        found = api.repo_info(name, repo_type=repo_type, revision=request.revision or None)
        write_text(note, str(found.sha))
    return note.read_text(encoding="utf-8")
