#!/usr/bin/env bash
# torch 2.13.0: going through a DataLoader without shuffling moves torch's random state.
# One would guess: no shuffle and no workers means that no random number is drawn.
# What happens: every iter() draws a seed for workers that there may not be, from the global
# generator unless it has its own: an evaluation between two steps changes the next dropout.
# Output seen: equal False without a generator, equal True with one.
. "$(dirname "$0")/common.sh"
packages torch==2.13.0 numpy==2.4.6
python - <<"END"
import torch
from torch.utils.data import DataLoader


def after(**options):
    torch.manual_seed(0)
    if options.pop("read", True):
        assert [batch.item() for batch in DataLoader([1, 2, 3], **options)] == [1, 2, 3]
    return torch.rand(1).item()


untouched = after(read=False)
plain, own = after(shuffle=False, num_workers=0), after(generator=torch.Generator())
print("equal", plain == untouched, "with a generator of its own", own == untouched)
assert plain != untouched
assert own == untouched
END
