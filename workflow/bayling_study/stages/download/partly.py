"""Fetches a source in part, for a rehearsal: the first rows of each of its files.

==========================  =================================================================
a folder or file at hand    cut into a copy; nothing of it is changed
pip, npm, apt, babel,       fetched whole and held to the table's hash, then cut
sacrebleu
git, tar archives           read as they come, up to ``source_megabytes``; members are cut
zip archives, Parquet       by ranges: the list of members or the footer, then the beginnings
data sets of the hub, url   by ranges, file by file
models of the hub           all but the weights, for which a stand-in is made
==========================  =================================================================

A server without ranges is read as it comes. What is kept is neither pinned nor locked: the receipt
has the pin ``rehearsal``, and under ``cut`` what was kept of each file.
"""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from bayling_study.config.rehearsal import RehearsalSection
from bayling_study.core.files import read_json, write_json
from bayling_study.shared.sources.fetched import checkpoint_of
from bayling_study.stages.download import archives, local
from bayling_study.stages.download.archives import wanted
from bayling_study.stages.download.cutting import Portion, cut_file, keep_whole
from bayling_study.stages.download.fetchers import FETCHERS, TOP_FOLDER_KINDS, is_archive
from bayling_study.stages.download.hub import WEIGHTS, GatedError, addresses, fetch_hub, gated
from bayling_study.stages.download.ranges import WebFile, buffered
from bayling_study.stages.download.receipt import describe_files, files_below, write_receipt
from bayling_study.stages.download.request import DownloadRequest
from bayling_study.stages.download.transfer import RefusedError, file_name, patiently

MEGABYTE = 1_000_000


def fetch_part(request: DownloadRequest, copy: Path | None, section: RehearsalSection) -> None:
    """Writes the first rows of a source and its receipt; a ``copy`` at hand is cut instead.

    Raises:
        StudyError: the source cannot be had, or a file of it cannot be cut.
    """
    part = _Part(request, section)
    row, revision = request.row, request.revision
    file = file_name(row.location)
    if copy or row.kind not in ("hub", "url", "git") or file.endswith(".deb"):
        part.take_folder(copy if copy and copy.is_dir() else fetch_whole(request, copy))
    elif row.location.startswith("models/"):
        revision = part.fetch_model()
    elif row.kind == "hub":
        revision = part.fetch_data_set()
    else:
        part.fetch_address(file)
    part.level()
    facts = describe_files(request.files)
    cut = {"bytes": part.brought, "files": part.cuts}
    write_receipt(request.out, row, facts, "rehearsal", revision=revision, cut=cut)
    shutil.rmtree(request.raw, ignore_errors=True)


def fetch_whole(request: DownloadRequest, copy: Path | None) -> Path:
    """Returns a folder with the whole source, of a file at hand or as it is fetched otherwise."""
    whole = replace(request, out=request.raw / "whole")
    _ = local.take_local_file(copy, whole) if copy else FETCHERS[request.row.kind](whole)
    return whole.files


@dataclass
class _Part:
    """A source that is being cut; see ``fetch_part``.

    ``cuts`` says of each file how many ``rows`` were kept (none: it is whole), whether it has
    ``more``, whether the ``budget`` ended it, and how many ``bytes`` were read for it alone;
    ``brought`` is what was read of the source.
    """

    request: DownloadRequest
    section: RehearsalSection
    brought: int = 0
    cuts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def portion(self, files: int, spent: Callable[[], int] = int) -> Portion:
        """Returns what is kept of each of so many files that are fetched."""
        source = self.section.source_megabytes * MEGABYTE
        most = min(self.section.file_megabytes * MEGABYTE, source // files)
        return Portion(self.request.row.first, most, source, spent)

    def keep(self, name: str, stream: IO[bytes], target: Path, portion: Portion) -> None:
        """Cuts one file, of the source's path ``name``."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "wb") as sink:
            kept = cut_file(f"{self.request.row.id}/{name}", buffered(stream), sink, portion)
        self.cuts[name] = {**kept._asdict(), "bytes": portion.spent()}

    def take_folder(self, root: Path) -> None:
        """Cuts the wanted files of a folder; of a checkpoint, all but the weights are taken."""
        row, files = self.request.row, self.request.files
        shutil.rmtree(files, ignore_errors=True)
        model = row.location.startswith("models/")
        model = model or (row.kind == "local" and checkpoint_of(root) is not None)
        names = [name for name, _ in files_below(root) if wanted(name, row.files)]
        if not names:
            raise local.nothing_wanted(root, row)
        for name in names:
            if not (model and wanted(name, tuple(f"**/{pattern}" for pattern in WEIGHTS))):
                with open(root / name, "rb") as stream:
                    self.keep(name, stream, files / name, Portion(row.first))
        if model:
            make_stand_in(self.request)

    def fetch_model(self) -> str:
        """Fetches a model's small files, if its terms allow; returns the commit."""
        self.request.files.mkdir(parents=True, exist_ok=True)
        commit, why = "", ""
        try:
            commit = fetch_hub(self.request, WEIGHTS)
        except GatedError as error:
            why = error.what
        make_stand_in(self.request, why)
        return commit

    def fetch_data_set(self) -> str:
        """Cuts each wanted file of a data set; those that an earlier call cut stay."""
        commit, urls, headers = addresses(self.request)
        noted = self.request.raw / "cut.json"
        self.cuts = read_json(noted) if noted.exists() else {}
        try:
            for name, url in urls.items():
                if name not in self.cuts:
                    self.fetch_file(url, name, len(urls), headers)
                    write_json(noted, self.cuts)
        except RefusedError as error:
            if self.request.row.gated or "Gated" in error.what:
                raise gated(self.request) from error
            raise
        self.brought = sum(cut["bytes"] for cut in self.cuts.values())
        return commit

    def fetch_address(self, file: str) -> None:
        """Cuts a file of an address, or the members of an archive."""
        url, row = self.request.mirrored(self.request.row.location), self.request.row
        if row.kind == "git":
            url = f"{url.removesuffix('.git')}/archive/{self.request.revision}.tar.gz"
        elif not is_archive(file):
            self.fetch_file(url, file, 1, {})
            return
        patiently(lambda: self.fetch_archive(url), url, self.request.policy)

    def fetch_file(self, url: str, name: str, files: int, headers: dict[str, str]) -> None:
        """Cuts one file of so many of a source; what fails and may pass starts it again."""

        def attempt() -> None:
            with closing(self.open(url, headers, whole=name.endswith(".parquet"))) as web:
                portion = self.portion(files, lambda: web.brought)
                self.keep(name, web, self.request.files / name, portion)
                self.brought += web.brought

        patiently(attempt, url, self.request.policy)

    def fetch_archive(self, url: str) -> None:
        """Cuts the wanted members: of a zip by ranges, of a tar as they pass."""
        request = self.request
        shutil.rmtree(request.files, ignore_errors=True)

        def write(name: str, source: IO[bytes], target: Path) -> None:
            if not name.endswith(".parquet"):
                self.keep(name, source, target, self.portion(1))
                return
            with TemporaryFile() as whole:  # it is read from its end
                keep_whole(name, buffered(source), whole, self.portion(1))
                whole.seek(0)
                self.keep(name, whole, target, self.portion(1))

        strip, patterns = request.row.kind in TOP_FOLDER_KINDS, request.row.files
        with closing(self.open(url, {}, whole=url.endswith((".zip", ".whl")))) as web:
            with archives.damage_told(url):
                entries = archives.members(buffered(web))
                archives.unpack_members(entries, url, request.files, patterns, strip, write)
            self.brought = web.brought

    def open(self, url: str, headers: dict[str, str], whole: bool) -> WebFile:
        """Opens a file of the source, which may bring no more than the source's budget."""
        return WebFile(url, self.request.policy, self.portion(1).whole, headers, whole)

    def level(self) -> None:
        """Cuts texts to the rows of the shortest that its budget ended: sides stay parallel."""
        texts = {name: cut for name, cut in self.cuts.items() if not name.endswith(".parquet")}
        least = min((cut["rows"] for cut in texts.values() if cut["budget"]), default=None)
        for name, cut in texts.items():
            if least is not None and (cut["rows"] or 0) > least:
                target = self.request.files / name
                with TemporaryFile() as longer:
                    longer.write(target.read_bytes())
                    longer.seek(0)
                    self.keep(name, longer, target, Portion(least))
                self.cuts[name] |= {"bytes": cut["bytes"], "budget": True}


def make_stand_in(request: DownloadRequest, why: str = "") -> None:
    """Writes random weights beside a model's small files, of which ``why`` says why none came."""
    # Imported late: it builds models, and few sources are any.
    stand_ins = import_module("bayling_study.stages.download.stand_ins")
    stand_ins.write_stand_in(request.row, request.files, why)
