"""Prints how far DeepSpeed's gradient of a tied bf16 embedding is from the fp32 sum.

``embedding_probe.py FOUNDATION STAGE``, a program of its own, on the CPU. A token stands 1,000
times in a row; the sum is made of the gradients that reach the embedding's rows and of the
output layer's product.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import torch
from deepspeed.utils import safe_get_full_grad

from bayling_study.config.tuning import TuningSection
from bayling_study.stages.tuning.engine import start_engine
from bayling_study.stages.tuning.processes import start_processes

OFTEN, TIMES = 7, 1000


def main() -> None:
    """Takes one backward pass and compares."""
    foundation, stage = sys.argv[1:]
    os.environ.update(RANK="0", LOCAL_RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1")
    os.environ["MASTER_PORT"] = "0"  # any that is free
    start_processes()
    settings = {"zero_stage": int(stage), "offload": "none", "precision": "bf16"}
    section = TuningSection.model_validate({**settings, "max_length": TIMES + 24})
    engine = start_engine(foundation, section, "sdpa")
    tokens = torch.tensor([[*range(3, 23), *[OFTEN] * TIMES]])
    embedding, head = engine.module.get_input_embeddings(), engine.module.get_output_embeddings()
    seen: dict[str, Any] = {}

    def keep(name: str) -> Any:
        return lambda gradient: seen.update({name: gradient.detach().double()})

    def watch(module: Any, inputs: Any, output: Any) -> None:
        output.register_hook(keep("rows" if module is embedding else "logits"))
        seen["hidden"] = inputs[0].detach().double()

    handles = [module.register_forward_hook(watch) for module in (embedding, head)]
    engine.backward(engine(input_ids=tokens, labels=tokens, use_cache=False).loss)
    for handle in handles:
        handle.remove()
    found = safe_get_full_grad(embedding.weight).double()
    assert engine.module.config.tie_word_embeddings
    expected = seen["logits"].flatten(0, 1).T @ seen["hidden"].flatten(0, 1)
    expected.index_add_(0, tokens[0], seen["rows"][0])
    distance = (found[OFTEN] - expected[OFTEN]).norm() / expected[OFTEN].norm()
    print(f"relative distance: {distance.item():.6f}")


if __name__ == "__main__":
    main()
