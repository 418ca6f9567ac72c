"""A translation, and then the same in another style or register, written by the teacher."""

from __future__ import annotations

from random import Random

from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.rewriting import rewritten
from bayling_study.stages.synthesis.teacher import TeacherQuestion

STYLES = {
    "formal": ("Make it formal and polite.", "Make it more formal.", "请更正式一些。"),
    "casual": ("Make it casual, as among friends.", "Make it more casual.", "请更口语一些。"),
    "simple": ("Use short, simple words.", "Use simpler words.", "请用更简单的词。"),
    "literary": ("Make it literary.", "Give it a literary style.", "请写得更有文采。"),
    "news": ("Write it as a newspaper would.", "Write it like a news report.", "请写成新闻体。"),
}
"""Style to what the teacher is told and what the user says in English and in Chinese."""


@recipe("style", taught=True)
def style(workshop: Workshop, direction: str, rng: Random) -> TeacherQuestion | None:
    """A request for a translation, then for another style."""
    task, english, chinese = STYLES[rng.choice(sorted(STYLES))]
    return rewritten(workshop, direction, rng, "style", task, {"en": [english], "zh": [chinese]})
