"""Every model of the source table comes through the download stage as a stand-in."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import huggingface_hub.constants as constants
import pytest
import test_download_rehearsal_hub as loopback

from bayling_study.config.study import DownloadSection
from bayling_study.core.files import read_json
from bayling_study.shared.sources.fetched import files_root
from bayling_study.shared.sources.table import SourceRow, read_sources
from bayling_study.stages.download.__main__ import ensure
from bayling_study.stages.download.stand_ins import NOTE
from bayling_study.stages.foundation.__main__ import make_checkpoint
from helpers import ROOT
from helpers.download_server import Site
from helpers.hub_models import CONFIGS, ENCODERS, HPARAMS, row, small_files

site, out = loopback.site, loopback.out

TABLE = read_sources(ROOT / "config" / "sources.tsv")
GATED = [source for source in (*CONFIGS, *HPARAMS) if TABLE[source].gated]
WEIGHTS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = "model.safetensors.index.json"
CHECKPOINT = "checkpoints/model.ckpt"


@pytest.fixture(autouse=True)
def on_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def upstream(folder: Path, source: str) -> Path:
    """Writes what upstream publishes, with weights that nobody reads."""
    files = small_files(folder, source)
    for name in (CHECKPOINT,) if source in HPARAMS else (*WEIGHTS, INDEX):
        (files / name).parent.mkdir(exist_ok=True)
        (files / name).write_bytes(b"no weights")
    return files


def serve(site: Site, folder: Path) -> None:
    files = (path for path in folder.rglob("*") if path.is_file())
    site.files = {f"/{path.relative_to(folder)}": path.read_bytes() for path in files}


def is_usable(source: SourceRow, out: Path, folder: Path) -> bool:
    """Tells whether the stage that reads such a model takes it."""
    if source.id in HPARAMS:
        # imported late: the COMET programs are off line as soon as they are imported
        comet = import_module("bayling_study.stages.comet.checkpoint")
        return bool(comet.find_checkpoint(out).verify() == str(out / "manifest.json"))
    if source.id in CONFIGS:
        folder.mkdir()
        make_checkpoint(files_root(out), folder)
    return (files_root(out) / "config.json").exists()


def test_every_model_of_the_table_has_its_upstream_form_here() -> None:
    models = {name for name, found in TABLE.items() if found.location.startswith("models/")}
    assert models == {*CONFIGS, *ENCODERS, *HPARAMS}


@pytest.mark.parametrize("source", [*CONFIGS, *ENCODERS, *HPARAMS])
def test_a_model_of_the_hub_comes_with_random_weights_and_its_own_files(
    site: Site, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", "accepted")
    serve(site, upstream(tmp_path / "upstream", source))
    receipt = loopback.fetch(row(source), out)
    assert receipt["pin"] == "rehearsal" and receipt["cut"]["files"] == {}
    assert not any(name in asked for asked in site.ranges for name in (*WEIGHTS, INDEX, CHECKPOINT))
    listed = {item["path"] for item in receipt["files"]}
    made = CHECKPOINT if source in HPARAMS else "model.safetensors"
    assert (made in listed) == (source not in ENCODERS)
    assert NOTE in listed and not listed & {*WEIGHTS, INDEX}
    own = {"hparams.yaml", "tokenizer.json", "tokenizer_config.json", "generation_config.json"}
    for name in listed & own:
        assert (out / "files" / name).read_bytes() == site.files[f"/{name}"]
    tokenizer = "none" if source in HPARAMS else "upstream"
    assert read_json(out / "files" / NOTE) == {"tokenizer": tokenizer}
    assert is_usable(row(source), out, tmp_path / "made")


@pytest.mark.parametrize("source", GATED)
def test_a_gated_model_without_a_token_is_all_stand_in_and_says_so(
    site: Site, out: Path, tmp_path: Path, source: str
) -> None:
    for _ in range(2):  # the second call finds it complete
        loopback.fetch(row(source), out)
    assert not site.ranges
    why = f"{row(source).location} is gated and no accepted token was found"
    tokenizer = "none" if source in HPARAMS else "stand-in"
    assert read_json(out / "files" / NOTE) == {"tokenizer": tokenizer, "why": why}
    assert is_usable(row(source), out, tmp_path / "made")


@pytest.mark.parametrize("source", ["bayling-7b-diff", "wmt22-comet-da"])
def test_a_copy_at_hand_gives_the_same_stand_in_and_stays_as_it_is(
    site: Site, out: Path, tmp_path: Path, source: str
) -> None:
    mine = upstream(tmp_path / "upstream", source)
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    part = row(source).model_copy(update={"first": 3})
    ensure(part, out, DownloadSection(local={source: str(mine)}), loopback.SMALL)
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before
    serve(site, mine)
    other = tmp_path / "resources" / "download" / "other"
    loopback.fetch(row(source), other)
    facts = [read_json(place / "manifest.json")["files"] for place in (out, other)]
    assert facts[0] == facts[1]
