"""How fast and how small the export is, against a plain copy and against load-and-save.

    python tests/bench/export_speed.py --gigabytes 1 --folder /some/disk

Makes a randomly initialised Llama checkpoint of about the given size (fp16,
the 7B model's proportions, cut in layers; shards of 1 GB), then measures in
processes of their own, each after dropping nothing from the page cache so that
all see the same warm files: copying the files, exporting them in each format,
and loading the model with transformers, quantising it and saving it. Prints
seconds, megabytes of input a second and peak resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]
FORMATS = ("groupwise", "bitsandbytes", "gguf")
TASKS = ("copy", *(f"export {name}" for name in FORMATS), "load, quantise, save")
HIDDEN, INTERMEDIATE, VOCABULARY, HEADS = 2048, 5504, 32000, 16
SHARD_BYTES = 1_000_000_000


def make_checkpoint(folder: Path, gigabytes: float) -> int:
    """Writes the checkpoint tensor by tensor; returns its weight bytes."""
    import torch
    from safetensors.torch import save_file

    from bayling_study.export.arithmetic import Shape, memory
    from bayling_study.quantised.skeleton import skeleton, stored_shapes
    from export_models import tiny_config, tiny_tokenizer

    def shape(layers: int) -> Shape:
        size = HIDDEN // HEADS
        return Shape(HIDDEN, layers, HEADS, HEADS, size, INTERMEDIATE, VOCABULARY)

    layers = 1
    while memory(shape(layers + 1)).fp16 <= gigabytes * 1e9:
        layers += 1
    config = tiny_config(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=INTERMEDIATE,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        head_dim=HIDDEN // HEADS,
        dtype="float16",
        architectures=["LlamaForCausalLM"],
    )
    config.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    generator = torch.Generator().manual_seed(0)
    shards: list[dict[str, torch.Tensor]] = [{}]
    weight_map, total = {}, 0
    for name, size in stored_shapes(skeleton(folder, torch.float16)).items():
        value = torch.empty(size, dtype=torch.float16).normal_(0, 0.02, generator=generator)
        shards[-1][name] = value
        weight_map[name] = f"model-{len(shards):05d}.safetensors"
        total += value.nbytes
        if sum(item.nbytes for item in shards[-1].values()) > SHARD_BYTES:
            save_file(shards[-1], folder / weight_map[name], {"format": "pt"})
            shards[-1].clear()
            shards.append({})
    save_file(shards[-1], folder / f"model-{len(shards):05d}.safetensors", {"format": "pt"})
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return total


def perform(task: str, model: Path, out: Path) -> None:
    """Does one of the things that are measured."""
    if task == "copy":
        out.mkdir()
        for file in model.glob("*.safetensors"):
            shutil.copyfile(file, out / file.name)
            with open(out / file.name, "rb") as stream:
                os.fsync(stream.fileno())
    elif task.startswith("export "):
        from export_models import export_tiny

        export_tiny(model, out, task.removeprefix("export "))
    else:
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig

        loaded = AutoModelForCausalLM.from_pretrained(
            model,
            dtype="float16",
            device_map="cpu",
            quantization_config=BitsAndBytesConfig(load_in_8bit=True),
        )
        loaded.save_pretrained(out)


def measure(task: str, model: Path, size: int) -> None:
    """Runs a task in a process of its own and prints what it took, start-up included."""
    out = model.parent / "out"
    start = time.monotonic()
    command = [sys.executable, __file__, "--task", task, "--folder", str(model.parent)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall = time.monotonic() - start
    seconds, peak = json.loads(output.splitlines()[-1])
    written = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(
        f"{task:22}{seconds:8.1f} s {size / 1e6 / seconds:7.0f} MB/s   peak {peak / 2**30:5.2f} GiB"
        f"   wrote {written / 1e9:5.2f} GB   ({wall:.1f} s with start-up)",
        flush=True,
    )
    shutil.rmtree(out)


def peak_memory() -> int:
    """Returns this program's largest resident set in bytes.

    ``ru_maxrss`` would do, but it starts at the size of the process that forked.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def main() -> None:
    """Measures everything, or performs one task when called by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "export_speed")
    parser.add_argument("--task", choices=TASKS)
    options = parser.parse_args()
    model = options.folder / "model"
    if options.task:
        if options.task != "copy":  # libraries are not what is measured
            import bitsandbytes  # noqa: F401

            import export_models  # noqa: F401
        start = time.monotonic()
        perform(options.task, model, options.folder / "out")
        seconds = time.monotonic() - start
        print(json.dumps([seconds, peak_memory()]))
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    model.mkdir(parents=True)
    size = make_checkpoint(model, options.gigabytes)
    print(f"checkpoint: {size / 1e9:.2f} GB, {len(list(model.glob('*.safetensors')))} shards")
    for task in TASKS:
        measure(task, model, size)
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
