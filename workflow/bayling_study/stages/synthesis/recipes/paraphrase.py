"""A translation, and then the same said in other words, written by the teacher."""

from __future__ import annotations

from random import Random

from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.rewriting import rewritten
from bayling_study.stages.synthesis.teacher import TeacherQuestion

TASK = "Say the same in other words."
DEMANDS = {
    "en": ["Say it in other words.", "Could you paraphrase that?", "Give me another translation."],
    "zh": ["换一种说法。", "请改写一下译文。", "还可以怎么译？"],
}


@recipe("paraphrase", taught=True)
def paraphrase(workshop: Workshop, direction: str, rng: Random) -> TeacherQuestion | None:
    """A request for a translation, then for a paraphrase of it."""
    return rewritten(workshop, direction, rng, "paraphrase", TASK, DEMANDS)
