"""Supervised tokens per second: this project, the same engine with padding, and TRL.

    pip install --no-deps --target /tmp/trl trl==1.16.0
    PYTHONPATH=workflow:tests .venv/study/bin/python tests/bench/tuning_speed.py \\
        --foundation resources/foundation/smollm2-54b563f2 \\
        --synthesis results/embedded/synthesis/default --trl /tmp/trl

Ways of training, on the same conversations, with the same model and bf16 precision:

ours      rows packed by best fit, a shared start once, logits where a token is supervised
maximum   rows of one conversation padded to ``--max-length``, as FastChat's training
dynamic   rows of one conversation padded to the longest of their micro-batch
trl       SFTTrainer of TRL 1.16.0 (works with transformers 5.23, accelerate 1.15 and
          datasets 5.2), packing by best fit into rows of each of ``--trl-lengths``, weights
          and optimiser in bf16 without fp32 copies, which is its fastest form on a CPU

The first three take a whole optimiser step of this project's DeepSpeed engine for
each ``--batch`` conversations; TRL takes as many steps. The padded ways run with
each of the given micro-batches and the fastest counts. Rounds alternate
between the ways, so that a busy machine slows all of them alike. The learning rate
is so small that no weight changes: all ways must find the same loss, the mean over
all supervised tokens, and that is checked. Beside the clock's time stands the work, the
seconds that the process computed; goals are judged by it, because on a machine with
other work (whose load is printed) the clock measures that too. The C library's heap is
kept as the stage has it (``tuning/memory.py``) for this project's way, and as glibc has it by
itself, once it knows large blocks, for the others. It is empty when a round begins, and this
project's first step fills it; the stage empties it every eight steps. ``--processes`` adds
this project's whole stage with one and with two processes on the same cores.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from bayling_study.config.tuning import TuningSection
from bayling_study.shared import token_set
from bayling_study.stages.masks import encoding
from bayling_study.stages.tuning.attention import NAMES, kernel
from bayling_study.stages.tuning.engine import start_engine
from bayling_study.stages.tuning.launcher import free_port
from bayling_study.stages.tuning.memory import PREPARED
from bayling_study.stages.tuning.packing import Schedule
from bayling_study.stages.tuning.sequences import build_sequence, sequence_loss
from bayling_study.stages.tuning.worker import start_processes
from helpers.stopwatch import Stopwatch, Times
from helpers.training import write_masks

ROOT = Path(__file__).resolve().parents[2]
TINY_RATE = 1e-12
GOALS = {"maximum": 3.0, "dynamic": 1.5, "trl": 3.0}
TOLERANCE = 0.01
"""Two ways' losses may differ by this share: bf16 sums in another order."""
IGNORED = -100
PLACE = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}

Run = Callable[[list[list[int]]], tuple[Times, float]]


def set_heap(prepared: bool) -> None:
    """Has glibc keep large blocks as the stage's workers do, or as it does by itself."""
    libc = ctypes.CDLL(None)
    names = "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"
    sizes = [int(PREPARED[name]) for name in names] if prepared else [32 << 20, 64 << 20]
    for option, size in zip((-3, -1), sizes, strict=True):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
        libc.mallopt(option, min(size, 2**31 - 1))  # it takes an int
    libc.malloc_trim(0)


@dataclass
class Way:
    """A way of training and what it has done.

    Attributes:
        run: takes one round's conversations, as steps; returns times and summed loss.
        wall, cpu: seconds of each round.
        losses: of each round.
    """

    run: Run
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


class Bench:
    """The engine, the encoded conversations and the ways that use them."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.tokenizer = AutoTokenizer.from_pretrained(options.foundation)
        rows = token_set.read_conversations(options.synthesis)
        encoding.encode_all(rows, self.tokenizer, "bayling", options.max_length, folder / "tokens")
        self.tokens = token_set.load(folder / "tokens")
        self.settings = TuningSection(
            batch=options.batch,
            max_length=options.max_length,
            micro_batch_tokens=options.packed_length,
            learning_rate=TINY_RATE,
            gradient_checkpointing=False,
            zero_stage=2,
            offload="none",
        )
        self.schedule = Schedule(
            self.tokens.lengths,
            batch=options.batch,
            epochs=1,
            max_steps=None,
            capacity=options.packed_length,
            prefixes=self.tokens.prefixes,
            processes=1,
            seed=1,
        )
        self.attention = NAMES[kernel(self.settings, gpu=False)]
        self.engine = start_engine(str(options.foundation), self.settings, self.attention)

    def supervised(self, steps: list[list[int]]) -> int:
        """Returns the supervised tokens of some steps."""
        return sum(self.tokens.supervised[index] for step in steps for index in step)

    def ours(self, steps: list[list[int]]) -> tuple[Times, float]:
        """This project: the rows of ``Schedule`` and the loss of ``sequence_loss``."""
        self.engine.module.set_attn_implementation(self.attention)
        set_heap(prepared=True)
        watch, total = Stopwatch(), 0.0
        for step in steps:
            number = next(n for n in range(self.schedule.steps) if self._is(n, step))
            for row in self.schedule.sequences(number)[0]:
                parts = [self.tokens.conversation(index) for index in row]
                packed = build_sequence(parts, "cpu", self.schedule.prefix(row))
                loss = sequence_loss(self.engine, packed, self.attention)
                self.engine.backward(loss / self.supervised([step]))
                total += loss.item()
            self.engine.step()
        return watch.read(), total

    def _is(self, number: int, step: list[int]) -> bool:
        return self.schedule.conversations(number) == step

    def padded(self, micro: int, fixed: bool) -> Run:
        """Returns a way that pads each conversation to the maximum or to its micro-batch's."""

        def run(steps: list[list[int]]) -> tuple[Times, float]:
            self.engine.module.set_attn_implementation("eager")
            set_heap(prepared=False)
            watch, total = Stopwatch(), 0.0
            for step in steps:
                for start in range(0, len(step), micro):
                    inputs = self.batch(step[start : start + micro], fixed)
                    labels = inputs.pop("labels")
                    logits = self.engine(**inputs, use_cache=False).logits.float()
                    loss = torch.nn.functional.cross_entropy(
                        logits[:, :-1].flatten(0, 1),
                        labels[:, 1:].flatten(),
                        ignore_index=IGNORED,
                        reduction="sum",
                    )
                    self.engine.backward(loss / self.supervised([step]))
                    total += loss.item()
                self.engine.step()
            return watch.read(), total

        return run

    def batch(self, chosen: list[int], fixed: bool) -> dict[str, torch.Tensor]:
        """Returns padded ids, mask and labels of some conversations."""
        parts = [self.tokens.conversation(index) for index in chosen]
        longest = max(len(ids) for ids, _ in parts)
        shape = (len(parts), self.options.max_length if fixed else longest)
        ids = torch.full(shape, self.tokenizer.pad_token_id)
        mask = torch.zeros(shape, dtype=torch.int64)
        labels = torch.full(shape, IGNORED)
        for row, (tokens, supervised) in enumerate(parts):
            place = slice(0, len(tokens))
            ids[row, place] = torch.from_numpy(tokens.astype("int64"))
            mask[row, place] = 1
            labels[row, place] = torch.where(
                torch.from_numpy(supervised.copy()), ids[row, place], -100
            )
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    def trl(self, length: int) -> Run:
        """Returns TRL's trainer on the same conversations, packed by itself into rows."""

        def run(steps: list[list[int]]) -> tuple[Times, float]:
            rows = []
            for index in (index for step in steps for index in step):
                ids, supervised = self.tokens.conversation(index)
                labels = [
                    int(t) if wanted else IGNORED for t, wanted in zip(ids, supervised, strict=True)
                ]
                rows.append({"input_ids": ids.tolist(), "labels": labels})
            set_heap(prepared=False)
            return run_trl(self.trl_model, self.tokenizer, rows, len(steps), length)

        return run

    @property
    def trl_model(self) -> Any:
        """The model in bf16 as TRL trains it, loaded once."""
        if not hasattr(self, "_model"):
            self._model = AutoModelForCausalLM.from_pretrained(
                self.options.foundation, dtype=torch.bfloat16, attn_implementation="sdpa"
            )
        return self._model


def run_trl(
    model: Any, tokenizer: Any, rows: list[Any], steps: int, length: int
) -> tuple[Times, float]:
    """Trains with SFTTrainer; returns times from the first step to the last, and summed loss."""
    from datasets import Dataset
    from datasets.utils import logging as datasets_logging
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    datasets_logging.disable_progress_bar()
    watches: list[Stopwatch] = []
    times: list[Times] = []
    sums: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *arguments: Any, **extra: Any) -> None:
            watches.append(Stopwatch())

        def on_step_end(self, *arguments: Any, **extra: Any) -> None:
            times.append(watches[0].read())

    class Measured(SFTTrainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **extra: Any) -> Any:
            loss = super().compute_loss(model, inputs, *arguments, **extra)
            count = extra["num_items_in_batch"]
            value = loss[0] if isinstance(loss, tuple) else loss
            sums.append(float(value.detach()) * float(count))
            return loss

    with tempfile.TemporaryDirectory() as folder:
        common: dict[str, Any] = {
            "output_dir": folder, "max_length": length, "packing": True,
            "packing_strategy": "bfd", "per_device_train_batch_size": 1, "num_train_epochs": 1,
            "learning_rate": TINY_RATE, "lr_scheduler_type": "constant", "bf16": False,
            "use_cpu": True, "optim": "adamw_torch_fused", "gradient_checkpointing": False,
            "save_strategy": "no", "report_to": "none", "logging_strategy": "no",
            "disable_tqdm": True, "dataloader_pin_memory": False, "seed": 1,
        }  # fmt: skip
        packed = packed_rows(rows, length)
        accumulation = -(-packed // steps)
        trainer = Measured(
            model=model,
            args=SFTConfig(gradient_accumulation_steps=accumulation, **common),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[Clock()],
        )
        trainer.train()
    return times[-1], sum(sums)


def packed_rows(rows: list[Any], capacity: int) -> int:
    """Returns how many rows TRL makes of conversations."""
    from datasets import Dataset
    from trl import pack_dataset

    return len(pack_dataset(Dataset.from_list(rows), capacity, "bfd"))


def rounds(bench: Bench, count: int, steps: int) -> Iterator[list[list[int]]]:
    """Yields each round's steps: consecutive steps of the schedule."""
    for number in range(count):
        places = range(number * steps, (number + 1) * steps)
        yield [bench.schedule.conversations(place) for place in places]


def measure(bench: Bench, options: argparse.Namespace) -> dict[str, Way]:
    """Runs all ways in turn; returns them with their times and losses."""
    ways = {"ours": Way(bench.ours)}
    for micro in options.micro:
        ways[f"maximum, {micro} a row batch"] = Way(bench.padded(micro, fixed=True))
        ways[f"dynamic, {micro} a row batch"] = Way(bench.padded(micro, fixed=False))
    for length in options.trl_lengths if options.trl else ():
        ways[f"trl, rows of {length}"] = Way(bench.trl(length))
    warm = [bench.schedule.conversations(0)]
    for way in ways.values():
        way.run(warm)
    supervised = []
    for steps in rounds(bench, options.rounds, options.steps):
        supervised.append(bench.supervised(steps))
        for name, way in ways.items():
            (wall, cpu), loss = way.run(steps)
            way.wall.append(wall)
            way.cpu.append(cpu)
            way.losses.append(loss)
            load = os.getloadavg()[0]
            print(f"  {name:<28} {wall:7.1f} s, {cpu:7.1f} s of work, load {load:.1f}", flush=True)
    show(ways, sum(supervised))
    return ways


def show(ways: dict[str, Way], supervised: int) -> None:
    """Prints rates, losses and ratios, and says what misses its goal."""
    ours = ways["ours"]
    expected = sum(ours.losses) / supervised
    print(f"\n{'':<28} {'tokens/s':>9} {'loss':>8} {'ours is faster by':>18} {'by work':>9}")
    best: dict[str, float] = {}
    for name, way in ways.items():
        loss = sum(way.losses) / supervised
        ratio, work = sum(way.wall) / sum(ours.wall), sum(way.cpu) / sum(ours.cpu)
        rate = supervised / sum(way.wall)
        print(f"{name:<28} {rate:9.1f} {loss:8.4f} {ratio:17.2f}x {work:8.2f}x")
        if abs(loss - expected) > TOLERANCE * expected:
            sys.exit(f"the loss of {name} is not that of ours: {loss:.4f}, {expected:.4f}")
        kind = name.partition(",")[0]
        best[kind] = min(best.get(kind, work), work)
    for kind, goal in GOALS.items():
        if kind in best:
            word = "reached" if best[kind] >= goal else "MISSED"
            print(f"{kind}: {best[kind]:.2f}x, goal {goal}x: {word}")


def processes(options: argparse.Namespace) -> None:
    """Runs the whole stage with one and with two processes; prints the ratio of their rates."""
    rates = {}
    for count in (1, 2):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            write_settings(folder, options)
            write_masks(folder / "masks", options.synthesis, options.foundation, options.max_length)
            program = [sys.executable, "-m", "bayling_study.stages.tuning", "--system", "tuned"]
            paths = {
                "settings": folder / "settings.json", "record": folder / "record.json",
                "foundation": options.foundation, "synthesis": options.synthesis,
                "masks": folder / "masks",
                "checkpoints": folder / "checkpoints", "out": folder / "out",
                "processes": count, "threads": len(os.sched_getaffinity(0)),
            }  # fmt: skip
            for name, value in paths.items():
                program += [f"--{name}", str(value)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
            environment.pop("OMP_NUM_THREADS", None)
            subprocess.run(program, check=True, env=environment, capture_output=True)
            history = json.loads((folder / "record.json").read_text())["history"]
            values = [point["values"]["supervised_tokens_per_second"] for point in history[1:]]
            rates[count] = statistics.median(values)
            memory = max(point["values"]["memory_gib"] for point in history)
            print(
                f"{count} process(es): {rates[count]:7.1f} tokens/s, {memory:.1f} GiB each",
                flush=True,
            )
    print(f"two processes against one: {rates[2] / rates[1]:.2f}x")


def write_settings(folder: Path, options: argparse.Namespace) -> None:
    """Writes the settings of a short run of the stage."""
    tuning = {"batch": options.batch, "max_length": options.max_length, "epochs": 1}
    tuning |= {"max_steps": options.steps + 1, "gradient_checkpointing": False}
    tuning |= {"micro_batch_tokens": options.packed_length}
    systems = {
        "foundation": {"kind": "foundation", "source": "x"},
        "tuned": {"kind": "tuned", "base": "foundation", "mixture": "default"},
    }
    settings = {"study": {"seed": 1}, "tuning": {**tuning, "zero_stage": 2}, "systems": systems}
    (folder / "settings.json").write_text(json.dumps(settings))


def parser() -> argparse.ArgumentParser:
    """Returns the options."""
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--foundation", type=Path, required=True, help="checkpoint")
    result.add_argument("--synthesis", type=Path, required=True, help="folder of a mixture")
    result.add_argument("--trl", type=Path, help="folder that pip put TRL into")
    result.add_argument("--batch", type=int, default=16, help="conversations per step")
    result.add_argument("--max-length", type=int, default=256, help="of a conversation")
    result.add_argument("--packed-length", type=int, default=2048, help="of a packed sequence")
    result.add_argument("--trl-lengths", type=int, nargs="+", default=[512, 1024], help="of rows")
    result.add_argument("--micro", type=int, nargs="+", default=[1, 4], help="padded rows at once")
    result.add_argument("--steps", type=int, default=4, help="steps a round")
    result.add_argument("--rounds", type=int, default=3, help="rounds of each way")
    result.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    result.add_argument("--processes", action="store_true", help="also compare two with one")
    return result


def main() -> None:
    """Measures and prints."""
    options = parser().parse_args()
    transformers_logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    if options.trl:
        sys.path.insert(0, str(options.trl))
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    os.environ.update(PLACE, MASTER_PORT=str(free_port()))
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    start_processes()
    print(f"{options.threads} thread(s), load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for name in PLACE:  # or TRL would take itself for one process of several
            os.environ.pop(name, None)
        measure(bench, options)
    torch.distributed.destroy_process_group()
    if options.processes:
        processes(options)


if __name__ == "__main__":
    main()
