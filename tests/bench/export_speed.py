"""How fast and how small the export is, against a plain copy and against load-and-save.

    python tests/bench/export_speed.py --gigabytes 1 --folder /some/disk
    python tests/bench/export_speed.py --shape 7b --folder /some/disk

Makes a randomly initialised Llama checkpoint (fp16, shards of 1 GB): of about
the given size, a narrow model cut in layers, or of the full 7B shape (13.5 GB;
the disk must hold twice that and 10 GB). Then measures in processes of their
own, all on the same warm files or, with ``--cold`` (as root), after emptying
the page cache: copying the files, exporting them in each format, and loading the
model with transformers, quantising it and saving it (left out where the model
does not fit into memory). Prints seconds, megabytes of input a second and peak
resident memory, and after each export its ratio to a copy that follows it. The
folder is removed at the end, also after an error.
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
NARROW = (2048, 5504, 16)
SEVEN = (4096, 11008, 32)
"""Hidden and intermediate size and heads of the shapes."""
SEVEN_LAYERS = 32
VOCABULARY = 32000
RESERVE = 10_000_000_000
SHARD_BYTES = 1_000_000_000


def layers_for(gigabytes: float) -> int:
    """Returns how many narrow layers make a checkpoint of about a size."""
    from bayling_study.commands.plan.arithmetic import Shape, memory

    hidden, intermediate, heads = NARROW

    def size(layers: int) -> int:
        shape = Shape(hidden, layers, heads, heads, hidden // heads, intermediate, VOCABULARY)
        return memory(shape).fp16

    layers = 1
    while size(layers + 1) <= gigabytes * 1e9:
        layers += 1
    return layers


def make_checkpoint(folder: Path, widths: tuple[int, int, int], layers: int) -> int:
    """Writes the checkpoint shard by shard; returns its weight bytes."""
    import torch
    from safetensors.torch import save_file

    from bayling_study.shared.checkpoints.skeleton import skeleton, stored_shapes
    from helpers.export_models import tiny_config, tiny_tokenizer

    hidden, intermediate, heads = widths
    config = tiny_config(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=hidden // heads,
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
        from helpers.export_models import export_tiny

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


def measure(task: str, model: Path, size: int, cold: bool) -> float:
    """Runs a task in a process of its own and prints what it took; returns its seconds."""
    if cold:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
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
    return float(seconds)


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
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of the narrow model")
    parser.add_argument("--shape", choices=["narrow", "7b"], default="narrow")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "export_speed")
    parser.add_argument("--cold", action="store_true", help="drop the page cache before each")
    parser.add_argument("--only", choices=TASKS, nargs="+", help="these alone")
    parser.add_argument("--task", choices=TASKS)
    options = parser.parse_args()
    model = options.folder / "model"
    if options.task:
        if options.task != "copy":  # libraries are not what is measured
            import bitsandbytes  # noqa: F401

            import helpers.export_models  # noqa: F401
        start = time.monotonic()
        perform(options.task, model, options.folder / "out")
        seconds = time.monotonic() - start
        print(json.dumps([seconds, peak_memory()]))
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    model.mkdir(parents=True)
    try:
        compare(options, model)
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)


def compare(options: argparse.Namespace, model: Path) -> None:
    """Makes the checkpoint and measures every task that disk and memory allow."""
    seven = options.shape == "7b"
    widths = SEVEN if seven else NARROW
    layers = SEVEN_LAYERS if seven else layers_for(options.gigabytes)
    expected = 13.5e9 if seven else options.gigabytes * 1e9
    free = shutil.disk_usage(model).free
    if free < 2 * expected + RESERVE:
        sys.exit(f"{(2 * expected + RESERVE) / 1e9:.0f} GB are needed, {free / 1e9:.0f} are free")
    size = make_checkpoint(model, widths, layers)
    print(f"checkpoint: {size / 1e9:.2f} GB, {len(list(model.glob('*.safetensors')))} shards")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    for task in options.only or TASKS:
        if task.startswith("load") and 1.2 * size > memory:
            print(f"{task:22}left out: {memory / 1e9:.1f} GB of memory are free", flush=True)
            continue
        seconds = measure(task, model, size, options.cold)
        if task.startswith("export "):  # beside a copy of the same minute: the load changes
            copied = measure("copy", model, size, options.cold)
            print(f"{task:22}{seconds / copied:8.2f} times the copy", flush=True)


if __name__ == "__main__":
    main()
