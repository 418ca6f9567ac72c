"""Speed, memory and utilisation of training random models of real shapes on GPUs.

    PYTHONPATH=workflow:tests python tests/bench/gpu_tuning.py --shape 7b --length 1024
    PYTHONPATH=workflow:tests python tests/bench/gpu_tuning.py --shape tiny --device cpu

Writes a randomly initialised checkpoint in bf16 and conversations of random
lengths, and trains through this project's own path: encoding, memory plan,
packing, DeepSpeed engine, loss, step reports. Only checkpoints and the result
are left out, because a 7B model's would fill a lent machine's disk. Prints the
plan, and medians over the steps after ``--warm-up``: supervised, real and padded
tokens per second, memory (planned and measured) and, where the device's peak is
known, model FLOPs utilisation. All shapes but ``tiny`` need CUDA.

``--set KEY=VALUE`` changes a key of the section ``tuning``: ``--set attention=sdpa``
``--set offload=optimizer`` ``--set micro_batch_tokens=4096``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import torch
import yaml
from transformers import LlamaConfig, LlamaForCausalLM

from bayling_study.config.tuning import TuningSection
from bayling_study.shared.sizing.shape import Shape
from bayling_study.shared.sizing.speed import peak_teraflops
from bayling_study.stages.masks.__main__ import encode
from bayling_study.stages.tuning.job import TrainingJob
from bayling_study.stages.tuning.launcher import environment, free_port
from bayling_study.stages.tuning.resources import check_grant, facts, memory_budget, settle
from bayling_study.stages.tuning.worker import Worker, start_processes
from helpers.training import chatml_tokenizer

SHAPES = {
    "tiny": Shape(64, 2, 4, 2, 16, 128, 512, tied=True),
    "1.3b": Shape(2048, 24, 16, 16, 128, 5504, 32000),  # Sheared-LLaMA-1.3B
    "3b": Shape(3072, 28, 24, 8, 128, 8192, 128256, tied=True),  # Llama-3.2-3B
    "7b": Shape(4096, 32, 32, 32, 128, 11008, 32000),  # LLaMA-7B
}


class Measured(Worker):
    """A worker that trains and reports, and writes neither checkpoints nor a result."""

    def _check_space(self) -> None:
        pass

    def _save(self, step: int) -> None:
        pass

    def _write_output(self) -> None:
        pass


def parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    command = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--shape", choices=SHAPES, default="1.3b")
    command.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    command.add_argument("--processes", type=int, default=1, help="one for each GPU")
    command.add_argument("--length", type=int, default=1024, help="tuning.max_length")
    command.add_argument("--batch", type=int, default=32, help="conversations per step")
    command.add_argument("--steps", type=int, default=12)
    command.add_argument("--warm-up", type=int, default=3, help="first steps that do not count")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    command.add_argument("--work", type=Path, help="folder to work in; its models are used again")
    command.add_argument("--out", type=Path, help="file for the numbers, as JSON")
    command.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    return command


def main() -> None:
    """Prepares and starts the processes, or is one of them."""
    options = parser().parse_args()
    if options.worker is not None:
        start_processes()
        Measured(TrainingJob.read(options.worker)).run()
        torch.distributed.destroy_process_group()
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: this benchmark needs CUDA (try --shape tiny --device cpu)")
    if options.device == "cpu" and options.shape != "tiny":
        sys.exit("error: on a CPU only --shape tiny ends in a reasonable time")
    with tempfile.TemporaryDirectory() as temporary:
        result = measure(options, options.work or Path(temporary))
    print(json.dumps(result, indent=2))
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2), encoding="utf-8")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Trains, and returns settings, plan and medians."""
    foundation, instructions = folder / options.shape, folder / "synthesis"
    write_model(foundation, SHAPES[options.shape], options.length, options.device)
    write_conversations(instructions, options.length, options.batch * options.steps)
    written = settings(options)
    check_grant(written, options.processes, 1)
    work = Path(tempfile.mkdtemp(dir=folder))
    audit = encode(work, instructions, foundation, "foundation", options.length)
    mean = audit["tokens"] / audit["conversations"]
    budget = memory_budget(options.processes, options.processes)
    choice = settle(written, foundation, budget, mean)
    job = TrainingJob(
        system="bench",
        tuning=choice.tuning.model_dump(mode="json"),
        template="foundation",
        seed=1,
        foundation=str(foundation),
        work=str(work),
        out=str(work / "out"),
        code="",
        deadline=None,
        card={},
    )
    job.write()
    start(job, options.processes)
    return {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
        "shape": options.shape,
        "parameters": SHAPES[options.shape].parameters(),
        "processes": options.processes,
        "mean_length": round(mean, 1),
        **facts(choice),
        **medians(job.events, options.warm_up),
    }


def settings(options: argparse.Namespace) -> TuningSection:
    """Returns the section ``tuning``, its memory settings ``auto`` unless ``--set`` says more."""
    changes = dict(item.split("=", 1) for item in options.set)
    return TuningSection.model_validate(
        {
            "max_length": options.length,
            "batch": options.batch,
            "max_steps": options.steps,
            "epochs": 1,
            "device": "cuda" if options.device == "cuda" else "auto",
            **{key: yaml.safe_load(value) for key, value in changes.items()},
        }
    )


def write_model(folder: Path, shape: Shape, length: int, device: str) -> None:
    """Writes a checkpoint with random weights, made on the device; keeps one that is there."""
    if (folder / "config.json").exists():
        return
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_size,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=max(4096, length),
        dtype="bfloat16",
    )
    torch.manual_seed(1)
    with torch.device(device):
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    chatml_tokenizer().save_pretrained(folder)
    del model
    if device == "cuda":
        torch.cuda.empty_cache()


def write_conversations(folder: Path, length: int, count: int) -> None:
    """Writes conversations whose lengths are log-normal with a median of a third of ``length``."""
    draw = random.Random(1)
    rows = []
    for number in range(count):
        letters = min(length - 80, max(20, int(draw.lognormvariate(0, 0.6) * length / 3)))
        asked, answered = letters // 2, letters - letters // 2
        messages = [
            {"role": "user", "content": "q" * asked},
            {"role": "assistant", "content": "a" * answered},
        ]
        row = {"id": f"b{number}", "recipe": "bench", "source": "bench", "messages": messages}
        rows.append({**row, "languages": ["en"]})
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")


def start(job: TrainingJob, processes: int) -> None:
    """Runs the worker processes to their end."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)),
        *("--master-addr", "127.0.0.1", "--master-port", str(free_port())),
        *(__file__, "--worker", str(job.file)),
    ]
    values = environment(processes, job.folder)
    values["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(command, env=values, check=True)


def medians(path: Path, warm_up: int) -> dict[str, Any]:
    """Returns the medians of the steps' numbers, and the memory."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    steps = [event["values"] for event in events if event["event"] == "step"][warm_up:]
    if not steps:
        sys.exit("error: --steps must be more than --warm-up")
    names = [name for name in steps[0] if name.endswith(("per_second", "per_step", "utilisation"))]
    result: dict[str, Any] = {
        name: round(statistics.median(step[name] for step in steps), 4) for name in names
    }
    if "model_flops_utilisation" not in result:
        known = torch.cuda.is_available() and peak_teraflops(torch.cuda.get_device_name())
        result["model_flops_utilisation"] = None if not known else "only in bf16"
    memory = next(event["values"] for event in events if event["event"] == "memory")
    return {"steps": len(steps), **result, **memory}


if __name__ == "__main__":
    main()
