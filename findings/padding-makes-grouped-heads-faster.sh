#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0, on cores, bf16, heads that share keys (9 heads, 3 of keys).
# One would guess: a batch of prompts of one length decodes at least as fast as the same batch with
# one token of padding, which needs a mask.
# What happens: without padding transformers drops the mask and asks torch for enable_gqa=True, whose
# kernel on cores works through the heads one by one; with a mask transformers lays the heads that
# share keys side by side as queries, and each key is read once. One token of padding makes the
# attention of a step several times as fast.
# Output seen: a step without padding takes 2.6 times as long as with one padding token
. "$(dirname "$0")/common.sh"
packages transformers==5.23.0 torch==2.13.0
python - <<"END"
import statistics
import time

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

ROWS, LENGTH, STEPS, ROUNDS = 64, 160, 8, 3
torch.manual_seed(0)
torch.set_num_threads(1)
config = LlamaConfig(
    vocab_size=64, hidden_size=576, intermediate_size=64, num_hidden_layers=4,
    num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=512)
model = LlamaForCausalLM(config).to(torch.bfloat16).eval()
ids = torch.randint(3, 64, (ROWS, LENGTH))


def seconds(padded: bool) -> float:
    """Processor seconds of a step, the prompts read before."""
    mask = torch.ones(ROWS, LENGTH, dtype=torch.long)
    mask[0, 0] = 0 if padded else 1
    cache = DynamicCache(config=config)
    with torch.inference_mode():
        model(ids, attention_mask=mask, past_key_values=cache, use_cache=True)
        begin = time.process_time()
        for _ in range(STEPS):
            mask = torch.cat([mask, mask.new_ones(ROWS, 1)], dim=1)
            model(ids[:, :1], attention_mask=mask, past_key_values=cache, use_cache=True)
        return (time.process_time() - begin) / STEPS


seconds(True)
found = [(seconds(False), seconds(True)) for _ in range(ROUNDS)]
plain, padded = (statistics.median(side) for side in zip(*found))
print(f"a step without padding takes {plain / padded:.1f} times as long as with one padding token")
assert plain > 1.5 * padded, (plain, padded)
END
