"""Makes one block of work: the conversations of its portions, gated, in a file of their own. Job
and context decide a block's content: any number of workers gives the same."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from bayling_study.config.synthesis import Mixture
from bayling_study.core import seeds
from bayling_study.core.files import read_json, write_json
from bayling_study.core.progress import Progress
from bayling_study.shared.interactive.dialogue import Director, Rejections
from bayling_study.shared.interactive.library import Library
from bayling_study.stages.synthesis.decontamination import Contamination
from bayling_study.stages.synthesis.gate import Gate
from bayling_study.stages.synthesis.hashing import Hashes
from bayling_study.stages.synthesis.order import write_block
from bayling_study.stages.synthesis.registry import Recipe, Workshop, recipe_named
from bayling_study.stages.synthesis.teacher import EndpointTeacher, TeacherQuestion
from bayling_study.stages.synthesis.types import Instruction
from bayling_study.stages.synthesis.upstream import Conversations, UpstreamBlock

BATCH = 256  # conversations that pass the gate together, or aligned rows
TRIES = 25
"""Draws in a row without a conversation before a direction's material counts as exhausted."""


@dataclass(frozen=True)
class Portion:
    """So many conversations of a recipe; ``direction`` is empty for undirected recipes."""

    recipe: str
    direction: str
    count: int


@dataclass(frozen=True)
class BlockJob:
    """One block, whose ``number`` is part of every seed and id, written to the file ``out``.
    ``rows`` are files of aligned rows (``aligned.write_rows``), ``explored`` is as in ``Library``,
    ``upstream`` are conversations to take. A job that makes up for others has in ``seen`` the file
    of the keys of all that was made before; ``uses`` is the file of the draws of its rows, where
    other jobs may have the same rows."""

    number: int
    portions: Sequence[Portion]
    out: Path
    rows: Sequence[Path] = ()
    explored: int | None = None
    upstream: UpstreamBlock | None = None
    seen: Path | None = None
    uses: Path | None = None


@dataclass
class BlockContext:
    """What all blocks of a mixture share: its name, section and tables, the study's seed.
    ``buckets`` is their number in the final order; ``load_tokenizer`` is called in each process."""

    name: str
    mixture: Mixture
    seed: int
    buckets: int
    conversations: Path
    terms: Path
    tests: Contamination
    load_tokenizer: Callable[[], Any]

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, loaded once a process."""
        return self.load_tokenizer()


@dataclass(kw_only=True)
class BlockCounts:
    """What one block, or several, report of their material.

    ``rejections`` are reasons by stage (``corpora``, ``demands``, ``mixture``), ``removed`` what
    decontamination took out, by suite, ``rows`` the clean aligned rows that no other job had.
    ``uses`` tells how often each number of draws of one row occurred; of rows that another job had
    before, what changed. ``listed`` are entries of term lists of which a block had both sides, by
    upstream source; ``switched`` what code-switching did.
    """

    rejections: dict[str, Rejections] = field(default_factory=dict)
    removed: dict[str, Counter[str]] = field(
        default_factory=lambda: {"rows": Counter(), "conversations": Counter()}
    )
    uses: Counter[int] = field(default_factory=Counter)
    rows: int = 0
    listed: Counter[str] = field(default_factory=Counter)
    switched: Counter[str] = field(default_factory=Counter)

    def add(self, other: "BlockCounts") -> None:
        """Adds what another block reports; blocks come in their order."""
        for stage, found in other.rejections.items():
            self.rejections.setdefault(stage, Rejections()).merge(found)
        for kind, counts in other.removed.items():
            self.removed[kind].update(counts)
        self.uses.update(other.uses)
        self.rows += other.rows
        self.listed.update(other.listed)
        self.switched.update(other.switched)


@dataclass(kw_only=True)
class Result(BlockCounts):
    """What a block made, in the file ``path``: how many conversations of each recipe. ``keys`` are
    theirs (``Instruction.key``) by recipe and direction; ``taken`` upstream conversations are used
    up."""

    path: Path
    made: Counter[str] = field(default_factory=Counter)
    keys: dict[tuple[str, str], Hashes] = field(default_factory=dict)
    taken: int = 0


def make_block(
    job: BlockJob, context: BlockContext, teachers: Mapping[str, EndpointTeacher] | None = None
) -> Result:
    """Makes a block's conversations and writes them; earlier jobs may have had the same rows."""
    result = Result(path=job.out)
    seed = seeds.derive_seed(context.seed, context.name)
    earlier = read_json(job.uses) if job.uses and job.uses.exists() else None
    library = _library(job, context, result, counted=earlier is None)
    library.uses.update(earlier or {})
    mixture = context.mixture
    turns = limited_turns(mixture)
    director = Director(library, mixture.demands, turns, mixture.instruction_languages)
    upstream = Conversations(context.conversations, job.upstream) if job.upstream else None
    general: Iterator[Mapping[str, Any]] = iter(upstream or ())
    workshop = Workshop(mixture, library, director, general, teachers or {})
    known = np.load(job.seen, mmap_mode="r") if job.seen else None
    gate = Gate(mixture, context.tokenizer, context.tests, seed, known)
    rows: list[Instruction] = []
    for portion in job.portions:
        made = list(_portion(portion, job.number, workshop, gate, seed))
        result.made[portion.recipe] += len(made)
        place = portion.recipe, portion.direction
        result.keys[place] = np.array([row.key for row in made], np.uint64)
        rows += made
    write_block(job.out, rows, context.buckets)
    result.rejections |= {"demands": director.rejections, "mixture": gate.rejections}
    gate.rejections.merge(workshop.rejections)
    result.switched = workshop.counted
    result.removed["conversations"].update(gate.removed)
    result.uses = Counter(library.uses.values())
    result.uses.subtract(Counter((earlier or {}).values()))
    if job.uses:
        write_json(job.uses, library.uses)
    result.taken = upstream.taken if upstream is not None else 0
    result.listed = library.listed if earlier is None else Counter()
    return result


def limited_turns(mixture: Mixture) -> dict[int, float]:
    """Returns the weights of numbers of turns, none above the mixture's ``max_turns``."""
    if (limit := mixture.max_turns) is None:
        return mixture.turns
    kept = {turns: weight for turns, weight in mixture.turns.items() if turns <= limit}
    return kept if any(kept.values()) else {limit: 1.0}


def _library(job: BlockJob, context: BlockContext, result: Result, counted: bool) -> Library:
    """Reads the block's rows, takes out what is in a test, and indexes the rest. ``counted`` tells
    whether to count the rows: no earlier job did."""
    cleaning = result.rejections.setdefault("corpora", Rejections())
    tables = [pa.ipc.open_file(pa.OSFile(str(path))).read_all() for path in job.rows]
    kept = []
    for batch in (batch for table in tables for batch in table.to_batches(max_chunksize=BATCH)):
        rows = batch.to_pylist()
        found = context.tests.find([text for r in rows for text in (r["text_a"], r["text_b"])])
        for row, one, other in zip(rows, found[::2], found[1::2], strict=True):
            hit = one or other
            if hit is None:
                kept.append(row)
                result.rows += counted and row["own"]
            elif counted and row["own"]:
                result.removed["rows"][hit.suite] += 1
                cleaning.add(hit.reason, f"{row['text_a']} | {row['text_b']}")
    directions = list(dict.fromkeys(p.direction for p in job.portions if p.direction))
    seed = seeds.derive_seed(context.seed, "block", str(job.number))
    return Library(kept, directions, seed, explored=job.explored, term_lists=context.terms)


def _portion(
    portion: Portion, block: int, workshop: Workshop, gate: Gate, seed: int
) -> Iterator[Instruction]:
    """Yields the conversations of one recipe and direction, fewer when material runs out."""
    recipe = recipe_named(portion.recipe)
    if recipe.taught and "teacher" not in workshop.teachers:
        gate.rejections.add(f"{recipe.name}: no teacher is configured", count=portion.count)
        return
    place = portion.direction or "all"
    drafts = _drafts(recipe, portion.direction, workshop, block, seed)
    done = misses = 0
    while done < portion.count and misses < TRIES:
        drawn = list(islice(drafts, min(portion.count - done, recipe.batch or BATCH)))
        if not drawn:
            break
        passed = gate.admit(_answered(drawn, recipe, workshop))
        for row in passed:
            row.id = f"{recipe.name}/{place}/{block:04d}-{done:06d}"
            yield row
            done += 1
        misses = 0 if passed or not (recipe.directed or recipe.batch) else misses + len(drawn)
    if done < portion.count:
        gate.rejections.add(f"{recipe.name}: no material left")


def _answered(
    drawn: Sequence[Instruction | TeacherQuestion | None], recipe: Recipe, workshop: Workshop
) -> list[Instruction]:
    """Returns the drafts that are whole, those that teachers had to answer included."""
    made = [draft for draft in drawn if isinstance(draft, Instruction)]
    asked = [draft for draft in drawn if isinstance(draft, TeacherQuestion)]
    while asked:
        following: list[TeacherQuestion] = []
        for role in dict.fromkeys(question.of for question in asked):
            own = [question for question in asked if question.of == role]
            said = workshop.teachers[role].complete(question.messages for question in own)
            answers = Progress(f"{recipe.name}, {role}", len(own), "answers", over=said)
            for question, answer in zip(own, answers, strict=True):
                finished = "no answer" if answer is None else question.finish(answer)
                match finished:
                    case Instruction():
                        made.append(finished)
                    case TeacherQuestion():
                        following.append(finished)
                    case reason:
                        workshop.rejections.add(f"{recipe.name}: {reason}", answer or "")
        asked = following
    return made


def _drafts(
    recipe: Recipe, direction: str, workshop: Workshop, block: int, seed: int
) -> Iterator[Instruction | TeacherQuestion | None]:
    """Yields one draft after the other, nothing for a draw that led nowhere. An undirected recipe
    that has nothing more ends it."""
    rng = Random()  # seeded anew for each draft, which takes half the time of a new one
    for number in count():
        rng.seed(seeds.derive_seed(seed, recipe.name, direction or "all", str(block), str(number)))
        made = recipe.make(workshop, direction, rng)
        if made is None and not recipe.directed:
            return
        yield made
