#!/usr/bin/env bash
# peft 0.21.2, torch 2.13.0: a misspelt layer among the targets of LoRA is left out in silence.
# One would guess: target_modules with a name that no layer has raises, or warns at the least.
# What happens: it raises only where no name at all fits; otherwise the other layers are trained,
# no warning is given, and the saved adapter_config.json goes on naming the layer.
# Output seen: adapters in ['up'], no warning, though 'dwon' was asked for too.
. "$(dirname "$0")/common.sh"
packages peft==0.21.2 torch==2.13.0 transformers==5.23.0
unset PYTHONWARNINGS
python - <<"END"
import warnings

import torch
from peft import LoraConfig, get_peft_model


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = torch.nn.Linear(4, 8), torch.nn.Linear(8, 4)


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = get_peft_model(Block(), LoraConfig(target_modules=["up", "dwon"]))
trained = {n.split(".")[2] for n, p in model.named_parameters() if p.requires_grad}
told = [str(item.message) for item in caught if "dwon" in str(item.message)]
print("adapters in", sorted(trained), "warnings that name it:", told)
assert trained == {"up"} and not told
assert "dwon" in model.peft_config["default"].target_modules
try:
    get_peft_model(Block(), LoraConfig(target_modules=["dwon"]))
except ValueError as error:
    print("alone:", str(error)[:60])
else:
    raise AssertionError("a target that no layer has was taken")
END
