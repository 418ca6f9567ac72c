#!/usr/bin/env bash
# peft 0.21.2, torch 2.13.0: an adapter merged with copies of itself is another one.
# One would guess: LoRA adapters that are equal, merged with weights that add up to 1, give the
# adapter again, whatever the way of merging; density 1 trims nothing.
# What happens: "cat" gives it again. "linear" adds up the two factors apart, each with the root of
# the weight, so that the change grows with the number of copies. "ties" divides by the number of
# adapters that agree, after it has weighted each, so that it shrinks.
# Output seen: size of the merged change of 2 and 4 copies, at weights of a half and a quarter:
# cat 1.00 1.00; linear 2.00 4.00; ties 0.50 0.25; ties at weights of 1: 1.00 1.00.
. "$(dirname "$0")/common.sh"
packages torch==2.13.0 transformers==5.14.1 peft==0.21.2
python - <<"END"
import warnings

import torch
from peft import LoraConfig, get_peft_model

warnings.simplefilter("ignore")


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(16, 16, bias=False)

    def forward(self, batch):
        return self.layer(batch)


def left(copies, kind, weight):
    """Returns the size of the change of an adapter merged with copies of it, its own being 1."""
    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=4, target_modules=["layer"], init_lora_weights=False)
    model = get_peft_model(Model(), config, "one")
    names = ["one"]
    for number in range(1, copies):
        names.append(f"copy{number}")
        model.add_adapter(names[-1], config)
        for part in (model.base_model.model.layer.lora_A, model.base_model.model.layer.lora_B):
            part[names[-1]].weight.data.copy_(part["one"].weight.data)
    more = {"density": 1.0} if kind == "ties" else {}
    model.add_weighted_adapter(names, [weight] * copies, "merged", kind, **more)
    layer = model.base_model.model.layer
    change, merged = layer.get_delta_weight("one"), layer.get_delta_weight("merged")
    share = (merged.norm() / change.norm()).item()
    assert torch.allclose(merged, share * change, atol=1e-5)  # the same change but for its size
    return share


found = {kind: [left(n, kind, 1 / n) for n in (2, 4)] for kind in ("cat", "linear", "ties")}
found["ties at weights of 1"] = [left(n, "ties", 1.0) for n in (2, 4)]
expected = {"cat": (1, 1), "linear": (2, 4), "ties": (0.5, 0.25), "ties at weights of 1": (1, 1)}
for name, sizes in found.items():
    print(f"{name}:", *(f"{size:.2f}" for size in sizes))
    assert all(abs(size - known) < 1e-4 for size, known in zip(sizes, expected[name])), name
END
