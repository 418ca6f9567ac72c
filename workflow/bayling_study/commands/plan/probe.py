"""How fast this machine's cores are: measured once in about two seconds, and kept. Seconds are
those that the process computed, so that other work on the machine changes little. Three rates stand
for three kinds of work: training and reading prompts (products of large matrices), writing answers
(each step reads all weights for few rows), and Python."""

import logging
import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.core.files import read_json, sha256_file, sha256_json, write_json
from bayling_study.shared.tracking.host import usable_cores

LOG = logging.getLogger(__name__)
WIDTHS = ((576, 576), (192, 576), (192, 576), (576, 576), (1536, 576), (1536, 576), (576, 1536))
"""``(out, in)`` of the matrices of a block of SmolLM2-135M; larger models are somewhat faster."""
BLOCKS = 30
ROWS, FEW_ROWS = 512, 32
SECONDS = 0.5  # of each measurement


class Speed(NamedTuple):
    """What one core does in a second, and how many this process may use. Operations of bf16 matrix
    ``products`` with 512 rows, of ``steps`` with 32 rows and more weights than the caches hold;
    ``python``: turns of a loop that makes, splits and counts short strings."""

    products: float
    steps: float
    python: float
    cores: int


def speed(cache: Path | None = None) -> Speed:
    """Returns this machine's speed, measured once: what the folder ``cache`` (by default the user's
    own) holds is of this processor, its cores, this torch and this code."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else [platform.processor()]
    model = next((line for line in lines if line.startswith("model name")), lines[0])
    identity = {"name": platform.node(), "processor": model, "cores": usable_cores()}
    identity |= {"torch": metadata.version("torch"), "code": sha256_file(Path(__file__))}
    kept = (cache or home / "bayling-study") / f"speed-{sha256_json(identity)[:12]}.json"
    if kept.is_file():
        return Speed(**read_json(kept)["speed"])
    found = measured(usable_cores())
    try:
        write_json(kept, {"identity": identity, "speed": found._asdict()})
    except OSError as error:
        LOG.warning("the measured speed is not kept: %s: %s", kept, error.strerror)
    return found


def measured(cores: int) -> Speed:
    """Measures; torch is imported here, for nothing else of the plan needs it."""
    import torch

    block = [torch.randn(size).bfloat16() for size in WIDTHS]

    def products(rows: int, matrices: list[Any]) -> float:
        pairs = [(torch.randn(rows, matrix.shape[1]).bfloat16(), matrix) for matrix in matrices]

        def run() -> float:
            for values, matrix in pairs:
                torch.nn.functional.linear(values, matrix)
            return 2.0 * rows * sum(int(matrix.numel()) for matrix in matrices)

        return _rate(run)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        many = [matrix.clone() for _ in range(BLOCKS) for matrix in block]
        return Speed(products(ROWS, block), products(FEW_ROWS, many), _rate(_strings), cores)
    finally:
        torch.set_num_threads(threads)


def _strings() -> float:
    counts: dict[str, int] = {}
    for number in range(2000):
        word = f"{number} word"
        counts[word] = counts.get(word, 0) + len(word.split())
    return 2000.0


def _rate(work: Callable[[], float]) -> float:
    """Returns the work of a second of computing; the first turn only warms up."""
    work()
    done, begin = 0.0, time.process_time()
    while (spent := time.process_time() - begin) < SECONDS:
        done += work()
    return done / spent
