"""Times the scoring of a release-sized set: first run and a run that reads the cache.

    python tests/bench/scoring_speed.py [--jobs 2] [--systems 11] [--directions 14] [--samples 1000]

11 systems on 14 directions of about 2,000 segments, scored one program a system as the
workflow does (``--jobs`` of them at a time), then all systems with the first one by 1,000 resamples
and as many exchanges each. Hypotheses are references with random words dropped and swapped,
so the text is real where ``BAYLING_ORACLE`` names released files, and made up elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bayling_study.core.records import Hypothesis, Prompt, write_hypotheses, write_prompts

ROOT = Path(__file__).parents[2]
ENGLISH_PAIRS = ["zh", "de", "cs", "ja", "ru", "uk"]
DIRECTIONS = [f"{code}-en" for code in ENGLISH_PAIRS] + [f"en-{code}" for code in ENGLISH_PAIRS]
DIRECTIONS += ["de-fr", "fr-de"]
SEGMENTS = 2000


def references(
    direction: str, folder: Path | None, draw: random.Random, segments: int = SEGMENTS
) -> list[str]:
    """Returns a direction's references: released ones of its target language, or made up."""
    if folder is not None:
        target = direction.split("-")[1]
        paths = sorted(folder.glob(f"bayling-release/**/??{target}.ref"))
        paths = paths or sorted(folder.glob("bayling-release/**/??en.ref"))
        return paths[0].read_text(encoding="utf-8").removesuffix("\n").split("\n")
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(5000)]
    return [" ".join(draw.choices(words, k=draw.randint(5, 45))) for _ in range(segments)]


def damaged(text: str, share: float, draw: random.Random) -> str:
    """Returns text with a share of its tokens lost and some exchanged with a neighbour."""
    parts = text.split(" ") if " " in text else list(text)
    kept = [part for part in parts if draw.random() > share]
    for place in range(len(kept) - 1):
        if draw.random() < share / 2:
            kept[place], kept[place + 1] = kept[place + 1], kept[place]
    return (" " if " " in text else "").join(kept)


def write_study(
    folder: Path, systems: list[str], directions: list[str], samples: int, segments: int = SEGMENTS
) -> None:
    """Writes settings, prompts and every system's hypotheses; ``segments`` of made-up text."""
    oracle = os.environ.get("BAYLING_ORACLE")
    released = Path(oracle) if oracle and Path(oracle).is_dir() else None
    draw = random.Random(1)
    prompts = []
    for direction in directions:
        source, target = direction.split("-")
        for number, text in enumerate(references(direction, released, draw, segments), start=1):
            languages = {"source": source, "target": target}
            name = f"{direction}/{number}"
            prompts.append(Prompt(name, "wmt22", direction, languages, ["…"], [text]))
    write_prompts(folder / "prompts" / "wmt22.jsonl", prompts)
    for position, system in enumerate(systems):
        share = 0.1 + 0.5 * position / max(1, len(systems) - 1)
        write_hypotheses(
            folder / "generation" / system / "wmt22.jsonl",
            (
                Hypothesis(p.id, [damaged(p.references[0], share, draw)], [0], ["stop"])
                for p in prompts
            ),
        )
    settings = {
        "study": {"name": "speed"},
        "suites": {"wmt22": {"kind": "wmt22", "directions": directions}},
        "scoring": {"bootstrap": {"samples": samples}},
        "report": {},
    }
    (folder / "settings.json").write_text(json.dumps(settings))


def command(folder: Path, program: str, name: str, *options: str) -> list[str]:
    """Returns the command line of one stage program, as the workflow has it."""
    result = [sys.executable, "-m", f"bayling_study.stages.{program}", "--suites", "wmt22"]
    result += ["--settings", str(folder / "settings.json"), "--prompts", str(folder / "prompts")]
    return [*result, "--record", str(folder / "runs" / program / f"{name}.json"), *options]


def scoring(folder: Path, system: str) -> list[str]:
    """Returns the command line that scores a system."""
    outputs, out = f"{folder}/generation/{system}", f"{folder}/scoring/{system}"
    named = ("--system", system, "--generation", outputs, "--out", out)
    return command(folder, "scoring", system, *named)


def significance(folder: Path, systems: list[str]) -> list[str]:
    """Returns the command line that compares systems."""
    outputs, out = f"{folder}/generation", f"{folder}/significance/comparisons.json"
    named = ("--systems", *systems, "--generation", outputs, "--out", out)
    return command(folder, "significance", "significance", *named)


def run(program: list[str]) -> None:
    """Runs one stage program as the workflow would."""
    subprocess.run(
        program,
        check=True,
        env={"PYTHONPATH": str(ROOT / "workflow")} | os.environ | {"OMP_NUM_THREADS": "1"},
    )


def score_all(folder: Path, systems: list[str], jobs: int) -> tuple[float, float]:
    """Returns the seconds of scoring all systems, and of comparing them."""
    start = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        for result in [pool.submit(run, scoring(folder, system)) for system in systems]:
            result.result()
    scored = time.perf_counter()
    run(significance(folder, systems))
    return scored - start, time.perf_counter() - scored


def main() -> None:
    """Prints a line for the first and for the second run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="scoring programs at a time")
    parser.add_argument("--systems", type=int, default=11)
    parser.add_argument("--directions", type=int, default=len(DIRECTIONS))
    parser.add_argument(
        "--samples", type=int, default=1000, help="resamples of intervals and tests"
    )
    options = parser.parse_args()
    systems = [f"system-{number}" for number in range(1, options.systems + 1)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder, systems, DIRECTIONS[: options.directions], options.samples)
        for label in ("first run", "second run, from the cache"):
            scored, compared = score_all(folder, systems, options.jobs)
            rows = json.loads((folder / "significance" / "comparisons.json").read_text())[
                "comparisons"
            ]
            print(
                f"{label}: {scored + compared:.1f} s ({scored:.1f} s for "
                f"{len(systems) * options.directions} hypothesis files, {compared:.1f} s for "
                f"{len(rows)} comparisons)",
                flush=True,
            )


if __name__ == "__main__":
    main()
