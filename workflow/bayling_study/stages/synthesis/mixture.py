"""Making a mixture: planned as blocks, made by any number of workers, put in one order. Memory
hardly grows with the number of conversations: the plan holds a few numbers a row of the corpora and
one a conversation, a worker one block, the last pass one bucket."""

import gc
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.config.synthesis import Mixture
from bayling_study.core import seeds
from bayling_study.core.errors import StudyError
from bayling_study.core.progress import Progress
from bayling_study.shared.corpus_tables import CONVERSATIONS_FILE, PARALLEL_FILE, TERMS_FILE
from bayling_study.stages.synthesis import block, gate
from bayling_study.stages.synthesis.aligned import Rows
from bayling_study.stages.synthesis.decontamination import Contamination
from bayling_study.stages.synthesis.order import BUCKET_ROWS, merge
from bayling_study.stages.synthesis.plan import BlockPlan
from bayling_study.stages.synthesis.tally import MixtureTally
from bayling_study.stages.synthesis.teacher import EndpointTeacher

SMALL = 20_000  # conversations up to which starting workers takes longer than it saves
OWN_TESTS = "corpora (test side)"
"""Name under which the test side of the corpora counts among the suites."""


@dataclass(kw_only=True)
class FinishedMixture(block.BlockCounts):
    """A finished mixture, with the counts of all its blocks. ``wanted`` are the conversations asked
    for, by ``RECIPE/DIRECTION``; ``suites`` were kept out."""

    tally: MixtureTally
    wanted: dict[str, int]
    suites: list[str]


@dataclass(frozen=True)
class MixtureTask:
    """What is to be made, and from what: the output folder of the corpora stage. The mixture's name
    is part of every seed, ``seed`` is the study's. ``tests`` has the texts of each suite, taken
    once; ``load_tokenizer`` makes the foundation's tokenizer in each worker."""

    name: str
    mixture: Mixture
    seed: int
    corpora: Path
    tests: Mapping[str, Iterable[str]]
    load_tokenizer: Callable[[], Any]
    teachers: Mapping[str, EndpointTeacher] = field(default_factory=dict)
    workers: int = 1


def load_tokenizer(checkpoint: Path) -> Any:
    """Returns the tokenizer of a checkpoint on disk. Workers would not find it in ``__main__``."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(checkpoint), local_files_only=True)


def make(task: MixtureTask, out: Path, scratch: Path) -> FinishedMixture:
    """Makes a mixture in the Parquet file ``out``; its bytes do not depend on ``workers``
    (``StudyError`` if a recipe, demand or direction gives nothing, or a table of the corpora is
    absent). ``scratch`` is an empty folder for the work in between; about 1.5 kB a conversation."""
    names = PARALLEL_FILE, CONVERSATIONS_FILE, TERMS_FILE
    parallel, conversations, terms = tables = [task.corpora / name for name in names]
    for path in tables:
        if not path.exists():
            raise StudyError("the corpora stage has not written this file", where=path)
    seed = seeds.derive_seed(task.seed, "synthesis", task.name)
    plan = BlockPlan(task.mixture, Rows(parallel), conversations, seed, scratch)
    tests = Contamination({**task.tests, OWN_TESTS: _own_tests(parallel)})
    buckets = max(1, -(-task.mixture.conversations // BUCKET_ROWS))
    what = task.name, task.mixture, task.seed, buckets
    context = block.BlockContext(*what, conversations, terms, tests, task.load_tokenizer)
    sample = 1 if task.mixture.conversations <= gate.MEASURED_ALL else gate.SAMPLE
    made = FinishedMixture(tally=MixtureTally(sample), wanted=plan.wanted, suites=tests.suites)
    paths = []
    with Progress(task.name, task.mixture.conversations, "conversations") as progress:
        for job, result in _results(plan, context, task):
            made.add(result)
            paths.append(result.path)
            plan.note(job, result)
            progress.update(sum(result.made.values()))
    merge(paths, out, context.buckets, made.tally.add)
    return made


def _results(
    plan: BlockPlan, context: block.BlockContext, task: MixtureTask
) -> Iterator[tuple[block.BlockJob, block.Result]]:
    """Yields the blocks' results in their order, round by round until nothing is missing."""
    with _workers(context, task) as run:
        while jobs := plan.round():
            yield from zip(jobs, run(jobs), strict=True)
    for job in plan.taught():
        yield job, block.make_block(job, context, task.teachers)


@contextmanager
def _workers(
    context: block.BlockContext, task: MixtureTask
) -> Iterator[Callable[[Sequence[block.BlockJob]], Iterator[block.Result]]]:
    """Runs jobs here, or in a pool of processes where that pays; results keep the jobs' order."""
    if task.workers < 2 or task.mixture.conversations <= SMALL:
        yield lambda jobs: (block.make_block(job, context) for job in jobs)
        return
    spawning = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(task.workers, spawning, _begin, (context,))
    try:
        yield partial(pool.map, _work)
    finally:
        pool.shutdown(cancel_futures=True)


_context: list[block.BlockContext] = []
"""The context of a worker process."""


def _begin(context: block.BlockContext) -> None:
    gc.disable()  # looking for cycles in what a block holds would take a tenth of the time
    pa.set_cpu_count(1)
    # The tokenizer's library would load torch, which counting tokens does not need: 260 MiB.
    sys.modules["torch"] = None  # type: ignore[assignment]
    _context.append(context)


def _work(job: block.BlockJob) -> block.Result:
    gc.collect(0)
    return block.make_block(job, _context[-1])


def _own_tests(path: Path) -> Iterator[str]:
    """Yields both sides of every test row of the corpora."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["text_a", "text_b", "split"]):
            for row in batch.filter(pa.compute.equal(batch["split"], "test")).to_pylist():
                yield row["text_a"]
                yield row["text_b"]
