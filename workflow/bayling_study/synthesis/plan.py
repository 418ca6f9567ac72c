"""The plan of a mixture: which block makes how many conversations of what."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bayling_study.config.synthesis import Mixture
from bayling_study.errors import StudyError
from bayling_study.synthesis import aligned, upstream
from bayling_study.synthesis.block import Job, Portion, Result
from bayling_study.synthesis.counts import apportion, spread
from bayling_study.synthesis.registry import recipe_named

EXPLORED = 512
"""Segments of each direction in which demands look for material, at least."""
EXPLORED_EACH = 1.5
"""Segments explored for each conversation of a direction, beyond that number; what is
found in one serves several kinds of demand. A study of one block explores all of it."""


class Plan:
    """Blocks of work, in rounds: later ones make up for what was rejected in earlier ones.

    Args:
        mixture: its section of the config.
        rows: index of the aligned rows.
        conversations: ``conversations.parquet``.
        seed: the mixture's.
        scratch: folder for blocks.

    Attributes:
        wanted: conversations asked for, by ``RECIPE/DIRECTION``.

    Raises:
        StudyError: a recipe or direction gives nothing.
    """

    def __init__(
        self, mixture: Mixture, rows: aligned.Rows, conversations: Path, seed: int, scratch: Path
    ) -> None:
        self._mixture, self._rows, self._scratch = mixture, rows, scratch
        self._jobs = 0
        self.wanted: dict[str, int] = {}
        portions = self._portions()
        self._taught: list[Job] = []
        self._pending = self._aligned([p for p in portions if p.direction], seed)
        free = {p.recipe: p.count for p in portions if not p.direction and p.count}
        self._missing: Counter[tuple[str, str]] = Counter()
        self._upstream = (
            upstream.blocks(conversations, mixture.general_languages, seed) if free else []
        )
        for recipe, count in free.items():
            made = upstream.quotas(self._upstream, count, mixture.general_languages)
            self._pending += self._taking(recipe, made)

    def _portions(self) -> list[Portion]:
        """Returns what is wanted of each recipe and direction; the numbers add up exactly."""
        result = []
        counts = apportion(self._mixture.conversations, self._mixture.shares)
        directions = self._directions()
        for name, count in counts.items():
            recipe = recipe_named(name)
            if not recipe.directed:
                result.append(Portion(name, "", count))
                continue
            fitting = {d: share for d, share in directions.items() if recipe.fits(d)}
            if count and not fitting:
                raise StudyError(
                    f"the recipe {name!r} finds no fitting direction",
                    where="directions",
                    fix="directions: {zh-en: 1}, or one that the recipe can be made for",
                )
            result += [Portion(name, d, n) for d, n in apportion(count, fitting).items()]
        self.wanted = {"/".join(filter(None, (p.recipe, p.direction))): p.count for p in result}
        return result

    def _directions(self) -> dict[str, float]:
        mixture = self._mixture
        shares = spread(
            mixture.directions,
            self._rows.languages,
            mixture.exclude,
            self._rows.size,
            mixture.temperature,
        )
        for direction, share in shares.items():
            if share and not self._rows.size(direction):
                raise StudyError(
                    "the corpora have no training segment of this direction",
                    where=f"directions.{direction}",
                    fix="add a parallel corpus with these languages, or remove the direction",
                )
        return shares

    def _aligned(self, portions: list[Portion], seed: int) -> list[Job]:
        """Returns the jobs that make conversations from aligned rows."""
        wanted: Counter[str] = Counter()
        for portion in portions:
            wanted[portion.direction] += portion.count
        made = aligned.blocks(self._rows, wanted, seed)
        files = aligned.write_rows(self._rows, made, self._scratch)
        parts: dict[int, list[Portion]] = defaultdict(list)
        for portion in portions:
            sizes = {n: b.sizes.get(portion.direction, 0) for n, b in enumerate(made)}
            for number, count in apportion(portion.count, sizes).items():
                if count:
                    parts[number].append(replace(portion, count=count))
        jobs: list[Job] = []
        for number in range(len(made)):
            own = [p for p in parts[number] if not recipe_named(p.recipe).taught]
            taught = [p for p in parts[number] if recipe_named(p.recipe).taught]
            explored = self._explored(parts[number]) if len(made) > 1 else None
            for chosen, into in ((own, jobs), (taught, self._taught)):
                if chosen:
                    job = self._job(chosen)
                    into.append(replace(job, rows=files[number], explored=explored))
        return jobs

    def _explored(self, portions: list[Portion]) -> int:
        counts: Counter[str] = Counter()
        for portion in portions:
            if portion.recipe != "translation":
                counts[portion.direction] += portion.count
        return max(EXPLORED, round(EXPLORED_EACH * max(counts.values(), default=0)))

    def _taking(self, recipe: str, quotas: Mapping[int, int]) -> list[Job]:
        """Returns the jobs that take upstream conversations."""
        return [
            replace(self._job([Portion(recipe, "", count)]), upstream=self._upstream[number])
            for number, count in quotas.items()
            if count
        ]

    def _job(self, portions: list[Portion]) -> Job:
        job = Job(self._jobs, portions, self._scratch / f"made-{self._jobs:05d}.arrow")
        self._jobs += 1
        return job

    def round(self) -> list[Job]:
        """Returns the jobs that can be done now; none when nothing more can be made."""
        for (recipe, language), count in self._missing.items():
            quotas = upstream.divided(self._upstream, language, count)
            self._pending += self._taking(recipe, quotas)
        self._missing.clear()
        jobs, self._pending = self._pending, []
        return jobs

    def note(self, job: Job, result: Result) -> None:
        """Notes what a job made, so that the next round knows what is missing."""
        if job.upstream is None:
            return
        number = next(n for n, block in enumerate(self._upstream) if block is job.upstream)
        self._upstream[number] = replace(job.upstream, taken=result.taken)
        for portion in job.portions:
            short = portion.count - result.made[portion.recipe]
            if short:
                self._missing[portion.recipe, job.upstream.language] += short

    def taught(self) -> list[Job]:
        """Returns the jobs that a teacher answers; they are made one by one."""
        return self._taught
