"""Random choices that depend on the study's seed and on a name, and on nothing else."""

import hashlib
import random


def derive_seed(seed: int, *names: str) -> int:
    """Returns a 63-bit seed for one purpose, the same on every machine and Python."""
    text = "\0".join([str(seed), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str) -> random.Random:
    """Returns a random generator of its own for one purpose."""
    return random.Random(derive_seed(seed, *names))
