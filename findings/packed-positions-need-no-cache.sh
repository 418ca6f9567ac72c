#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0: restarting position_ids keep packed texts apart only at times.
# One would guess: a row packed with position_ids that restart is masked per text, or never is.
# What happens: it is only with use_cache=False and without attention_mask; with the default
# (config.use_cache is true), or with a mask of ones, a text sees those before it; no warning.
# Output seen: logits off by 0.0000 without cache and mask, by 0.18 (sdpa) and 0.21 (eager) otherwise.
. "$(dirname "$0")/common.sh"
packages transformers==5.23.0 torch==2.13.0
python - <<"END"
import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=2)
first, second = torch.randint(0, 64, (1, 5)), torch.randint(0, 64, (1, 6))
packed = torch.cat([first, second], 1)
positions = torch.tensor([[*range(5), *range(6)]])
ones = {"attention_mask": torch.ones_like(packed)}
CASES = {
    "default": {}, "use_cache=False": {"use_cache": False}, "use_cache=True": {"use_cache": True},
    "use_cache=False and a mask of ones": {"use_cache": False, **ones},
}
for attention in ("sdpa", "eager"):
    model = LlamaForCausalLM._from_config(config, attn_implementation=attention).train()
    with torch.no_grad():
        alone = model(second, use_cache=False).logits
        for name, options in CASES.items():
            logits = model(packed, position_ids=positions, **options).logits[:, 5:]
            off = (logits - alone).abs().max().item()
            print(f"{attention}, {name}: off by {off:.4f}")
            assert off < 1e-5 if name == "use_cache=False" else off > 1e-2
END
