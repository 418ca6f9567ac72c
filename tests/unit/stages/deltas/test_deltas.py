"""BayLing's delta form: what it holds, how exact the way back is, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_path
from bayling_study.shared.checkpoints.shards import shard_name
from bayling_study.stages.deltas import arithmetic
from bayling_study.stages.deltas.conversion import MANIFEST, apply_delta, make_delta
from helpers.broken_weights import UP, poisoned, rewrite
from helpers.programs import STUDY, server
from helpers.training import chatml_tokenizer, tiny_model

HALF_STEP = {torch.float16: 2**-11, torch.bfloat16: 2**-8}
"""Half the distance of two neighbouring numbers, relative to them."""


def write(folder: Path, dtype: torch.dtype, noise: float = 0.0, **shape: Any) -> Path:
    """Writes a model; with noise, as if it were tuned from the one without."""
    extra = shape.pop("extra_words", 0)
    tokenizer = chatml_tokenizer()
    model = tiny_model(len(tokenizer), tied=shape.pop("tied", False))
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += noise * torch.randn_like(parameter)
    if extra:
        model.resize_token_embeddings(len(tokenizer) + extra)
    model.to(dtype).save_pretrained(folder, max_shard_size=shape.pop("shard", "5GB"))
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n# Mine\n")
    return folder


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {
        k: v for file in sorted(folder.glob("*.safetensors")) for k, v in load_file(file).items()
    }


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_an_fp32_delta_gives_16_bit_targets_back_exactly(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    """And fp32 targets to one rounding of the sum."""
    base, target = write(tmp_path / "b", dtype), write(tmp_path / "t", dtype, 0.01)
    facts = make_delta(base, target, tmp_path / "d", "fp32")
    done = apply_delta(base, tmp_path / "d", tmp_path / "again")
    one, two = tensors(target), tensors(tmp_path / "again")
    assert list(one) == list(two)
    if dtype != torch.float32:
        assert facts["inexact"] == 0
        assert done == {"tensors": len(one), "verified": len(one)}
        assert all(torch.equal(one[name], two[name]) for name in one)
    for name in one:
        assert two[name].dtype == dtype
        assert torch.allclose(one[name], two[name], rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", ["fp16", "bf16"])
def test_a_16_bit_delta_is_off_by_half_steps_only(tmp_path: Path, kind: str) -> None:
    base, target = write(tmp_path / "b", torch.float16), write(tmp_path / "t", torch.float16, 0.01)
    facts = make_delta(base, target, tmp_path / "d", kind)
    apply_delta(base, tmp_path / "d", tmp_path / "again")
    stored = {"fp16": torch.float16, "bf16": torch.bfloat16}[kind]
    worst = 0.0
    before, one, two = tensors(base), tensors(target), tensors(tmp_path / "again")
    delta = tensors(tmp_path / "d")
    for name in one:
        assert delta[name].dtype == stored
        apart = (one[name].double() - two[name].double()).abs()
        step = (one[name].double() - before[name].double()).abs() * HALF_STEP[stored]
        own = torch.maximum(one[name].double().abs(), two[name].double().abs()) * 2**-11
        assert bool((apart <= step + own + 2**-24).all())
        worst = max(worst, float(apart.max()))
    assert facts["largest_error"] == worst
    manifest = json.loads((tmp_path / "d" / MANIFEST).read_text())
    assert sum(row["inexact"] for row in manifest["tensors"].values()) == facts["inexact"] > 0


def test_a_released_delta_has_no_manifest_and_gives_the_authors_sum(tmp_path: Path) -> None:
    """Upstream adds in fp16: ``param.data += base[name]`` (apply_delta.py)."""
    base, target = write(tmp_path / "b", torch.float16), write(tmp_path / "t", torch.float16, 0.01)
    make_delta(base, target, tmp_path / "d")
    (tmp_path / "d" / MANIFEST).unlink()
    assert apply_delta(base, tmp_path / "d", tmp_path / "again")["verified"] == 0
    before, delta = tensors(base), tensors(tmp_path / "d")
    for name, value in tensors(tmp_path / "again").items():
        assert torch.equal(value, before[name] + delta[name])


def test_the_restored_folder_is_an_ordinary_checkpoint(tmp_path: Path) -> None:
    """Shards, index, tokenizer and card are the target's; a second run gives the same bytes."""
    base = write(tmp_path / "b", torch.float16, shard="20KB")
    target = write(tmp_path / "t", torch.float16, 0.01, shard="20KB")
    make_delta(base, target, tmp_path / "d")
    apply_delta(base, tmp_path / "d", tmp_path / "again")
    assert len(list((tmp_path / "again").glob("*.safetensors"))) > 2
    index = "model.safetensors.index.json"
    one, two = (json.loads((folder / index).read_text()) for folder in (target, tmp_path / "again"))
    assert one["weight_map"] == two["weight_map"]
    assert one["metadata"]["total_size"] == two["metadata"]["total_size"]
    AutoModelForCausalLM.from_pretrained(tmp_path / "again")
    AutoTokenizer.from_pretrained(tmp_path / "again")
    assert not (tmp_path / "again" / MANIFEST).exists()
    card = (tmp_path / "d" / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n---\n\n# Difference to b\n")
    apply_delta(base, tmp_path / "d", tmp_path / "twice")
    assert sha256_path(tmp_path / "twice") == sha256_path(tmp_path / "again")


def test_words_that_were_added_are_the_targets_own(tmp_path: Path) -> None:
    base = write(tmp_path / "b", torch.float16)
    target = write(tmp_path / "t", torch.float16, 0.01, extra_words=3)
    make_delta(base, target, tmp_path / "d", "fp32")
    delta, one = tensors(tmp_path / "d"), tensors(target)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert torch.equal(delta[name][-3:], one[name][-3:].float())
    apply_delta(base, tmp_path / "d", tmp_path / "again")
    assert all(torch.equal(one[name], two) for name, two in tensors(tmp_path / "again").items())


def test_a_tied_output_layer_is_stored_once(tmp_path: Path) -> None:
    base, target = (
        write(tmp_path / name, torch.float16, noise, tied=True)
        for name, noise in (("b", 0.0), ("t", 0.01))
    )
    make_delta(base, target, tmp_path / "d", "fp32")
    apply_delta(base, tmp_path / "d", tmp_path / "again")
    assert "lm_head.weight" not in tensors(tmp_path / "d")
    assert set(tensors(tmp_path / "again")) == set(tensors(target))


def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    base = write(tmp_path / "b", torch.float16)
    target = write(tmp_path / "t", torch.float16, 0.01, extra_words=3)
    with pytest.raises(StudyError, match=r"'lm_head.weight' has the shape .* the base has"):
        make_delta(target, base, tmp_path / "d")
    tied = write(tmp_path / "tied", torch.float16, 0.01, tied=True)
    with pytest.raises(StudyError, match=r"only one side has the tensor 'lm_head.weight'"):
        make_delta(base, tied, tmp_path / "d")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("changed", ["b", "d"])
def test_another_base_and_a_damaged_delta_are_noticed(tmp_path: Path, changed: str) -> None:
    base, target = write(tmp_path / "b", torch.float16), write(tmp_path / "t", torch.float16, 0.01)
    make_delta(base, target, tmp_path / "d")
    file = tmp_path / changed / "model.safetensors"
    values = load_file(file)
    values["model.norm.weight"][3] += 1
    save_file(values, file, metadata={"format": "pt"})
    which = {"b": "base", "d": "delta"}[changed]
    with pytest.raises(StudyError, match=f"'model.norm.weight' of the {which} is not the one"):
        apply_delta(base, tmp_path / "d", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_difference_too_large_for_fp16_is_refused(tmp_path: Path) -> None:
    base, target = write(tmp_path / "b", torch.float32), write(tmp_path / "t", torch.float32)
    values = load_file(target / "model.safetensors")
    values["model.norm.weight"][0] = 1e6
    save_file(values, target / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StudyError, match=r"1 differences of .model\.norm\.weight. are too large"):
        make_delta(base, target, tmp_path / "d")
    make_delta(base, target, tmp_path / "d", "bf16")


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = torch.randn(7, 5), torch.randn(7, 5)
    whole = arithmetic.difference(one, two, torch.float16)
    monkeypatch.setattr(arithmetic, "BLOCK", 4)
    assert torch.equal(arithmetic.difference(one, two, torch.float16), whole)
    assert torch.equal(whole, (one - two).half())


def test_names_of_pickled_shards_become_safetensors() -> None:
    name = "pytorch_model-00001-of-00002.bin"
    assert shard_name(name) == "model-00001-of-00002.safetensors"
    assert shard_name("model.safetensors") == "model.safetensors"


def test_the_program_writes_a_record(tmp_path: Path) -> None:
    base, target = write(tmp_path / "b", torch.float16), write(tmp_path / "t", torch.float16, 0.01)
    program = [sys.executable, "-m", "bayling_study.stages.deltas"]
    made = tmp_path / "d"
    common = ["--base", str(base), "--out"]
    subprocess.run([*program, "make", *common, str(made), "--target", str(target)], check=True)
    again = [*program, "apply", *common, str(tmp_path / "again"), "--delta", str(made)]
    server(STUDY).run(again).check_returncode()
    record = json.loads((tmp_path / "again.record.json").read_text())
    assert record["state"] == "finished"
    assert set(record["inputs"]) == {"base", "delta"}


@pytest.mark.parametrize("side", ["b", "d"])
def test_a_sum_that_is_no_number_is_refused(tmp_path: Path, side: str) -> None:
    """A released delta has no hashes, so only the sum tells that one of the two is broken."""
    base, target = write(tmp_path / "b", torch.float16), write(tmp_path / "t", torch.float16, 0.01)
    make_delta(base, target, tmp_path / "d")
    (tmp_path / "d" / MANIFEST).unlink()
    rewrite(tmp_path / side, poisoned(UP, float("nan")))
    with pytest.raises(StudyError, match=f"1 tensors hold NaN or infinite values: {UP}"):
        apply_delta(base, tmp_path / "d", tmp_path / "again")
    assert not (tmp_path / "again").exists()
