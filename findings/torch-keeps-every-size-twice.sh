#!/usr/bin/env bash
# torch 2.13.0 (oneDNN 3): limiting oneDNN's cache of primitives halves what sizes cost, no more.
# (x86 with AVX-512, where such products are oneDNN's.)
# One would guess: what products of bf16 matrices of ever other sizes leave in memory on a CPU is
# oneDNN's cache of primitives, and ONEDNN_PRIMITIVE_CACHE_CAPACITY, as documented, limits it.
# What happens: torch keeps a second cache of its own in front of it, 1,024 entries that hold their
# memory too; LRU_CACHE_CAPACITY limits that one. Each variable alone leaves the other cache.
# Output seen (MiB that 1,000 products of one weight with 1,000 lengths leave in the heap; the share
# of each cache depends on the CPU): both caches 583; ONEDNN_PRIMITIVE_CACHE_CAPACITY 271;
# LRU_CACHE_CAPACITY 321; both variables 9.
. "$(dirname "$0")/common.sh"
packages torch==2.13.0 numpy==2.4.6
cat > left.py <<"END"
import ctypes

import torch


class Info(ctypes.Structure):
    """What glibc's mallinfo2 tells."""

    _fields_ = [(name, ctypes.c_size_t) for name in "arena a b c d e f used free top".split()]


libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
weight = torch.zeros(1536, 576, dtype=torch.bfloat16)


def product(length):
    """Multiplies as many rows with the weight, and keeps nothing."""
    torch.nn.functional.linear(torch.zeros(length, 576, dtype=torch.bfloat16), weight)


product(1)
before = libc.mallinfo2().used
for length in range(2, 1002):
    product(length)
print(round((libc.mallinfo2().used - before) / 2**20))
END
export OMP_NUM_THREADS=1
unset LRU_CACHE_CAPACITY ONEDNN_PRIMITIVE_CACHE_CAPACITY
both=$(python left.py)
one=$(ONEDNN_PRIMITIVE_CACHE_CAPACITY=16 python left.py)
other=$(LRU_CACHE_CAPACITY=16 python left.py)
none=$(ONEDNN_PRIMITIVE_CACHE_CAPACITY=16 LRU_CACHE_CAPACITY=16 python left.py)
echo "MiB left: both caches $both; oneDNN's limited $one; torch's limited $other; both limited $none"
for alone in "$one" "$other"; do
    [ "$alone" -gt $((both / 4)) ] && [ "$alone" -lt $((both * 3 / 4)) ]
done
[ "$none" -lt $((both / 10)) ]
