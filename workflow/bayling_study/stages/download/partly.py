"""Fetches a source in part, for a rehearsal: the first rows of each of its files.

======================  =====================================================================
a folder or file        of the user's: cut into a copy; nothing of it is changed
archives and packages   fetched whole (git and url: up to ``source_megabytes``), then cut
url, hub's data sets    file by file: text as it comes, Parquet and zip by ranges
models of the hub       all but the weights, for which a stand-in is made
======================  =====================================================================

What is kept is neither pinned nor locked: the receipt has the pin ``rehearsal``, and under ``cut``
how many ``bytes`` were read, and of each of the ``files`` the ``rows`` that were kept (none: it is
whole), whether it has ``more``, whether the ``budget`` ended it, and its own ``bytes``.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from bayling_study.config.rehearsal import RehearsalSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.stages.download.archives import members, refuse_unsafe, tidy, wanted
from bayling_study.stages.download.cutting import UNLIMITED, Portion, cut_file
from bayling_study.stages.download.fetchers import FETCHERS, is_archive
from bayling_study.stages.download.hub import WEIGHTS, GatedError, open_repository
from bayling_study.stages.download.local import take_local_file
from bayling_study.stages.download.ranges import BLOCK, buffered, counted, opened
from bayling_study.stages.download.receipt import describe_files, files_below, write_receipt
from bayling_study.stages.download.request import DownloadRequest
from bayling_study.stages.download.transfer import file_name

MEGABYTE = 1_000_000
MODEL = ("config.json", "hparams.yaml")
"""What tells a checkpoint, or one of COMET, from data, in a folder of the user's."""
NOTED = "cut.json"  # the cuts of a data set's files, for the next call if this one is interrupted


def fetch_part(request: DownloadRequest, copy: Path | None, section: RehearsalSection) -> None:
    """Writes the first rows of a source and its receipt; a ``copy`` at hand is cut instead
    (``StudyError`` if the source cannot be had, or a file of it cannot be cut)."""
    row, url = request.row, request.mirrored(request.row.location)
    file = file_name(url)
    if row.kind in ("url", "git"):
        policy = replace(request.policy, most=section.source_megabytes * MEGABYTE)
        request = replace(request, policy=policy)
    part = _Part(request, section, revision=request.revision)
    if copy or not (request.raw / NOTED).exists():
        shutil.rmtree(request.files, ignore_errors=True)
    if copy and copy.is_dir():
        part.take_folder(copy)
    elif copy or row.kind not in ("hub", "url") or (is_archive(file) and not file.endswith(".zip")):
        whole = replace(request, out=request.raw / "whole")
        fetched = take_local_file(copy, whole) if copy else FETCHERS[row.kind](whole)
        part.brought = 0 if copy else fetched.bytes
        part.take_folder(whole.files)
    elif row.location.startswith("models/"):
        part.fetch_model()
    elif row.kind == "hub":
        part.fetch_data_set()
    else:
        part.fetch_address(url, file)
    part.level()
    cut = {"bytes": part.brought, "files": part.cuts}
    extra = {"revision": part.revision, "location": part.location, "cut": cut}
    write_receipt(request.out, row, describe_files(request.files), "rehearsal", **extra)
    shutil.rmtree(request.raw, ignore_errors=True)


@dataclass
class _Part:
    """A source that is being cut: ``brought`` bytes were read of it, and ``cuts`` were made.
    ``location`` is the place taken, of a row that names several."""

    request: DownloadRequest
    section: RehearsalSection
    revision: str = ""
    location: str = ""
    brought: int = 0
    cuts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def portion(self, files: int, spent: Callable[[], int] = int) -> Portion:
        """Returns what is kept of one of so many files that are fetched."""
        source = self.section.source_megabytes * MEGABYTE
        most = min(self.section.file_megabytes * MEGABYTE, source // files)
        return Portion(self.request.row.first, most, source, spent)

    def keep(self, name: str, stream: Any, portion: Portion) -> None:
        """Cuts one file, whose path in the source is ``name``."""
        target = self.request.files / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "wb") as sink:
            kept = cut_file(f"{self.request.row.id}/{name}", stream, sink, portion)
        self.cuts[name] = {**kept._asdict(), "bytes": portion.spent()}

    def some(self, names: Iterable[str], where: object, hub: Any = None) -> list[str]:
        """Returns the names that the row wants, in order; the hub's client knows its own patterns
        (``StudyError`` if there are none)."""
        files, found = self.request.row.patterns, list(names)
        if hub:
            found = hub.utils.filter_repo_objects(found, allow_patterns=list(files) or None)
        if found := sorted(name for name in found if hub or wanted(name, files)):
            return found
        fix = f"correct the row of source {self.request.row.id}, or its path in download.local"
        raise StudyError(f"no file matches {'; '.join(files) or 'anything'}", where=where, fix=fix)

    def take_folder(self, root: Path) -> None:
        """Cuts the wanted files of a folder; of a checkpoint, all but the weights are taken."""
        row = self.request.row
        model = row.location.startswith("models/")
        if row.kind == "local":
            model = any(file.name in MODEL for file in root.rglob("*"))
        names = self.some((name for name, _ in files_below(root)), root)
        weights = [name for name in names if model and name.endswith(WEIGHTS)]
        for name in names:
            if name not in weights:
                with open(root / name, "rb", BLOCK) as stream:
                    self.keep(name, stream, Portion(UNLIMITED if model else row.first))
        if model:
            self.stand_in(weights)

    @contextmanager
    def repository(self) -> Iterator[tuple[Any, str, dict[str, str]]]:
        """Opens the row's repository (see ``open_repository``) and notes what answered."""
        with open_repository(self.request) as (hub, place, where):
            self.revision = where["revision"]
            self.location = place if len(self.request.row.places) > 1 else ""
            yield hub, place, where

    def fetch_model(self) -> None:
        """Fetches a model's small files, if its terms allow."""
        try:
            with self.repository() as (hub, place, where):
                names = self.some(hub.HfApi().list_repo_files(**where), place, hub)
                small = [name for name in names if not name.endswith(WEIGHTS)]
                hub.snapshot_download(**where, allow_patterns=small, local_dir=self.request.files)
                self.brought = sum(fact.bytes for fact in describe_files(self.request.files))
        except GatedError as error:
            self.stand_in([], error.what)
        else:
            self.stand_in([name for name in names if name not in small])

    def stand_in(self, weights: list[str], why: str = "") -> None:
        """Writes random weights in place of these; ``why`` says why no small files came."""
        self.request.files.mkdir(parents=True, exist_ok=True)
        # Imported late: it builds models, and few sources are any.
        stand_ins = import_module("bayling_study.stages.download.stand_ins")
        weights = [name for name in weights if not name.endswith(".json")]
        stand_ins.write_stand_in(self.request.row, self.request.files, why, weights)

    def fetch_data_set(self) -> None:
        """Cuts the wanted files of a data set, without those that an earlier call cut."""
        noted = self.request.raw / NOTED
        self.cuts = read_json(noted) if noted.exists() else {}
        with self.repository() as (hub, place, where):
            root = f"{place}@{where['revision']}/"
            files = hub.HfFileSystem(skip_instance_cache=True)
            names = self.some((path.removeprefix(root) for path in files.find(root)), root, hub)
            for name in names:
                if name not in self.cuts:
                    with files.open(root + name, block_size=BLOCK) as file:
                        stream, count = counted(file)
                        self.keep(name, stream, self.portion(len(names), count))
                    write_json(noted, self.cuts)
        self.brought = sum(cut["bytes"] for cut in self.cuts.values())

    def fetch_address(self, url: str, file: str) -> None:
        """Cuts a file, or the members of a zip archive."""
        zipped = file.endswith(".zip")
        with opened(url, self.request.policy, zipped or file.endswith(".parquet")) as (web, count):
            for member in members(web) if zipped else ():
                name = tidy(member.name)
                if not member.folder and wanted(name, self.request.row.files):
                    refuse_unsafe(member, name, url)
                    self.keep(name, buffered(member.open()), self.portion(1))
            if zipped:
                self.some(self.cuts, url)
            else:
                self.keep(file, web, self.portion(1, count))
            self.brought = count()

    def level(self) -> None:
        """Cuts texts to the rows of the shortest that its budget ended: sides stay parallel."""
        texts = {name: cut for name, cut in self.cuts.items() if not name.endswith(".parquet")}
        least = min((cut["rows"] for cut in texts.values() if cut["budget"]), default=None)
        longer = self.request.raw / "longer"
        for name, cut in texts.items():
            if least is not None and (cut["rows"] or 0) > least:
                longer.parent.mkdir(parents=True, exist_ok=True)
                with open((self.request.files / name).rename(longer), "rb", BLOCK) as stream:
                    self.keep(name, stream, Portion(least))
                self.cuts[name] |= {"budget": True, "bytes": cut["bytes"]}
