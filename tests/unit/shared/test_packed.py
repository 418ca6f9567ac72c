"""Packed linear layers: products of plain ones, and only where they are of use."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bayling_study.config.evaluation import GenerationSection
from bayling_study.shared.models import load
from bayling_study.shared.packed import PackedLinear, pack
from helpers.tiny_model import save_checkpoint


class Special(nn.Linear):
    """A layer of somebody else's, which may read its weight."""


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 24), (3, 24), (2, 5, 24), (1, 0, 24)])
def test_products_are_those_of_the_plain_layer(
    bias: bool, precision: torch.dtype, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(1)
    plain = nn.Linear(24, 7, bias=bias, dtype=precision)
    model, inputs = nn.Sequential(plain), torch.randn(shape).to(precision)
    expected = plain(inputs).detach()
    pack(model)
    if precision is torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert model[0] is plain
    else:
        assert isinstance(model[0], PackedLinear)
    torch.testing.assert_close(model(inputs), expected)


def test_other_layers_and_precisions_stay() -> None:
    model = nn.Sequential(Special(4, 4), nn.Linear(4, 4).double(), nn.Embedding(3, 4))
    pack(model)
    assert [type(layer) for layer in model] == [Special, nn.Linear, nn.Embedding]


def test_a_tied_head_leaves_the_embedding_as_it_is(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = save_checkpoint(tmp_path_factory.mktemp("tiny"))
    model = load(folder, GenerationSection(precision="fp32")).model
    packed = [layer for layer in model.modules() if isinstance(layer, PackedLinear)]
    assert len(packed) == 7 * model.config.num_hidden_layers + 1
    assert model.get_input_embeddings().weight.shape[0] == model.config.vocab_size
    assert not any(parameter.requires_grad for parameter in model.parameters())
