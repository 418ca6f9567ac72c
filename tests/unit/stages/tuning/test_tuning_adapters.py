"""Low-rank adapters: what is trained, what is merged, what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from bayling_study.config.tuning import Adapter, TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.sizing.memory import trained_parameters
from bayling_study.shared.sizing.shape import Shape
from bayling_study.stages.tuning import adapters
from bayling_study.stages.tuning.engine import load_model
from bayling_study.stages.tuning.output import assemble
from helpers.training import write_foundation, write_wide_foundation

TOKENS = torch.arange(3, 40)[None]


@pytest.fixture(scope="module")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_wide_foundation(tmp_path_factory.mktemp("model")))


def section(kind: str, **adapter: Any) -> TuningSection:
    found = Adapter(kind=kind, rank=4, alpha=16, **adapter)  # type: ignore[arg-type]
    return TuningSection(
        max_length=64, precision="fp32", gradient_checkpointing=False, adapter=found
    )


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=TOKENS).logits.float()
    return found


def train(model: Any, steps: int = 3) -> None:
    chosen = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(chosen, lr=0.05)
    for _ in range(steps):
        model(input_ids=TOKENS, labels=TOKENS).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("kind", ["lora", "qlora"])
def test_merged_weights_give_the_adapters_logits(
    foundation: str, kind: str, tmp_path: Path
) -> None:
    """To 1e-4 in fp32; what the adapter changed is a thousand times more."""
    model = load_model(foundation, section(kind), "sdpa", seed=3)
    before = logits(model)
    frozen = {n: p.clone() for n, p in model.named_parameters() if not p.requires_grad}
    train(model)
    after = logits(model)
    assert (after - before).abs().max() > 0.1
    assert all(torch.equal(dict(model.named_parameters())[n], p) for n, p in frozen.items())
    weights = {tensor.name: tensor.value() for tensor in adapters.final_tensors(model)}
    assemble(foundation, weights, torch.float32).save_pretrained(tmp_path)
    ordinary = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.allclose(logits(ordinary), after, atol=1e-4, rtol=0)
    assert set(weights) == {name for name, _ in ordinary.named_parameters()}


def test_an_adapter_starts_as_no_change_and_from_the_seed(foundation: str) -> None:
    plain = load_model(foundation, section("lora").model_copy(update={"adapter": None}), "sdpa")
    first, again, other = (load_model(foundation, section("lora"), "sdpa", s) for s in (1, 1, 2))
    assert torch.equal(logits(first), logits(plain))
    same = zip(first.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(one, two) for one, two in same)
    differing = zip(first.parameters(), other.parameters(), strict=True)
    assert not all(torch.equal(one, two) for one, two in differing)


def test_only_the_named_layers_get_adapters(foundation: str) -> None:
    model = load_model(foundation, section("lora", targets=["q_proj"]), "sdpa")
    chosen = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(chosen) == 4
    assert all(".q_proj.lora_" in name for name in chosen)
    # Two layers of 64 x 64, rank 4: an A and a B of 64 x 4 each.
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 2 * 2 * 64 * 4


@pytest.mark.parametrize("kind", ["lora", "qlora"])
@pytest.mark.parametrize("tied", [True, False])
def test_rows_of_new_tokens_are_trained_where_an_adapter_says_so(
    tied: bool, kind: str, tmp_path: Path
) -> None:
    folder = str(write_foundation(tmp_path / "model", tied))
    model = load_model(folder, section(kind, embeddings=True), "sdpa", seed=3)
    before = {n: p.clone() for n, p in model.named_parameters()}
    train(model)
    after = logits(model)
    ends = {"model.embed_tokens.weight", *([] if tied else ["lm_head.weight"])}
    trained = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert {name for name in trained if ".lora_" not in name} == ends
    weights = {tensor.name: tensor.value() for tensor in adapters.final_tensors(model)}
    assemble(folder, weights, torch.float32).save_pretrained(tmp_path / "out")
    ordinary = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert torch.allclose(logits(ordinary), after, atol=1e-4, rtol=0)
    shape = Shape.from_config(read_json(tmp_path / "model" / "config.json"))
    counted = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert counted == trained_parameters(shape, section(kind, embeddings=True))


def test_four_bits_round_as_nf4(foundation: str) -> None:
    """The merge of an untrained adapter is the rounded weight, near the foundation's."""
    plain = load_model(foundation, section("lora"), "sdpa")
    rounded = load_model(foundation, section("qlora"), "sdpa")
    pairs = zip(adapters.final_tensors(plain), adapters.final_tensors(rounded), strict=True)
    changed = 0
    for one, two in pairs:
        assert one.name == two.name
        difference = (one.value() - two.value()).abs().max()
        inside = "_proj" in one.name
        changed += inside and bool(difference > 0)
        # Half the widest gap of NF4's levels is 0.152 of a block's largest value, plus
        # what the second quantisation of that value costs.
        assert difference <= (0.17 * one.value().abs().max() if inside else 0)
    assert changed == 2 * 7


def test_unknown_targets_are_refused_before_the_start(foundation: str) -> None:
    wrong = section("lora", targets=["q_proj", "query"]).adapter
    with pytest.raises(StudyError, match="no linear layers called query") as caught:
        adapters.check(wrong, foundation)
    assert "down_proj, gate_proj" in (caught.value.fix or "")
    with pytest.raises(StudyError, match="lm_head"):
        adapters.check(section("lora", targets=["lm_head"]).adapter, foundation)
    adapters.check(section("qlora").adapter, foundation)
    adapters.check(None, "/nowhere")


def test_matrices_that_the_cpu_form_gets_wrong_are_refused(tmp_path: Path) -> None:
    narrow = str(write_foundation(tmp_path))
    adapters.check(section("lora").adapter, narrow)
    with pytest.raises(StudyError, match=r"q_proj has rows of 32, no multiple of 64"):
        adapters.check(section("qlora").adapter, narrow)


def test_a_device_without_four_bits_is_refused(
    monkeypatch: pytest.MonkeyPatch, foundation: str
) -> None:
    from bitsandbytes import functional

    def fails(*args: object, **options: object) -> None:
        raise RuntimeError("no kernel")

    monkeypatch.setattr(functional, "quantize_4bit", fails)
    with pytest.raises(StudyError, match="no 4-bit form for cpu") as caught:
        adapters.check_four_bits("cpu")
    assert caught.value.fix == "adapter: {kind: lora}"
    known = importlib.util.find_spec

    def lacking(name: str, *package: str) -> object:
        return None if name == "bitsandbytes" else known(name, *package)

    monkeypatch.setattr("importlib.util.find_spec", lacking)
    with pytest.raises(StudyError, match="not installed"):
        adapters.check(section("qlora").adapter, foundation)
