"""The export stage as a program, its memory arithmetic and its promises of small memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bayling_study.commands.plan.arithmetic import Shape, memory
from bayling_study.config import StudyConfig
from bayling_study.core.files import read_json, sha256_path, write_json
from bayling_study.shared.checkpoints.reading import open_checkpoint
from bayling_study.shared.sizing.choice import GIBIBYTE
from bayling_study.shared.tracking.code import code_hash
from bayling_study.stages.export.encoding import TensorError, encode_matrix, summary
from bayling_study.stages.export.format_groupwise import GroupwiseFormat
from helpers import ROOT
from helpers.export_models import export_tiny, save_tiny
from helpers.programs import STUDY, server

SEVEN = Shape(4096, 32, 32, 32, 128, 11008, 32000)
THIRTEEN = Shape(5120, 40, 40, 40, 128, 13824, 32000)


@pytest.mark.parametrize(
    ("shape", "linear", "gibibytes"),
    [
        (SEVEN, 6_607_077_376, [12.55, 6.45, 7.45, 7.69]),
        (THIRTEEN, 12_851_609_600, [24.24, 12.37, 13.93, 14.24]),
    ],
)
def test_the_papers_memory_claim_is_sound(shape, linear, gibibytes):
    need = memory(shape)
    assert need.linear == linear
    found = [need.fp16, need.int8, need.with_cache, need.with_matrix]
    assert [round(value / GIBIBYTE, 2) for value in found] == gibibytes
    limit = 10e9 if shape is SEVEN else 16e9
    assert need.with_matrix < limit


@pytest.mark.parametrize("tied", [True, False])
def test_the_arithmetic_is_the_size_of_a_real_export(tmp_path, tied):
    model = save_tiny(tmp_path / "model", tie_word_embeddings=tied)
    report = export_tiny(tmp_path / "model", tmp_path / "out", group_size=64)
    shape = Shape.from_config(read_json(tmp_path / "model" / "config.json"))
    need = memory(shape, group=64, scale_bytes=4)
    assert need.int8 == report["total"]["bytes"]
    assert need.fp16 == report["total"]["bytes_fp16"]
    assert need.fp16 == 2 * sum(value.numel() for value in model.parameters())


def test_the_cache_counts_key_value_heads_only():
    grouped = Shape(4096, 32, 32, 8, 128, 11008, 32000)
    cache = memory(grouped, tokens=10).with_cache - memory(grouped, tokens=0).with_cache
    assert cache == 2 * 32 * 8 * 128 * 10 * 2


def test_totals_weigh_tensors_by_their_energy():
    rows = [
        TensorError("a", True, 10, 1.0, 100.0, 0.5, 2, 12),
        TensorError("b", True, 30, 3.0, 300.0, 0.25, 1, 36),
        TensorError("c", False, 5, 9.0, 1.0, 9.0, 0, 10),
    ]
    total = summary(rows)
    assert total["relative_error"] == pytest.approx(0.1)
    assert total["max_error"] == 0.5
    assert total["saturated_share"] == 3 / 40
    assert (total["bytes"], total["bytes_fp16"]) == (58, 90)


def test_the_encoder_works_in_blocks(monkeypatch, tmp_path):
    save_tiny(tmp_path / "model")
    form = GroupwiseFormat(open_checkpoint(tmp_path / "model"), 64, "fp16", 1 << 30)
    weight = torch.randn(37, 96, generator=torch.Generator().manual_seed(0))
    whole: dict[int, list[torch.Tensor]] = {0: [], 1: []}
    once = encode_matrix("w", weight, form.codec, lambda part, rows: whole[part].append(rows))
    monkeypatch.setattr(
        "bayling_study.shared.quantised.groupwise.row_blocks.__defaults__", (96 * 5,)
    )
    blocks: dict[int, list[torch.Tensor]] = {0: [], 1: []}
    error = encode_matrix("w", weight, form.codec, lambda part, rows: blocks[part].append(rows))
    assert [len(whole[0]), len(blocks[0])] == [1, 8]
    assert torch.equal(torch.cat(blocks[0]), whole[0][0])
    assert torch.equal(torch.cat(blocks[1]), whole[1][0])
    assert error.error_square == pytest.approx(once.error_square, rel=1e-6)
    assert error.saturated == once.saturated


def run_stage(folder: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    settings = folder / "settings.json"
    systems = {
        "foundation": {"kind": "foundation", "source": "any"},
        "small": {"kind": "int8", "base": "foundation"},
    }
    export = StudyConfig().export.model_dump(mode="json")
    write_json(settings, {"study": {"name": "s"}, "export": export, "systems": systems})
    arguments = {
        "--settings": settings,
        "--record": folder / "record.json",
        "--checkpoint": folder / "model",
        "--out": folder / "out",
    }
    command = [
        sys.executable,
        "-m",
        "bayling_study.stages.export",
        "--system",
        "small",
    ]
    command += [str(part) for pair in arguments.items() for part in pair]
    environment = {"PYTHONPATH": str(ROOT / "workflow"), "PATH": "/usr/bin:/bin"}
    return server(STUDY).run([*command, *extra], environment)


def test_the_program_exports_and_records(tmp_path):
    save_tiny(tmp_path / "model")
    result = run_stage(tmp_path)
    assert result.returncode == 0, result.stderr
    assert "weights: " in result.stderr
    record = read_json(tmp_path / "record.json")
    assert record["state"] == "finished"
    assert record["metrics"] == read_json(tmp_path / "out" / "error.json")["total"]
    assert record["parameters"]["format"] == "groupwise"
    assert record["outputs"]["checkpoint"]["sha256"] == sha256_path(tmp_path / "out")


def test_the_program_reports_a_mistake_without_a_traceback(tmp_path):
    save_tiny(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"1234567890")
    result = run_stage(tmp_path)
    assert result.returncode == 2
    assert "not a safetensors file" in result.stderr and "Traceback" not in result.stderr
    assert read_json(tmp_path / "record.json")["state"] == "failed"
    assert not (tmp_path / "out").exists()


def test_a_system_of_another_kind_is_refused(tmp_path):
    save_tiny(tmp_path / "model")
    result = run_stage(tmp_path, "--system", "foundation")
    assert result.returncode == 2 and "no int8 system is called" in result.stderr


PEAK = """
import json, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from helpers.export_models import export_tiny
from bayling_study.shared.checkpoints.skeleton import skeleton
import bayling_study.stages.export.format_groupwise, torch
torch.ones(64, 64) @ torch.ones(64, 64)
def peak():  # ru_maxrss would start at the size of the test process that forked
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int([line for line in lines if line.startswith("VmHWM:")][0].split()[1])
before = peak()
export_tiny(Path({model!r}), Path({out!r}))
print(json.dumps(peak() - before))
"""


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_memory_does_not_grow_with_the_model(tmp_path, kind):
    """A 150 MB model whose largest tensor has 2.6 MB is exported in far less than its size."""
    shape = {"hidden_size": 512, "intermediate_size": 2560, "num_hidden_layers": 15}
    shape |= {"num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 64}
    model = save_tiny(tmp_path / "model", **shape)
    if kind == "bin":
        (tmp_path / "model" / "model.safetensors").unlink()
        torch.save(model.state_dict(), tmp_path / "model" / "pytorch_model.bin")
    size = 2 * sum(value.numel() for value in model.parameters())
    assert size > 140e6
    paths = [str(ROOT / "workflow"), str(ROOT / "tests")]
    code = PEAK.format(paths=paths, model=str(tmp_path / "model"), out=str(tmp_path / "out"))
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout.splitlines()[-1]) < 100e6


def test_code_that_was_changed_since_the_job_was_planned_is_refused(tmp_path):
    done = run_stage(tmp_path, "--code", "0123456789abcdef")
    assert done.returncode == 2
    assert "--code 0123456789abcdef: the code of bayling_study.stages.export is not" in done.stderr
    assert not (tmp_path / "out").exists()
    planned = code_hash("bayling_study.stages.export")
    assert "--code" not in run_stage(tmp_path, "--code", planned).stderr
