"""The plan: its formulas against published and real numbers, and what it refuses."""

from __future__ import annotations

import re
import shutil
import sys
from collections import namedtuple
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from bayling_study.commands.plan import __main__ as program
from bayling_study.commands.plan import arithmetic, disk, machine, tables
from bayling_study.commands.plan.downloads import downloads
from bayling_study.commands.plan.jobs import job_counts
from bayling_study.config import load_config
from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.dag import chain
from bayling_study.dag.layout import Layout
from bayling_study.dag.profiles import ResourceRequest
from bayling_study.dag.rules import Dag
from bayling_study.dag.shapes import foundation_model
from bayling_study.shared.sizing import memory
from bayling_study.shared.sizing.choice import Budget
from bayling_study.shared.sizing.shape import PUBLISHED, Shape
from helpers import ROOT
from helpers.export_models import export_tiny, save_tiny
from helpers.programs import run_snakemake
from helpers.tiny import write_study

STUDIES = {
    "embedded": ROOT / "config" / "config.yaml",
    "replay": ROOT / "config" / "studies" / "replay.yaml",
}
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def study(tmp_path) -> Path:
    return write_study(tmp_path)


def run(monkeypatch, capsys, *arguments: object) -> str:
    monkeypatch.setattr(sys, "argv", ["plan", *map(str, arguments)])
    program.main()
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("smollm2", 134_515_008),
        ("llama-7b", 6_738_415_616),
        ("llama-13b", 13_015_864_320),
        ("llama-2-13b-chat", 13_015_864_320),
        ("llama-3-8b-instruct", 8_030_261_248),
    ],
)
def test_the_table_gives_the_known_numbers_of_parameters(source, count):
    assert PUBLISHED[source].parameters() == count


@pytest.mark.parametrize(("stage", "gigabytes"), [(1, 31.4), (2, 16.6), (3, 1.9)])
def test_model_states_are_those_of_the_zero_paper(monkeypatch, stage, gigabytes):
    """Its figure 1: 7.5 billion parameters, 64 GPUs, gradients in 16 bits."""
    monkeypatch.setattr(memory, "GRADIENT_BYTES", 2)
    monkeypatch.setattr(Shape, "parameters", lambda shape: 7_500_000_000)
    tuning = TuningSection(zero_stage=stage, offload="none")
    states = memory.training_memory(PUBLISHED["llama-7b"], tuning, 64).states
    assert round(states / 1e9, 1) == gigabytes


def test_operations_are_6_a_parameter_and_token_and_4_where_it_is_frozen():
    shape = PUBLISHED["llama-7b"]
    for recompute in (False, True):  # model FLOPs: what is computed again does not count
        tuning = TuningSection(gradient_checkpointing=recompute)
        assert chain.training_flops(shape, tuning, 1e9) == 6 * shape.parameters() * 1e9
    lora = TuningSection.model_validate({"adapter": {"kind": "lora", "rank": 16}})
    expected = (4 * shape.parameters() + 6 * 39_976_960) * 1e9
    assert chain.training_flops(shape, lora, 1e9) == pytest.approx(expected)
    assert chain.hours(312e12 * 3600, 312, 0.5) == pytest.approx(2)


def test_a_checkpoint_has_12_bytes_a_trained_parameter():
    """As ``test_tuning_states`` finds of the files."""
    shape = PUBLISHED["smollm2"]
    assert arithmetic.checkpoint_bytes(shape, TuningSection()) == 12 * shape.parameters()
    thin = TuningSection.model_validate({"adapter": {"kind": "lora", "rank": 8}})
    assert arithmetic.checkpoint_bytes(shape, thin) < 12 * shape.parameters() / 50


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("form", ["groupwise", "bitsandbytes", "gguf"])
def test_export_sizes_are_those_of_real_exports(tmp_path, form, tied):
    save_tiny(tmp_path / "model", tie_word_embeddings=tied)
    report = export_tiny(tmp_path / "model", tmp_path / "out", form, group_size=64)
    shape = Shape.from_config(read_json(tmp_path / "model" / "config.json"))
    assert arithmetic.export_bytes(shape, form, 64) == pytest.approx(
        report["total"]["bytes"], rel=0.002
    )


def test_shapes_come_from_the_checkpoint_first(study, tmp_path):
    layout = Layout(load_config(study))
    assert foundation_model(layout, "foundation").origin == "unknown"
    shutil.copytree(tmp_path / "upstream" / "model", layout.foundation("foundation"))
    model = foundation_model(layout, "foundation")
    assert model.origin == "config.json" and model.shape is not None
    assert model.shape.hidden == 32
    embedded = Layout(load_config(STUDIES["embedded"]))
    assert foundation_model(embedded, "foundation").shape == PUBLISHED["smollm2"]


def test_a_model_as_large_as_a_known_one_is_taken_for_it_and_marked():
    layout = Layout(load_config(ROOT / "config" / "studies" / "bayling-2-8b.yaml"))
    released = foundation_model(layout, "released")
    assert released.shape == PUBLISHED["llama-3-8b-instruct"] and released.origin == "estimate"
    assert foundation_model(layout, "foundation").origin == "table"


def test_systems_of_unknown_shape_are_named_and_not_silently_left_out(study, monkeypatch, capsys):
    text = run(monkeypatch, capsys, "--study-config", study, "--gpus", 1, "--gpu-gib", 80)
    assert "Not in the numbers of training, disk and time: foundation, tuned" in text
    assert tables.unknown_shapes({"foundation": PUBLISHED["smollm2"]}) == ""


def test_a_local_copy_tells_the_shape_and_is_not_fetched(study, tmp_path):
    override = tmp_path / "local.yaml"
    local = {"tiny-model": str(tmp_path / "upstream" / "model")}
    override.write_text(yaml.safe_dump({"download": {"local": local}}), encoding="utf-8")
    layout = Layout(load_config(study, override))
    assert foundation_model(layout, "foundation").origin == "config.json"
    states = {item.row.id: item.state for item in downloads(layout)}
    assert states == {"catalogues": "missing", "instructions": "missing", "tiny-model": "local"}


def test_what_is_there_is_not_counted(study):
    layout = Layout(load_config(study))
    write_json(layout.manifest("catalogues"), {})
    assert {item.row.id: item.state for item in downloads(layout)}["catalogues"] == "there"
    shapes = dict.fromkeys(layout.config.systems, PUBLISHED["smollm2"])
    stages = [need.stage for need in disk.disk_needs(layout, [], shapes)]
    assert [stage.split()[0] for stage in stages] == [
        *("download", "corpora", "foundation", "synthesis", "tuning", "export")
    ]
    layout.checkpoint("tuned").mkdir(parents=True)
    stages = [need.stage for need in disk.disk_needs(layout, [], shapes)]
    assert not any(stage.startswith("tuning") for stage in stages)


def test_what_systems_share_is_counted_once(study, tmp_path):
    values = yaml.safe_load(study.read_text(encoding="utf-8"))
    systems = values["systems"]
    systems["asked"] = {**systems["foundation"], "answering": {"steps": ["translate", "proofread"]}}
    systems["grown"] = {**systems["foundation"], "vocabulary": {"tokens": 9, "languages": ["zh"]}}
    systems["again"] = {**systems["tuned"], "seed": 2}
    study.write_text(yaml.safe_dump(values), encoding="utf-8")
    layout = Layout(load_config(study))
    shapes = dict.fromkeys(layout.config.systems, PUBLISHED["smollm2"])
    stages = [need.stage for need in disk.disk_needs(layout, [], shapes)]
    assert [one.split()[0] for one in stages].count("foundation") == 1
    assert stages.count("synthesis default") == 1 and stages.count("vocabulary grown") == 1


def test_the_peak_is_all_that_stays_and_one_stages_scratch():
    here = Path()
    needs = [disk.Need("a", here, 10, 5), disk.Need("b", here, 1, 100), disk.Need("c", here, 7)]
    assert disk.peaks(needs) == [15, 111, 18]


def test_a_disk_that_is_too_small_is_refused_with_what_to_change(study, monkeypatch):
    layout = Layout(load_config(study))
    shapes = dict.fromkeys(layout.config.systems, PUBLISHED["llama-13b"])
    needs = disk.disk_needs(layout, [], shapes)
    highest = max(disk.peaks(needs))
    assert highest > 3 * 12 * 13.0e9  # keep_checkpoints: 2, and the one being written
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: Usage(0, 0, highest))
    disk.check_disk(needs)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: Usage(0, 0, highest - 1))
    with pytest.raises(StudyError, match=r"tuning tuned") as caught:
        disk.check_disk(needs)
    assert caught.value.fix is not None
    assert "keep_checkpoints: 1" in caught.value.fix and "results:" in caught.value.fix


def test_memory_that_is_too_small_is_refused():
    def plan(**settings: object) -> machine.Tuning:
        section = TuningSection.model_validate({"offload": "none", **settings})
        need = memory.training_memory(PUBLISHED["llama-13b"], section, 8)
        return machine.Tuning("tuned", 1.0, True, 1.0, need, section)

    large = machine.machine(8, 80, None)
    machine.check_memory(large, plan(zero_stage=3))
    with pytest.raises(StudyError, match="each process needs") as caught:
        machine.check_memory(large, plan(zero_stage=1))
    assert caught.value.fix is not None and "zero_stage: 3" in caught.value.fix
    without_gpu = machine.Machine("a small machine", Budget(8, 8, None, 64 << 30))
    with pytest.raises(StudyError, match="all processes need"):
        machine.check_memory(without_gpu, plan(zero_stage=3))
    with_gpus = machine.Machine("GPUs in a small machine", Budget(8, 8, 80 << 30, 64 << 30))
    machine.check_memory(with_gpus, plan(zero_stage=3))
    with pytest.raises(StudyError, match="the offloaded states need"):
        machine.check_memory(with_gpus, plan(zero_stage=3, offload="optimizer"))


@pytest.mark.parametrize("share", [0.89, 0.91])
def test_the_plan_accepts_what_the_job_accepts(share):
    """Nine tenths of a memory may be planned, of a GPU's and of the host's."""
    section = TuningSection(zero_stage=3, offload="optimizer")
    need = memory.training_memory(PUBLISHED["llama-7b"], section, 2)
    tuning = machine.Tuning("tuned", 1.0, True, 1.0, need, section)
    plenty = 1 << 50
    for device, host in ((need.device / share, plenty), (plenty, 2 * need.host / share)):
        where = machine.Machine("two GPUs", Budget(2, 2, int(device), int(host)))
        fits = where.budget.holds(need)
        assert fits == (share < 0.9)
        with nullcontext() if fits else pytest.raises(StudyError, match="90% may be planned"):
            machine.check_memory(where, tuning)


def test_the_host_memory_of_a_cluster_is_the_profiles_or_said_to_be_unknown():
    asked = ResourceRequest(gpus=16, nodes=2, mem_mb=256_000)
    where = machine.machine(16, 80, None, asked=asked)
    assert where.budget.host == 256_000_000_000
    assert where.budget == Budget(16, 8, 80 << 30, 256_000_000_000)  # two nodes of eight
    assert "238 GiB" in where.name and "mem_mb of tuning" in where.name
    assert machine.machine(8, 80, None, host_gib=500, asked=asked).budget.host == 500 << 30
    unknown = machine.machine(8, 80, None, asked=ResourceRequest())
    assert unknown.budget.host is None and "not checked" in unknown.name
    assert machine.machine(None, None, 1, host_gib=3).budget.host == 3 << 30
    with pytest.raises(StudyError, match="some host memory"):
        machine.machine(8, 80, None, host_gib=0)


@pytest.mark.parametrize(("gpus", "gib"), [(8, None), (None, 80.0), (0, 80.0), (8, -1.0)])
def test_a_cluster_is_described_whole_or_not(gpus, gib):
    with pytest.raises(StudyError, match="GPU"):
        machine.machine(gpus, gib, None)


def test_tokens_are_counted_where_the_mixture_exists(study):
    layout = Layout(load_config(study))
    assert chain.mixture_tokens(layout, "tuned") == (120 * 448, False)
    record = layout.study / "runs" / "synthesis" / "default.json"
    write_json(record, {"metrics": {"tokens.real": 1234}})
    assert chain.mixture_tokens(layout, "tuned") == (1234.0, True)


@pytest.mark.parametrize("name", ["embedded", "replay"])
def test_the_plan_of_the_repositorys_studies(name, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    path = "config/config.yaml" if name == "embedded" else f"config/studies/{name}.yaml"
    text = run(monkeypatch, capsys, "--study-config", path, "--gpus", 1, "--gpu-gib", 80)
    assert ("Tuning (" in text) == (name == "embedded")
    assert ("134,515,008" in text) == (name == "embedded")
    assert re.search(r"Jobs .*: \d+\n  download", text)
    assert "Disk (" in text


def test_a_study_that_does_not_fit_is_printed_and_refused(study, tmp_path, monkeypatch, capsys):
    table = tmp_path / "sources.tsv"
    table.write_text(
        table.read_text(encoding="utf-8").replace("tiny-model\tlocal\t", "llama-13b\tlocal\t"),
        encoding="utf-8",
    )
    values = yaml.safe_load(study.read_text(encoding="utf-8"))
    values["systems"]["foundation"]["source"] = "llama-13b"
    study.write_text(yaml.safe_dump(values), encoding="utf-8")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: Usage(0, 0, 10**15))
    arguments = ["--study-config", study, "--gpus", 2]
    assert "13,015,864,320" in run(monkeypatch, capsys, *arguments, "--gpu-gib", 200)
    with pytest.raises(StudyError, match="does not fit"):
        run(monkeypatch, capsys, *arguments, "--gpu-gib", 24)
    assert "13,015,864,320" in capsys.readouterr().out  # the numbers come before the refusal


@pytest.mark.slow
@pytest.mark.parametrize("name", ["embedded", "replay"])
def test_the_jobs_are_those_of_a_dry_run(name, tmp_path):
    for part in ("config", ".venv"):
        (tmp_path / part).symlink_to(ROOT / part)
    path = "config/config.yaml" if name == "embedded" else f"config/studies/{name}.yaml"
    result = run_snakemake("--dry-run", "--cores", "1", "--configfile", path, cwd=tmp_path)
    result.check_returncode()
    listed = {
        rule: int(count)
        for rule, count in re.findall(r"^(\w+) +(\d+)$", result.stdout, flags=re.MULTILINE)
        if rule not in ("study", "total")
    }
    assert job_counts(Dag(load_config(STUDIES[name]))) == listed
