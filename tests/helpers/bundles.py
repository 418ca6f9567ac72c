"""The bundle of a miniature study, for tests of what arrives elsewhere."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from bayling_study.commands.bundle.__main__ import TOP, pack_study
from bayling_study.config import load_config
from bayling_study.dag.layout import Layout
from bayling_study.stages.download.__main__ import ensure
from helpers.tiny import write_study


def packed_study(folder: Path) -> Path:
    """Writes a bundle into a folder and removes what it was made from."""
    study = write_study(folder / "here")
    config = load_config(study)
    layout = Layout(config)
    for source in layout.used_sources():
        ensure(layout.row(source), layout.download(source), config.download)
    pack_study([study], folder / "tiny.tar")
    shutil.rmtree(study.parent)
    return folder / "tiny.tar"


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpacks a bundle into a folder and returns its one folder there."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / TOP


def as_link(path: Path) -> None:
    """Replaces a file or folder by a link to it."""
    path.rename(path.with_name(f"{path.name}.moved"))
    path.symlink_to(f"{path.name}.moved")


def as_folder(path: Path) -> None:
    """Replaces a file by an empty folder."""
    path.unlink()
    path.mkdir()
