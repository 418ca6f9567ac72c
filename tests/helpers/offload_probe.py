"""Prints the bytes per parameter that DeepSpeed holds in a step with offload; a program of its own.

``python -m helpers.offload_probe STAGE PRECISION``, on the CPU, where device and host are one.
AdamW is torch's, which has the same states as DeepSpeed's own and needs no compiler.
"""

from __future__ import annotations

import gc
import os
import sys

import deepspeed
import torch
import transformers

from bayling_study.config.tuning import TuningSection
from bayling_study.stages.tuning.engine import deepspeed_config, model_dtype
from bayling_study.stages.tuning.processes import start_processes

HIDDEN, LAYERS, VOCABULARY = 512, 6, 800


def main() -> None:
    """Takes a step, and in the next one counts after the backward passes."""
    stage, precision = sys.argv[1:]
    os.environ.update(RANK="0", LOCAL_RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1")
    os.environ["MASTER_PORT"] = "0"  # any that is free
    start_processes()
    settings = TuningSection.model_validate(
        {"zero_stage": int(stage), "offload": "optimizer", "precision": precision}
    )
    config = deepspeed_config(settings)
    config["zero_optimization"]["reduce_bucket_size"] = 1 << 20
    shape = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=4 * HIDDEN,
        num_hidden_layers=LAYERS,
    )
    model = transformers.LlamaForCausalLM(shape).to(model_dtype(settings))
    count = sum(parameter.numel() for parameter in model.parameters())
    optimizer = torch.optim.AdamW(model.parameters())
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
    tokens = torch.arange(8)[None]
    for step in range(2):
        for _ in range(2):
            engine.backward(engine(input_ids=tokens, labels=tokens, use_cache=False).loss)
        if step == 0:
            engine.step()
    print(f"bytes per parameter: {held_bytes() / count}")


def held_bytes() -> int:
    """Returns the bytes of all tensors that are alive; those that share a storage count once."""
    gc.collect()
    found = [item for item in gc.get_objects() if isinstance(item, torch.Tensor)]
    found += [item.grad for item in found if item.is_leaf and item.grad is not None]
    stores = [item.untyped_storage() for item in found if item.device.type == "cpu"]
    return sum({store.data_ptr(): store.nbytes() for store in stores}.values())


if __name__ == "__main__":
    main()
