"""Do other engines answer as we do on the same weights?

    python -m venv /tmp/llama && /tmp/llama/bin/pip install llama-cpp-python==0.3.36
    python -m venv /tmp/ct2 && /tmp/ct2/bin/pip install \\
        ctranslate2==4.8.5 transformers==5.23.0 torch==2.13.0
    python -m venv /tmp/ort && /tmp/ort/bin/pip install optimum-onnx==0.1.0 \\
        onnxruntime==1.32.0 onnx==1.23.2 transformers==4.57.6 torch==2.13.0
    python -m venv /tmp/ov && /tmp/ov/bin/pip install optimum-intel openvino

    python tests/bench/engines.py --checkpoint results/embedded/tuning/tuned --template bayling \\
        --prompts results/embedded/prompts --llama-cpp /tmp/llama/bin/python \\
        --ctranslate2 /tmp/ct2/bin/python --onnxruntime /tmp/ort/bin/python \\
        --openvino /tmp/ov/bin/python

Every engine gets the same token ids (the first turns of 200 prompts of the study's suites) and
answers greedily, at most 48 tokens. Prints for each engine and type: equal answers; the largest
difference of the logits of the answers' first tokens; whether conversations that the engine
renders and tokenises itself have our ids; whether the same tokens end an answer. An engine that
is not named or does not run is said to be missing. The fp32 rows stand beside our fp32 answers,
``q8_0`` beside ours of the same file; int8 of CTranslate2 and OpenVINO is their own, made of
our checkpoint, beside our fp32.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from engine_answers import Ours, ask, compare, equal_tensors

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

from bayling_study.config import StudyConfig  # noqa: E402
from bayling_study.config.evaluation import GenerationSection  # noqa: E402
from bayling_study.config.suites import Decoding  # noqa: E402
from bayling_study.core.records import read_prompts  # noqa: E402
from bayling_study.shared import templates  # noqa: E402
from bayling_study.shared.checkpoints.reading import open_checkpoint  # noqa: E402
from bayling_study.shared.models import load  # noqa: E402
from bayling_study.stages.export import format_gguf  # noqa: E402
from bayling_study.stages.export.__main__ import make_format  # noqa: E402
from bayling_study.stages.export.job import export  # noqa: E402
from bayling_study.stages.generation.batching import BatchLimits, PromptTokens  # noqa: E402
from bayling_study.stages.generation.decoding import decode  # noqa: E402

LIMIT = 48
FP32 = GenerationSection(precision="fp32")
FOLLOW_UP = [
    {"role": "assistant", "content": "Das Wetter ist schön."},
    {"role": "user", "content": "Now in Chinese, please: 天气 2024!"},
]
TRIES = (
    ("llama_cpp", "fp32"),
    ("llama_cpp", "q8_0"),
    ("ctranslate2", "float32"),
    ("ctranslate2", "int8"),
    ("onnxruntime", "fp32"),
    ("openvino", "fp32"),
    ("openvino", "int8"),
)


def questions(folder: Path, count: int) -> list[list[dict[str, str]]]:
    """Returns the first turns of ``count`` prompts, evenly from all suites of the folder."""
    prompts = [p for path in sorted(folder.glob("*.jsonl")) for p in read_prompts(path)]
    picked = [prompts[number * len(prompts) // count] for number in range(count)]
    return [[{"role": "user", "content": prompt.turns[0]}] for prompt in picked]


def ours(checkpoint: Path, template: Any, prompts: list[list[int]]) -> Ours:
    """Answers with the generation stage's own loop, in fp32."""
    loaded = load(checkpoint, FP32)
    stops = templates.stop_ids(loaded.tokenizer, template)
    asked = [PromptTokens(f"{n:04d}", ids, LIMIT) for n, ids in enumerate(prompts)]
    found: dict[str, list[int]] = {}
    for some in decode(
        loaded.model, BatchLimits(4096, 16), {}, asked, Decoding(beams=1), stops, {}
    ):
        found |= {request.id: answer.ids for request, answer in some}
    with torch.inference_mode():
        rows = [loaded.model(torch.tensor([ids])).logits[0, -1].numpy() for ids in prompts]
    return Ours([found[request.id] for request in asked], np.stack(rows), stops)


def gguf_file(checkpoint: Path, out: Path, kind: str) -> Path:
    """Exports to GGUF; ``fp32`` is the same export with no tensor rounded."""
    opened = open_checkpoint(checkpoint)
    form = make_format(opened, "gguf", StudyConfig())
    with mock.patch.object(
        format_gguf,
        "_kind",
        format_gguf._kind if kind == "q8_0" else lambda _: format_gguf.Kind.F32,
    ):
        export(opened, form, out)
    return out / format_gguf.FILE


def main() -> None:
    """Compares the engines that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="in the hub's format")
    parser.add_argument("--template", default="bayling")
    parser.add_argument("--prompts", type=Path, required=True, help="folder of SUITE.jsonl")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    for name in dict.fromkeys(name for name, _ in TRIES):
        parser.add_argument(f"--{name.replace('_', '-')}", help="an interpreter with it")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        run(options, Path(scratch))


def run(options: argparse.Namespace, scratch: Path) -> None:
    """Answers with our own code, then with every engine, and prints a line for each."""
    talks = questions(options.prompts, options.count)
    tokenizer = load(options.checkpoint, FP32).tokenizer
    talks_ids = [templates.prompt_ids(tokenizer, options.template, talk) for talk in talks]
    longer = [[*talk, *FOLLOW_UP] for talk in talks]
    rendered = [templates.prompt_ids(tokenizer, options.template, talk) for talk in longer]
    mine: dict[str, Ours] = {}
    for engine, kind in TRIES:
        python = getattr(options, engine)
        if not python:
            print(f"{engine} {kind}: missing, not named", flush=True)
            continue
        model, source = options.checkpoint, options.checkpoint
        if engine == "llama_cpp":
            model = gguf_file(options.checkpoint, scratch / kind, kind)
            source = model.parent if kind == "q8_0" else source
            if kind == "q8_0":
                print(
                    f"{engine} {kind}: {equal_tensors(python, scratch, format_gguf.FILE)}",
                    flush=True,
                )
        key = str(source)
        mine[key] = mine.get(key) or ours(source, options.template, talks_ids)
        task = {
            "engine": engine, "type": kind, "model": str(model), "prompts": talks_ids,
            "limit": LIMIT, "talks": longer, "stops": mine[key].stops,
            "threads": options.threads, "scratch": str(scratch / "converted"),
            "out": str(scratch / f"{engine}-{kind}.json"),
        }  # fmt: skip
        theirs = ask(python, task, scratch)
        if isinstance(theirs, str):
            print(f"{engine} {kind}: missing, {theirs}", flush=True)
            continue
        print(
            f"{engine} {theirs['version']} {kind}: {compare(mine[key], theirs, rendered)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
