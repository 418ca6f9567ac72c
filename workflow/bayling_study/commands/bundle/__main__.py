"""Packs what a study needs into one archive; ``verify`` looks at what arrived.

    make fetch STUDY=bayling-7b                    # on a machine with a network
    make bundle STUDY=bayling-7b
    tar xf bayling-7b.tar && cd bayling-study      # on the cluster
    make verify && make study STUDY=bayling-7b

The archive holds the repository, the study's whole configuration and its sources with their
receipts; downloads are then found in place, and no job asks for a network. Environments are not in
it: their locks are, for ``pip download -r envs/study.lock -d wheels`` here and ``PIP_NO_INDEX=1
PIP_FIND_LINKS=$PWD/wheels make envs`` there.

``bundle.json`` is the archive's first file and holds every other's SHA-256 and size. The tar is not
compressed: weights and archives would not shrink, and any tar program can unpack it.
"""

import hashlib
import io
import json
import tarfile
import time
from operator import itemgetter
from pathlib import Path
from typing import Any

from bayling_study.commands.bundle.contents import Entry, entries
from bayling_study.commands.bundle.verify import LISTING
from bayling_study.config import load_config
from bayling_study.config.loading import ROOT
from bayling_study.core import cli
from bayling_study.core.disk import check_space
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_file, sha256_file
from bayling_study.core.progress import Progress
from bayling_study.dag.layout import Layout

TOP = "bayling-study"  # the one folder in the archive


def main() -> None:
    """Packs a study."""
    archive = cli.path("archive to write")
    options = cli.command(__name__, study_config=cli.STUDY_CONFIG, out=archive).parse_args()
    pack_study(options.study_config, options.out)


def pack_study(files: list[Path], out: Path) -> None:
    """Writes the archive of the study that some config files describe (``StudyError`` if a source
    was not fetched, or the disk is too small)."""
    config = load_config(*files)
    layout = Layout(config)
    layout.check()
    ordered = sorted(entries(layout, ROOT), key=itemgetter(0))
    listing = {name: _facts(content) for name, content in ordered}
    sizes, place = [facts["bytes"] for facts in listing.values()], out.absolute().parent
    # give or take long names: a member has a header of one block and is filled up to whole ones
    blocks = sum(2 + -(-size // tarfile.BLOCKSIZE) for size in sizes)
    place.mkdir(parents=True, exist_ok=True)
    fix = "make bundle BUNDLE=/bigger/disk/NAME.tar"
    check_space(place, tarfile.BLOCKSIZE * blocks, "the archive", fix)
    sources = {source: layout.download(source).name for source in layout.used_sources()}
    write(out, {"study": config.study.name, "sources": sources}, ordered, listing)
    there = f"tar xf {out.name} && cd {TOP} && make verify && make study STUDY={config.study.name}"
    print(f"{out}: {len(listing)} files, {sum(sizes) / 1e9:.2f} GB, {len(sources)} sources.")
    print(f"There: {there}")


def _facts(content: Path | bytes) -> dict[str, Any]:
    """Returns the hash and size of an entry."""
    if isinstance(content, bytes):
        return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return {"sha256": sha256_file(content), "bytes": content.stat().st_size}


def write(path: Path, about: dict[str, Any], entries: list[Entry], listing: dict[str, Any]) -> None:
    """Writes the archive, whole or not at all, in the one folder ``TOP``: entries of these hashes
    and sizes (``StudyError`` if a file changed), and what else ``bundle.json`` says, ``about``."""
    text = json.dumps({**about, "files": listing}, ensure_ascii=False, indent=1).encode()
    sizes = {LISTING: len(text)} | {name: facts["bytes"] for name, facts in listing.items()}
    with (
        atomic_file(path, "wb") as sink,
        tarfile.open(fileobj=sink, mode="w|") as tar,
        Progress(path.name, sum(sizes.values()), "B") as progress,
    ):
        for name, content in [(LISTING, text), *entries]:
            _add(tar, f"{TOP}/{name}", content, sizes[name])
            progress.update(sizes[name])


def _add(tar: tarfile.TarFile, name: str, content: Path | bytes, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    if isinstance(content, bytes):
        info.mtime = int(time.time())
        tar.addfile(info, io.BytesIO(content))
        return
    facts = content.stat()
    info.mtime, info.mode = int(facts.st_mtime), 0o755 if facts.st_mode & 0o100 else 0o644
    changed = StudyError("the file changed while it was being packed", where=content)
    if facts.st_size != size:
        raise changed
    try:
        with open(content, "rb") as stream:
            tar.addfile(info, stream)
    except OSError as error:
        if error.errno is None:  # tarfile's own: fewer bytes than the header says
            raise changed from error
        raise


if __name__ == "__main__":
    cli.run_program(main)
