"""Training steps on cores that others use too: how threads wait decides what is left.

    python tests/bench/shared_cores.py --seconds 10 --rounds 3

Each way of waiting runs in turn, on idle cores and then beside one busy process a core: training
steps of a 135M model's shape (random weights, bf16, 512 tokens). Prints medians of tokens per
second and per CPU second, and the ratios that count: idle against the library's default, and
busy against idle per CPU second. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from bayling_study.dag.interpreter import SPINS

WAYS = {
    "library's default": {},
    f"ours (GOMP_SPINCOUNT={SPINS})": {"GOMP_SPINCOUNT": SPINS},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
}
TOKENS = 512


def steps(seconds: float) -> None:
    """Trains for some seconds and prints tokens per second and per CPU second as JSON."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = LlamaConfig(
        hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, vocab_size=49152, tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(shape).to(torch.bfloat16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    ids = torch.randint(0, shape.vocab_size, (1, TOKENS))
    done, start, used = -1, 0.0, 0.0
    while done < 1 or time.perf_counter() - start < seconds:
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        done += 1
        if done == 0:  # the first step allocates
            start, used = time.perf_counter(), time.process_time()
    wall, used = time.perf_counter() - start, time.process_time() - used
    print(json.dumps([done * TOKENS / wall, done * TOKENS / used]))


def measure(way: dict[str, str], seconds: float) -> list[float]:
    """Returns tokens per second and per CPU second of a process of its own."""
    outer = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    command = [sys.executable, __file__, "--worker", "--seconds", str(seconds)]
    done = subprocess.run(command, env={**outer, **way}, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def medians(seconds: float, rounds: int) -> dict[str, list[float]]:
    """Returns the medians of each way, the ways taken in turn."""
    found: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            found[name].append(measure(way, seconds))
    return {
        n: [statistics.median(v) for v in zip(*values, strict=True)] for n, values in found.items()
    }


def main() -> None:
    """Measures idle and busy, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        steps(options.seconds)
        return
    print(f"load before: {os.getloadavg()[0]:.2f}; {os.cpu_count()} cores")
    idle = medians(options.seconds, options.rounds)
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        busy = medians(options.seconds, options.rounds)
    finally:
        for process in others:
            process.kill()
    default = next(iter(idle.values()))[0]
    heads = ("idle tok/s", "busy tok/s", "idle/default", "busy/idle per CPU s")
    print(f"{'threads wait':<32}" + "".join(f"{head:>21}" for head in heads))
    for name in WAYS:
        (fast, per_second), (slow, busy_second) = idle[name], busy[name]
        values = (f"{fast:.0f}", f"{slow:.0f}", f"{fast / default:.2f}")
        shown = (*values, f"{busy_second / per_second:.2f}")
        print(f"{name:<32}" + "".join(f"{value:>21}" for value in shown))


if __name__ == "__main__":
    main()
