#!/usr/bin/env bash
# safetensors 0.8.0, torch 2.13.0: loaded tensors change when the file is written in place.
# One would guess: load_file reads; after it returns the tensors have memory of their own.
# What happens: for torch on the CPU they are pages of the file, so that a writer who keeps the
# file (rsync --inplace, a patch tool) changes weights in a running process; numpy's are copies.
# A file that is replaced by rename changes nothing.
# Output seen: torch 1 -> 7, numpy 1 -> 1, torch after a rename 7 -> 7.
. "$(dirname "$0")/common.sh"
packages safetensors==0.8.0 torch==2.13.0 numpy==2.4.6
python - <<"END"
import os

import numpy as np
import safetensors.numpy
import safetensors.torch

FILE, COUNT = "w.safetensors", 100_000


def ones(value):
    return {"a": np.full(COUNT, value, np.float32)}


safetensors.numpy.save_file(ones(1), FILE)
mapped = safetensors.torch.load_file(FILE)["a"]
copied = safetensors.numpy.load_file(FILE)["a"]
with open(FILE, "r+b") as stream:
    stream.seek(-4 * COUNT, os.SEEK_END)
    stream.write(ones(7)["a"].tobytes())
print("torch", mapped[0].item(), "numpy", copied[0])
assert bool((mapped == 7).all()) and bool((copied == 1).all())
safetensors.numpy.save_file(ones(9), "new.safetensors")
os.replace("new.safetensors", FILE)
print("torch after a rename", mapped[0].item())
assert bool((mapped == 7).all())
END
