"""The plan of a mixture: which block makes how many conversations of what."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bayling_study.config.synthesis import Mixture
from bayling_study.core.errors import StudyError
from bayling_study.stages.synthesis import aligned, upstream
from bayling_study.stages.synthesis.block import BlockJob, Portion, Result
from bayling_study.stages.synthesis.counts import apportion, spread
from bayling_study.stages.synthesis.registry import recipe_named
from bayling_study.stages.synthesis.shortage import Shortage, Want

ENGLISH = "en"
EXPLORED = 512  # segments of each direction in which demands look for material, at least
EXPLORED_EACH = 1.5
"""Segments explored for each conversation of a direction, beyond that number; what is
found in one serves several kinds of demand. A study of one block explores all of it."""


class BlockPlan:
    """Blocks of work, in rounds: later ones make up for what was rejected in earlier ones
    (``StudyError`` if a recipe or direction gives nothing). The seed is the mixture's; blocks go to
    ``scratch``. ``wanted`` are the conversations asked for, by ``RECIPE/DIRECTION``."""

    def __init__(
        self, mixture: Mixture, rows: aligned.Rows, conversations: Path, seed: int, scratch: Path
    ) -> None:
        self._mixture, self._rows, self._scratch = mixture, rows, scratch
        self._jobs = 0
        self.wanted: dict[str, int] = {}
        self._shortage = Shortage()
        self._blocks: list[aligned.AlignedBlock] = []
        self._plain: list[BlockJob] = []
        self._block_of: dict[int, int] = {}
        portions = self._portions()
        self._taught: list[BlockJob] = []
        self._pending = self._aligned([p for p in portions if p.direction], seed)
        free = {p.recipe: p.count for p in portions if not p.direction and p.count}
        self._upstream = upstream.blocks(conversations, mixture, seed) if free else []
        if count := free.pop("general", 0):  # which takes conversations as they come
            made = upstream.quotas(self._upstream, count, mixture.general_languages)
            self._pending += self._taking("general", made)
        self._own = sorted(free.items(), key=lambda part: not recipe_named(part[0]).taught)

    def _portions(self) -> list[Portion]:
        """Returns what is wanted of each recipe and direction; the numbers add up exactly."""
        result = []
        directions = self._directions()
        for name, count in apportion(self._mixture.conversations, self._mixture.shares).items():
            recipe = recipe_named(name)
            if not recipe.directed:
                result.append(Portion(name, "", count))
                continue
            fitting = {d: share for d, share in directions.items() if recipe.fits(d)}
            if count and not fitting:
                what = f"the recipe {name!r} finds no fitting direction"
                fix = "directions: {zh-en: 1}, or one that the recipe can be made for"
                raise StudyError(what, where="directions", fix=fix)
            result += [Portion(name, d, n) for d, n in apportion(count, fitting).items()]
        self.wanted = {"/".join(filter(None, (p.recipe, p.direction))): p.count for p in result}
        return result

    def _directions(self) -> dict[str, float]:
        mixture, rows = self._mixture, self._rows
        found = rows.languages, mixture.exclude, rows.size
        shares = spread(mixture.directions, *found, mixture.temperature)
        for direction, share in shares.items():
            if share and not self._rows.size(direction):
                what = "the corpora have no training segment of this direction"
                fix = "add a parallel corpus with these languages, or remove the direction"
                raise StudyError(what, where=f"directions.{direction}", fix=fix)
        return shares

    def _aligned(self, portions: list[Portion], seed: int) -> list[BlockJob]:
        """Returns the jobs that make conversations from aligned rows."""
        wanted: Counter[str] = Counter()
        for portion in portions:
            wanted[portion.direction] += portion.count
        made = self._blocks = aligned.blocks(self._rows, wanted, seed)
        files = aligned.write_rows(self._rows, made, self._scratch)
        parts: dict[int, list[Portion]] = defaultdict(list)
        for portion in portions:
            sizes = {n: b.sizes.get(portion.direction, 0) for n, b in enumerate(made)}
            for number, count in apportion(portion.count, sizes).items():
                if count:
                    parts[number].append(replace(portion, count=count))
        jobs: list[BlockJob] = []
        for number in range(len(made)):
            own = [p for p in parts[number] if not recipe_named(p.recipe).taught]
            taught = [p for p in parts[number] if recipe_named(p.recipe).taught]
            self._plain.append(self._unasked(number, files[number], parts[number]))
            jobs += [self._making(number, own)] if own else []
            self._taught += [replace(self._making(number, taught), uses=None)] if taught else []
        return jobs

    def _unasked(self, number: int, rows: list[Path], portions: list[Portion]) -> BlockJob:
        """Returns a block's job without portions; the first ones decide what it explores."""
        job = BlockJob(-1, (), self._scratch, rows)
        if len(self._blocks) == 1:
            return job
        counts: Counter[str] = Counter()
        for portion in portions:
            if portion.recipe != "translation":
                counts[portion.direction] += portion.count
        explored = max(EXPLORED, round(EXPLORED_EACH * max(counts.values(), default=0)))
        return replace(job, explored=explored, uses=self._scratch / f"uses-{number:05d}.json")

    def _making(self, number: int, portions: list[Portion]) -> BlockJob:
        """Returns a job of a block of aligned rows."""
        job = self._job(portions)
        self._block_of[job.number] = number
        return replace(self._plain[number], number=job.number, portions=portions, out=job.out)

    def _taking(self, recipe: str, quotas: Mapping[int, int]) -> list[BlockJob]:
        """Returns the jobs that take upstream conversations."""
        wanted = ((number, Portion(recipe, "", count)) for number, count in quotas.items() if count)
        return [replace(self._job([one]), upstream=self._upstream[n]) for n, one in wanted]

    def taught(self) -> Iterator[BlockJob]:
        """Yields the jobs that a teacher answers, then those that choose among the upstream
        conversations that ``general`` has left, one after the other."""
        yield from self._taught
        for recipe, count in self._own:
            if recipe_named(recipe).batch and self._upstream:
                rooms = [(len(b.rows) - b.taken, -n) for n, b in enumerate(self._upstream)]
                yield from self._taking(recipe, {-max(rooms)[1]: count})
                continue
            for language in (upstream.ANY, ENGLISH):
                yield from self._taking(recipe, upstream.divided(self._upstream, language, count))

    def _job(self, portions: list[Portion]) -> BlockJob:
        job = BlockJob(self._jobs, portions, self._scratch / f"made-{self._jobs:05d}.arrow")
        self._jobs += 1
        return job

    def round(self) -> list[BlockJob]:
        """Returns the jobs that can be done now; none when nothing more can be made."""
        missing = self._shortage.take()
        parts = self._shortage.divided(missing, [block.sizes for block in self._blocks])
        self._pending += [
            self._making(number, [Portion(*place, count) for place, count in counts.items()])
            for number, counts in sorted(parts.items())
        ]
        for want, count in missing.items():
            if not want.direction:
                quotas = upstream.divided(self._upstream, want.language, count)
                self._pending += self._taking(want.recipe, quotas)
        jobs, self._pending = self._pending, []
        if missing and jobs:
            seen = self._shortage.save(self._scratch / f"seen-{jobs[0].number:05d}.npy")
            jobs = [replace(job, seen=seen) for job in jobs]
        return jobs

    def note(self, job: BlockJob, result: Result) -> None:
        """Notes what a job made, so that the next round knows what is missing."""
        language = ""
        if job.upstream is not None:
            number = next(n for n, block in enumerate(self._upstream) if block is job.upstream)
            self._upstream[number] = replace(job.upstream, taken=result.taken)
            language = job.upstream.language
        block = self._block_of.get(job.number)
        for portion in job.portions:
            if not recipe_named(portion.recipe).taught:
                want = Want(portion.recipe, portion.direction, language)
                keys = result.keys[portion.recipe, portion.direction]
                self._shortage.note(want, portion.count, keys, block)
