#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0: the cache of a hybrid model can be reordered, not selected from.
# One would guess: DynamicCache(config=…) makes layers that have all of the cache's own methods, so
# a row of a batch can be dropped or repeated with any model whose beams can be reordered.
# What happens: layers of linear attention know reorder_cache alone; batch_select_indices and
# batch_repeat_interleave of the same cache raise AttributeError. Full attention has all three.
# Output seen: hybrid: reorder_cache works; the other two: AttributeError. full: all work.
. "$(dirname "$0")/common.sh"
packages transformers==5.23.0 torch==2.13.0
python - <<"END"
import torch
from transformers import AutoModelForCausalLM, DynamicCache, Qwen3NextConfig

KINDS = {"hybrid": ["linear_attention", "full_attention"], "full": ["full_attention"] * 2}
CALLS = {
    "reorder_cache": torch.tensor([0, 2, 1]), "batch_select_indices": torch.tensor([0, 2]),
    "batch_repeat_interleave": 2,
}
for kind, layers in KINDS.items():
    torch.manual_seed(0)
    config = Qwen3NextConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_experts=0,
        num_attention_heads=2, num_key_value_heads=2, head_dim=16, layer_types=layers,
        linear_num_key_heads=2, linear_num_value_heads=2, linear_key_head_dim=8,
        linear_value_head_dim=8)
    model = AutoModelForCausalLM.from_config(config).eval()
    for name, argument in CALLS.items():
        cache = DynamicCache(config=config)
        with torch.no_grad():
            model(torch.randint(0, 64, (3, 5)), past_key_values=cache, use_cache=True)
        try:
            getattr(cache, name)(argument)
            found = "works"
        except AttributeError as error:
            found = f"AttributeError, {error}"
        print(f"{kind}: {name}: {found}")
        expected = "AttributeError" if kind == "hybrid" and name != "reorder_cache" else "works"
        assert found.startswith(expected), expected
END
