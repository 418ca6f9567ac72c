"""Bundles: everything a study needs arrives whole, and runs where there is no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bayling_study.commands.bundle import contents
from bayling_study.commands.bundle.__main__ import TOP, pack_study
from bayling_study.commands.bundle.verify import LISTING, findings, main, read_listing
from bayling_study.config import load_config
from bayling_study.config.loading import ROOT
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.dag.layout import Layout
from bayling_study.stages.download.__main__ import ensure
from helpers.bundles import as_folder, as_link, packed_study, unpacked
from helpers.tiny import write_study


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the miniature study; what it was made from is gone."""
    return packed_study(tmp_path_factory.mktemp("packed"))


@pytest.fixture
def there(packed: Path, tmp_path: Path) -> Path:
    """The bundle as it is unpacked elsewhere."""
    return unpacked(packed, tmp_path)


def test_a_study_that_was_not_fetched_is_not_packed(tmp_path: Path) -> None:
    study = write_study(tmp_path / "here")
    with pytest.raises(StudyError, match="not fetched yet: catalogues") as caught:
        pack_study([study], tmp_path / "tiny.tar")
    assert caught.value.fix == "make fetch STUDY=tiny"
    assert not (tmp_path / "tiny.tar").exists()


def test_the_list_covers_every_file_and_the_sources_are_found(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = read_listing(there)
    assert findings(there, about["files"]) == []
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


def wrong(folder: Path) -> list[str]:
    """Returns what `make verify` finds."""
    return findings(folder, read_listing(folder)["files"])


def test_a_damaged_or_missing_file_is_named(there: Path) -> None:
    victim = sorted((there / "resources").rglob("*.json"))[0]
    name = victim.relative_to(there).as_posix()
    victim.write_bytes(b"x" * victim.stat().st_size)
    assert wrong(there) == [f"{name} is damaged: its SHA-256 differs"]
    victim.unlink()
    assert wrong(there) == [f"{name} is missing"]
    with pytest.raises(StudyError, match="does not exist"):
        read_listing(there / "config")


EXTRA = {
    "workflow/sitecustomize.py": "is extra: a job might import or run it",
    "workflow/mine.pth": "is extra: a job might import or run it",
    "workflow/bayling_study/stages/more/__init__.py": "is extra: a job might import or run it",
    "workflow/__pycache__/code.cpython-311.pyc": "is extra: a job might import or run it",
    "tests/conftest_of_mine/conftest.py": "is extra: a job might import or run it",
    "conftest.py": "is extra: a job might import or run it",
    "GNUmakefile": "is extra: a job might import or run it",
    "json/__init__.py": "is extra: a job might import or run it",
    "envs/more.lock": "is extra: a job might import or run it",
    "config/studies/x.yaml": "is an extra study",
}


@pytest.mark.parametrize(("name", "what"), EXTRA.items())
def test_an_extra_file_that_jobs_might_use_is_named(there: Path, name: str, what: str) -> None:
    path = there / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("raise SystemExit('taken')\n", encoding="utf-8")
    (line,) = wrong(there)
    assert line.endswith(f" {what}")
    assert name.startswith(line.split()[0])


def test_extra_files_of_a_source_are_named_and_those_of_other_studies_are_not(there: Path) -> None:
    source = sorted((there / "resources" / "download").iterdir())[0]
    for name in ("resources/download/other/files/a", "resources/runs/download/other.json",
                 "resources/foundation/m/model.safetensors", "results/tiny/x", "wheels/a.whl",
                 ".venv/study/lib/site.pth", "config/.DS_Store"):  # fmt: skip
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).touch()
    assert wrong(there) == []
    (source / "files" / "modeling.py").touch()
    name = (source / "files" / "modeling.py").relative_to(there).as_posix()
    assert wrong(there) == [f"{name} is extra: a job might import or run it"]


WAYS = {
    "is a link in place of a file": as_link,
    "is a folder in place of a file": as_folder,
    "may be changed by everybody": lambda path: path.chmod(0o666),
    "is missing": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize(("what", "change"), WAYS.items())
def test_a_file_is_no_link_folder_pipe_or_everybodys(
    there: Path, what: str, change: Callable[[Path], object]
) -> None:
    change(there / "workflow" / "bayling_study" / "__init__.py")
    assert f"workflow/bayling_study/__init__.py {what}" in wrong(there)


def test_a_folder_of_code_is_no_link_but_resources_may_lie_elsewhere(
    there: Path, tmp_path: Path
) -> None:
    (there / "resources").rename(tmp_path / "disk")
    (there / "resources").symlink_to(tmp_path / "disk")
    assert wrong(there) == []
    (there / "envs").rename(tmp_path / "envs")
    (there / "envs").symlink_to(tmp_path / "envs")
    assert "envs is an extra link" in wrong(there)


def test_make_verify_imports_nothing_of_the_folder_and_says_each(there: Path) -> None:
    (there / "GNUmakefile").write_text("include Makefile\n")
    for name in ("workflow/sitecustomize.py", "json.py", "config/studies/x.yaml"):
        (there / name).write_text("raise SystemExit('taken')\n")
    (there / os.fsdecode(b"workflow/\xff.py")).touch()
    command = ["make", "verify", f"PYTHON={sys.executable}"]
    outer = ("MAKE", "MFLAGS")  # of the `make test` that may have started this
    kept = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    done = subprocess.run(command, cwd=there, capture_output=True, text=True, check=False, env=kept)
    assert done.returncode == 2, done.stderr  # make's own, for a recipe that ended with 1
    assert "Error 1" in done.stderr
    assert "taken" not in done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "GNUmakefile is extra: a job might import or run it",
        "config/studies/x.yaml is an extra study",
        "json.py is extra: a job might import or run it",
        "workflow/sitecustomize.py is extra: a job might import or run it",
        "workflow/\\xff.py is extra: a job might import or run it",
        "error: 5 paths differ from bundle.json",
        "  fix: remove what is extra; unpack what is damaged or missing again",
    ]
    assert not list(there.rglob("__pycache__"))


def test_a_whole_bundle_ends_with_what_comes_next(there: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["verify", str(there)])
    assert main() == 0
    assert capsys.readouterr().out.endswith("files are whole; next: make study STUDY=tiny\n")


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


def test_a_copy_in_a_folder_that_a_repository_above_ignores_is_packed(tmp_path: Path) -> None:
    copy = tmp_path / "copies" / "bayling-study"
    names = ["Snakefile", "config/config.yaml", "envs/Dockerfile"]
    for name in [*names, "workflow/__pycache__/rules.pyc"]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("")
    (tmp_path / ".gitignore").write_text("copies/\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert [name for name, _ in contents.repository_files(copy)] == names
