"""Hypotheses a second: this project, transformers in file order, and one prompt at a time.

    PYTHONPATH=workflow .venv/study/bin/python tests/bench/generation_speed.py \\
        --checkpoint DIR --prompts FILE.jsonl [--count 64] [--max-new 64] [--precision bf16] \\
        [--beams 5]

All three decode the same prompts, greedily or with beams, with the same model and stop at the
same tokens. ``one by one`` is the loop of the authors' script, ``file order``
is ``model.generate`` on consecutive batches padded to their longest. In fp32
the texts of all three must be equal, which is checked; in bf16 the number of
equal texts is shown. Times are of decoding, without loading and tokenising;
``slower by`` compares processor time, which other programs on the machine disturb
least. Measure a tuned model: an untuned one babbles to the limit, and where all
answers are as long as they may be, no order of them is better than another.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.suites import Decoding
from bayling_study.core.records import read_prompts
from bayling_study.shared import templates
from bayling_study.shared.models import Loaded, load
from bayling_study.shared.reading import PADDED
from bayling_study.stages.generation.batching import BatchLimits, PromptTokens, fit_context
from bayling_study.stages.generation.decoding import decode
from helpers.stopwatch import timed

Answers = dict[str, list[int]]


def requests(
    loaded: Loaded, path: Path, count: int, template: Any, max_new: int
) -> list[PromptTokens]:
    """Returns ``count`` first turns, spread evenly over the prompt file."""
    prompts = read_prompts(path)
    chosen = prompts[:: max(1, len(prompts) // count)][:count]
    return [
        fit_context(
            prompt.id,
            templates.prompt_ids(
                loaded.tokenizer, template, [{"role": "user", "content": prompt.turns[0]}]
            ),
            max_new,
            loaded.context,
        )
        for prompt in chosen
    ]


def ours(
    model: Any, asked: list[PromptTokens], stops: list[int], section: GenerationSection, beams: int
) -> Answers:
    """This project's batches and loop."""
    result: Answers = {}
    limits = BatchLimits(section.batch_tokens, section.max_batch)
    for some in decode(model, limits, {}, asked, Decoding(beams=beams), stops, {}):
        result.update((request.id, answer.ids) for request, answer in some)
    return result


def file_order(
    model: Any, asked: list[PromptTokens], stops: list[int], size: int, beams: int
) -> Answers:
    """Transformers' ``generate`` on consecutive prompts."""
    result: Answers = {}
    for start in range(0, len(asked), size):
        batch = asked[start : start + size]
        rows = [torch.tensor(request.ids, device=model.device) for request in batch]
        ids = PADDED(rows, padding_value=stops[0])
        mask = PADDED([torch.ones_like(row) for row in rows])
        config = GenerationConfig(
            do_sample=False,
            num_beams=beams,
            max_new_tokens=max(request.limit for request in batch),
            eos_token_id=stops,
            pad_token_id=stops[0],
        )
        output = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
        for request, row in zip(batch, output[:, ids.shape[1] :].tolist(), strict=True):
            ends = [place for place, token in enumerate(row) if token in stops]
            result[request.id] = row[: ends[0]] if ends else row
    return result


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--template", default="foundation")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--max-new", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16, help="rows of a batch in file order")
    parser.add_argument("--beams", type=int, default=1)
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    beams = options.beams
    section = GenerationSection(precision=options.precision)
    loaded = load(options.checkpoint, section)
    stops = templates.stop_ids(loaded.tokenizer, options.template)
    asked = requests(loaded, options.prompts, options.count, options.template, options.max_new)
    with torch.inference_mode():
        ours(loaded.model, asked[:2], stops, section, beams)  # warm up
        ways = {
            "this project": lambda: ours(loaded.model, asked, stops, section, beams),
            "file order": lambda: file_order(loaded.model, asked, stops, options.batch, beams),
            "one by one": lambda: file_order(loaded.model, asked, stops, 1, beams),
        }
        print(f"{'':14} {'hyp/s':>8} {'hyp/cpu-s':>10} {'slower by':>10} {'equal':>12}")
        base: Answers = {}
        for name, run in ways.items():
            answers, wall, processor = timed(run)
            if not base:
                base, own = answers, processor
            equal = sum(answers[key] == base[key] for key in base)
            print(
                f"{name:14} {len(asked) / wall:8.2f} {len(asked) / processor:10.2f} "
                f"{processor / own:9.2f}x {equal:5} of {len(asked)}",
                flush=True,
            )
            if options.precision == "fp32" and equal != len(asked):
                raise SystemExit(f"{name} gave other texts in fp32")
    tokens = sum(map(len, base.values()))
    print(f"{tokens / len(asked):.1f} tokens an answer, {options.threads} thread(s)")


if __name__ == "__main__":
    main()
