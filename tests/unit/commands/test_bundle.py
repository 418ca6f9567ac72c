"""Bundles: everything a study needs arrives whole, and runs where there is no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from bayling_study.commands.bundle import contents
from bayling_study.commands.bundle.__main__ import TOP, pack_study
from bayling_study.commands.bundle.verify import LISTING, verify
from bayling_study.config import load_config
from bayling_study.config.loading import ROOT
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.dag.layout import Layout
from bayling_study.stages.download.__main__ import ensure
from helpers.tiny import write_study


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the miniature study; what it was made from is gone."""
    folder = tmp_path_factory.mktemp("packed")
    study = write_study(folder / "here")
    config = load_config(study)
    layout = Layout(config)
    with pytest.raises(StudyError, match="not fetched yet: catalogues") as caught:
        pack_study([study], folder / "tiny.tar")
    assert caught.value.fix == "make fetch STUDY=tiny"
    assert not (folder / "tiny.tar").exists()
    for source in layout.used_sources():
        ensure(layout.row(source), layout.download(source), config.download)
    pack_study([study], folder / "tiny.tar")
    shutil.rmtree(study.parent)
    return folder / "tiny.tar"


@pytest.fixture
def there(packed: Path, tmp_path: Path) -> Path:
    """The bundle as it is unpacked elsewhere."""
    with tarfile.open(packed) as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path / TOP


def test_the_list_covers_every_file_and_the_sources_are_found(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = verify(there)
    present = {p.relative_to(there).as_posix() for p in there.rglob("*") if p.is_file()}
    assert present == {LISTING, *about["files"]}
    assert {"Snakefile", "workflow/bayling_study/dag/rules.py", "envs/study.lock"} <= present
    monkeypatch.chdir(there)
    config = load_config(Path("config/studies/tiny.yaml"))
    layout = Layout(config)
    layout.check()
    assert layout.missing_sources() == []
    assert config.download.local == {} and config.study.resources == "resources"
    for source in layout.used_sources():
        before = layout.manifest(source).read_bytes()
        ensure(layout.row(source), layout.download(source), config.download)  # does nothing
        assert layout.manifest(source).read_bytes() == before
        assert "root" not in read_json(layout.manifest(source))


def test_a_damaged_or_missing_file_is_named(there: Path) -> None:
    victim = sorted((there / "resources").rglob("*.json"))[0]
    victim.write_bytes(b"x" * victim.stat().st_size)
    with pytest.raises(StudyError, match=f"1 of .* damaged, first {victim.relative_to(there)}"):
        verify(there)
    victim.unlink()
    with pytest.raises(StudyError, match="missing or damaged"):
        verify(there)
    with pytest.raises(StudyError, match="does not exist"):
        verify(there / "config")


def test_results_and_what_git_ignores_stay_here(packed: Path) -> None:
    with tarfile.open(packed) as tar:
        names = tar.getnames()
    assert names[0] == f"{TOP}/{LISTING}" and len(names) == len(set(names))
    inside = [name.split("/")[1] for name in names]
    assert not {"results", ".git", ".venv", ".snakemake"} & set(inside)


@pytest.mark.slow
def test_fetch_without_a_network_finds_everything(there: Path, tmp_path: Path) -> None:
    (there / ".venv").symlink_to(ROOT / ".venv")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "rules"]
    command += ["--configfile", "config/studies/tiny.yaml", "--", "fetch"]
    if os.geteuid() == 0 and shutil.which("unshare"):
        command = ["unshare", "--net", *command]
    refusing = dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **refusing, "HOME": str(tmp_path)}
    before = {p: p.stat().st_mtime_ns for p in (there / "resources").rglob("*")}
    result = subprocess.run(
        command, cwd=there, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    after = {p: p.stat().st_mtime_ns for p in before}
    assert after == before  # no download ran


def test_a_sources_lock_and_list_of_files_go_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "downloads" / "set-12345678"
    (folder / "files").mkdir(parents=True)
    write_json(folder / "manifest.json", {"files": []})
    for suffix in ("tsv", "files.json"):
        write_json(tmp_path / "sources.lock" / f"set-12345678.{suffix}", [])
    layout = SimpleNamespace(download=lambda _: folder, resources=tmp_path)
    names = [name for name, _ in contents._source(layout, "set")]
    assert names[1:] == [
        "resources/sources.lock/set-12345678.tsv",
        "resources/sources.lock/set-12345678.files.json",
    ]
