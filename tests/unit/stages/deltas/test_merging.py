"""Merged checkpoints: the fixed values of the methods, what stays as it is, what is refused."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.stages.deltas.merging import combined, merge
from helpers.programs import STUDY, server
from helpers.training import chatml_tokenizer, tiny_model

CHANGES = [[1.0, -2.0, 0.1, 4.0], [2.0, 3.0, -0.2, -1.0], [3.0, -1.0, 0.3, -6.0]]
EVEN = [1.0, 1.0, 1.0]


def write(folder: Path, noise: int, dtype: torch.dtype = torch.bfloat16, extra: int = 0) -> Path:
    """Writes a model; with noise (its seed), as if it were tuned from the one without."""
    tokenizer = chatml_tokenizer()
    model = tiny_model(len(tokenizer), tied=False)
    if extra:
        model.resize_token_embeddings(len(tokenizer) + extra)
    torch.manual_seed(noise)
    with torch.no_grad():
        for parameter in model.parameters() if noise else []:
            parameter += 0.01 * torch.randn_like(parameter)
    model.to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(f"---\nlicense: mit\n---\n\n# Tuned {noise}\n")
    return folder


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """A base and two models that were tuned from it."""
    names = {"base": 0, "one": 1, "two": 2}
    return {name: write(tmp_path / name, noise) for name, noise in names.items()}


@pytest.mark.parametrize(
    ("method", "weights", "density", "expected"),
    [
        ("ties", EVEN, 1.0, [2.0, 3.0, 0.2, -3.5]),
        ("ties", EVEN, 0.5, [2.5, 3.0, 0.0, -6.0]),
        ("ties", [2.0, 1.0, 1.0], 1.0, [7 / 3, 3.0, 0.25, -3.5]),
        ("linear", EVEN, 1.0, [6.0, 0.0, 0.2, -3.0]),
        ("linear", [0.5, 0.25, 0.25], 1.0, [1.75, -0.5, 0.075, 0.25]),
    ],
)
def test_vectors_of_each_method(
    method: str, weights: list[float], density: float, expected: list[float]
) -> None:
    """The first two are those of the TIES paper's steps: trimmed, a sign by sum, a mean of those
    that have it."""
    base = torch.tensor([10.0, 20.0, 30.0, 40.0])
    members = [base + torch.tensor(change) for change in CHANGES]
    found = combined(base, members, method, weights, density)
    assert torch.allclose(found - base, torch.tensor(expected), atol=1e-5)


@pytest.mark.parametrize(
    ("method", "weights", "density", "kept"),
    [
        ("linear", [0.5, 0.5], 1.0, True),
        ("ties", [1.0, 1.0], 0.2, True),
        ("linear", [1.0, 1.0], 1.0, False),
        ("ties", [0.5, 0.5], 1.0, False),
    ],
)
def test_what_all_have_alike_stays_unless_weights_change_its_size(
    method: str, weights: list[float], density: float, kept: bool
) -> None:
    base, member = torch.randn(64), torch.randn(64).to(torch.bfloat16)
    found = combined(base, [member, member], method, weights, density)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, member) == kept


@pytest.mark.parametrize("method", ["linear", "ties"])
def test_a_model_merged_with_itself_is_itself(
    models: dict[str, Path], tmp_path: Path, method: str
) -> None:
    weights = [1.0, 1.0] if method == "ties" else [0.5, 0.5]
    members = {"one": models["one"], "again": models["one"]}
    merge(models["base"], members, tmp_path / "out", method, weights, 0.3)
    one, out = (
        (folder / "model.safetensors").read_bytes() for folder in (models["one"], tmp_path / "out")
    )
    assert one == out


def test_the_merged_folder_is_an_ordinary_checkpoint(
    models: dict[str, Path], tmp_path: Path
) -> None:
    members = {name: models[name] for name in ("one", "two")}
    out = tmp_path / "out"
    merge(models["base"], members, out, "linear", [0.5, 0.5], 1.0)
    one, two, merged = (tensors(folder) for folder in (*members.values(), out))
    assert list(one) == list(merged)
    for name, tensor in merged.items():
        mean = (one[name].float() + two[name].float()) / 2
        assert torch.allclose(tensor.float(), mean, rtol=2**-7, atol=1e-4), name
    assert AutoModelForCausalLM.from_pretrained(out).dtype == torch.bfloat16
    assert AutoTokenizer.from_pretrained(out).chat_template
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n---\n")
    assert "`base` plus the differences of one, two to it: linear" in card


def test_words_that_all_members_added_are_merged_too(tmp_path: Path) -> None:
    base = write(tmp_path / "base", 0)
    members = {name: write(tmp_path / name, seed, extra=3) for name, seed in (("a", 1), ("b", 2))}
    merge(base, members, tmp_path / "out", "linear", [0.5, 0.5], 1.0)
    rows = "model.embed_tokens.weight"
    a, b, out = (tensors(folder)[rows].float() for folder in (*members.values(), tmp_path / "out"))
    assert out.shape == a.shape
    assert torch.allclose(out, (a + b) / 2, rtol=2**-7, atol=1e-4)


@pytest.mark.parametrize("other", ["type", "words", "base"])
def test_members_that_do_not_fit_are_refused_and_leave_nothing(
    models: dict[str, Path], tmp_path: Path, other: str
) -> None:
    if other == "type":
        odd, said = write(tmp_path / "odd", 3, torch.float32), "float32.*bfloat16"
    elif other == "words":
        odd, said = write(tmp_path / "odd", 3, extra=2), "with the same added words"
    else:
        odd, said = models["two"], "has the shape"
        models["base"] = write(tmp_path / "larger", 0, extra=2)
    with pytest.raises(StudyError) as caught:
        merge(
            models["base"], {"one": models["one"], "odd": odd}, tmp_path / "out", "ties", [1, 1], 1
        )
    assert re.search(said, caught.value.render())
    assert not (tmp_path / "out").exists()


def test_the_program_writes_a_record(models: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-P", "-m", "bayling_study.stages.deltas", "merge"]
    command += ["--base", str(models["base"]), "--out", str(out), "--method", "ties"]
    command += ["--weights", "1", "1"]
    command += ["--member", f"one={models['one']}", "--member", f"two={models['two']}"]
    server(STUDY).run(command).check_returncode()
    record = read_json(tmp_path / "out.record.json")
    assert record["stage"] == "deltas" and record["state"] == "finished"
    assert set(record["inputs"]) == {"base", "members/one", "members/two"}
    expected = {"command": "merge", "method": "ties", "weights": [1.0, 1.0], "density": 0.2}
    assert expected.items() <= record["parameters"].items()
