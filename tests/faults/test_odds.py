"""Odd inputs through the real programs: one line in the end, never a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.core.files import write_json
from helpers.sandbox import COMET, ROOT, Sandbox

pytestmark = pytest.mark.long

HEADER = "id\tkind\tlocation\trevision\tfiles\tsha256\tbytes\tlicence\tgated\tconfirmed\tnote\n"
NOT_UTF8 = b"na\xefve".decode("utf-8", "surrogateescape")
DEEP = "[" * 10_000 + "]" * 10_000


def program(module: str, *options: object, cwd: Path, python: object = sys.executable):
    """Runs one of the package's programs; returns its status and all it said."""
    done = subprocess.run(
        [str(python), "-m", f"bayling_study.{module}", *map(str, options)],
        cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def told(result: tuple[int, str], *texts: str) -> None:
    """Asserts that a program failed as for a user's mistake, with these texts."""
    status, said = result
    assert status == 2, said[-3000:]
    assert "Traceback" not in said, said[-3000:]
    for text in texts:
        assert text in said, said[-3000:]


def download(root: Path, file: Path) -> tuple[int, str]:
    """Runs the download of a source that a local file stands for."""
    table = f"{HEADER}odd\turl\thttps://upstream.invalid/{file.name}\t\t\t\t\tCC0\tno\t\t\n"
    (root / "sources.tsv").write_text(table)
    local = {"odd": str(file)}
    write_json(root / "operations.json", {"download": {"manifest": "sources.tsv", "local": local}})
    options = ["--operations", "operations.json", "--record", "record.json", "--source", "odd"]
    return program("stages.download", *options, "--out", "resources/download/odd-1", cwd=root)


def tar_of(path: Path, *names: str, kind: bytes = tarfile.REGTYPE) -> None:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, "target", int(kind == tarfile.REGTYPE)
            archive.addfile(info, io.BytesIO(b"x"))


def zip_of(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")


ARCHIVES = {
    "x and ./x": (tar_of, ["x", "./x"], "occurs twice"),
    "t//x and t/x": (tar_of, ["t//x", "t/x"], "occurs twice"),
    "a file and a folder of one name": (tar_of, ["a", "a/b"], "another member is a folder"),
    "a name that is not UTF-8": (tar_of, [NOT_UTF8], "is not UTF-8"),
    "a name that climbs out": (tar_of, ["../x"], "points outside the folder"),
    "an absolute name": (tar_of, ["/x"], "points outside the folder"),
    "x and ./x (zip)": (zip_of, ["x", "./x"], "occurs twice"),
    "a file and a folder of one name (zip)": (zip_of, ["a/b", "a"], "another member is"),
}
KINDS = {
    "a symbolic link": tarfile.SYMTYPE,
    "a hard link": tarfile.LNKTYPE,
    "a device node": tarfile.BLKTYPE,
    "a pipe": tarfile.FIFOTYPE,
}


@pytest.mark.fault("an archive with {case}")
@pytest.mark.parametrize("case", ARCHIVES)
def test_an_odd_archive_is_refused(tmp_path, case):
    write, names, text = ARCHIVES[case]
    file = tmp_path / ("a.tar" if write is tar_of else "a.zip")
    write(file, *names)
    told(download(tmp_path, file), text)
    assert not (tmp_path / "resources/download/odd-1/files").exists()


@pytest.mark.fault("an archive with {kind}")
@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_with_other_than_files_is_refused(tmp_path, kind):
    tar_of(tmp_path / "a.tar", "x", kind=KINDS[kind])
    told(download(tmp_path, tmp_path / "a.tar"), "is a link or device")


@pytest.mark.fault("another local copy than the locked one")
def test_another_local_copy_names_its_lock(tmp_path):
    file = tmp_path / "set.tsv"
    file.write_text("one\n")
    assert download(tmp_path, file)[0] == 0
    file.unlink()
    file.write_text("two\n")
    lock = tmp_path / "resources" / "sources.lock" / "odd-1.tsv"
    told(download(tmp_path, file), "the lock of the first local copy says", f"rm -f {lock}")
    lock.unlink()
    assert download(tmp_path, file)[0] == 0


def corpora(root: Path, corpus: dict, kind: str = "parallel") -> tuple[int, str]:
    """Runs the corpora of one corpus, whose files are in ``root/src/files``."""
    (root / "src" / "manifest.json").write_text("{}")
    settings = {"study": {"name": "odd"}, "corpora": {kind: [{"source": "src", **corpus}]}}
    write_json(root / "settings.json", settings)
    options = ["--settings", "settings.json", "--record", "record.json", "--download", "src=src"]
    return program("stages.corpora", *options, "--out", "corpora", cwd=root)


def flores(folder: Path, articles: int) -> dict:
    (folder / "devtest").mkdir()
    for name in ("eng", "deu"):
        (folder / "devtest" / f"{name}.devtest").write_text("one\ntwo\n")
    (folder / "metadata_devtest.tsv").write_text("URL\n" + "http://a\n" * articles)
    languages = {"en": "eng", "de": "deu"}
    return {"reader": "flores", "path": "devtest/{language}.devtest", "languages": languages}


def parquet(folder: Path, values: list) -> dict:
    pq.write_table(pa.table({"translation": values}), folder / "de-en.parquet")
    return {"reader": "parquet", "path": "de-en.parquet", "languages": ["de"]}


def damaged_parquet(folder: Path) -> dict:
    corpus = parquet(folder, [{"de": "Satz", "en": "text"}] * 500)
    content = bytearray((folder / "de-en.parquet").read_bytes())
    content[8:40] = bytes(32)
    (folder / "de-en.parquet").write_bytes(content)
    return corpus


def alpaca(folder: Path, value: str) -> dict:
    (folder / "a.json").write_text(f'[{{"instruction": {value}, "output": "x"}}]')
    return {"reader": "alpaca", "path": "a.json", "language": "en"}


READERS: dict[str, tuple[Callable[[Path], dict], str]] = {
    "FLORES metadata shorter than its text": (lambda f: flores(f, 1), "1 articles of 2 sentences"),
    "FLORES metadata longer than its text": (lambda f: flores(f, 3), "3 articles of 2 sentences"),
    "Parquet structs of numbers": (lambda f: parquet(f, [{"de": 1, "en": 2}]), "is int, not text"),
    "Parquet lists in place of structs": (lambda f: parquet(f, [["a"], ["b"]]), "no struct column"),
    "Parquet structs of lists": (
        lambda f: parquet(f, [{"de": ["a"], "en": ["b"]}]), "is list, not text",
    ),
    "damaged pages of Parquet": (damaged_parquet, "not a Parquet file"),
    "JSON nested 10,000 deep": (lambda f: alpaca(f, DEEP), "not valid JSON"),
    "a JSON number of 5,000 digits": (lambda f: alpaca(f, "9" * 5_000), "value has 5000 digits"),
}  # fmt: skip


@pytest.mark.fault("{case}")
@pytest.mark.parametrize("case", READERS)
def test_an_odd_corpus_is_refused(tmp_path, case):
    write, text = READERS[case]
    folder = tmp_path / "src" / "files"
    folder.mkdir(parents=True)
    corpus = write(folder)
    told(corpora(tmp_path, corpus, "conversations" if "JSON" in case else "parallel"), text)


LISTS = {"no file": {"files": {}, "study": "x"}, "a list of files": {"files": []}, "nothing": {}}


@pytest.mark.fault("a bundle's list with {case}")
@pytest.mark.parametrize("case", LISTS)
def test_an_empty_list_of_a_bundle_is_none(tmp_path, case):
    write_json(tmp_path / "bundle.json", LISTS[case])
    told(program("commands.bundle.verify", ".", cwd=tmp_path), "not the list of a bundle's files")


@pytest.mark.fault("ITEMS={items} for make ranking")
@pytest.mark.parametrize("items", ["0", "-1", "x"])
def test_items_that_are_no_number_are_refused(tmp_path, items):
    make = ["make", "ranking", f"ITEMS={items}", f"PYTHON={sys.executable}"]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"{items!r} is not a whole number from 1 on" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.fault("a reader of the plan that leaves, as head does")
def test_the_plan_through_head_is_quiet():
    command = f"{sys.executable} -m bayling_study.commands.plan --study-config config/config.yaml"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": "workflow", "PYTHONUNBUFFERED": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert done.returncode == 141


@pytest.mark.fault("a study whose downloads have no stated size, planned")
def test_the_plan_estimates_what_nobody_states():
    config = "config/studies/replay.yaml"
    status, said = program("commands.plan", "--study-config", config, cwd=ROOT)
    assert status == 0, said[-2000:]
    assert "estimated for 2, each at the mean size of sources like it" in said
    assert "unknown" not in said.partition("Time on this machine")[0]  # of jobs it is told


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Returns the miniature study before any job."""
    return Sandbox.make(tmp_path_factory.mktemp("odd"))


def use_manifest(sandbox: Sandbox, name: str) -> tuple[int, str]:
    config = sandbox.root / "tiny.yaml"
    before = config.read_text()
    config.write_text(before.replace("manifest: sources.tsv", f"manifest: {name}"))
    try:
        return sandbox.run("--dry-run")
    finally:
        config.write_text(before)


@pytest.mark.fault("a table of sources that is {case}")
@pytest.mark.parametrize("case", ["a folder", "a link to nowhere"])
def test_a_table_of_sources_that_is_none_is_told(plain, case):
    (plain.root / "folder").mkdir(exist_ok=True)
    (plain.root / "link").unlink(missing_ok=True)
    (plain.root / "link").symlink_to("nowhere")
    name, text = {
        "a folder": ("folder", "folder: the table cannot be read: Is a directory"),
        "a link to nowhere": ("link", "link: the table does not exist"),
    }[case]
    status, said = use_manifest(plain, name)
    assert status != 0
    assert f"error: {text}" in said
    assert "Traceback" not in said


@pytest.mark.fault("a local folder that changed under finished prompts")
def test_a_changed_local_folder_makes_its_prompts_again(plain):
    target = "results/tiny/prompts/translation.jsonl"
    catalogues = plain.root / "upstream" / "catalogues"
    assert plain.run(target)[0] == 0
    before = plain.hash(target)
    assert "Nothing to be done" in plain.run(target)[1]
    for file in catalogues.rglob("de.json"):
        texts = json.loads(file.read_text())["config"]["step"]["user"]["data"]
        other = {key: f"Ganz anders {text}" for key, text in texts.items()}
        write_json(file, {"config": {"step": {"user": {"data": other}}}})
    status, said = plain.run(target)
    assert status == 0, said[-3000:]
    assert plain.hash(target) != before
    assert "Nothing to be done" in plain.run(target)[1]


@pytest.mark.fault("a really full disk of {kib} KiB while COMET trains")
@pytest.mark.parametrize("kib", [8, 400, 640, 780])
def test_a_really_full_disk_ends_comets_training_in_one_line(plain, kib):
    if not COMET.exists():
        pytest.skip("the environment 'comet' is missing: make envs")
    segments = "results/tiny/comet/segments.jsonl"
    assert plain.run(segments)[0] == 0
    (settings,) = (plain.root / "results/tiny/settings").glob("comet-training-*.json")
    small = plain.root / "small"
    small.mkdir(exist_ok=True)
    size = ["-o", f"size={kib}k"]
    if subprocess.run(["mount", "-t", "tmpfs", *size, "tmpfs", small], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        options = ["--settings", settings, "--record", "record.json", "--segments", segments]
        out = ["--out", small / "training"]
        result = program("stages.comet.training", *options, *out, cwd=plain.root, python=COMET)
        left = list(small.iterdir())
    finally:
        subprocess.run(["umount", small], check=True)
    assert result[1].rstrip().splitlines()[-1].startswith(("error: ", "  fix: ")), result[1][-2000:]
    told(result)
    assert "No space left on device" in result[1] or "the disk is full or failed" in result[1]
    assert left == []
