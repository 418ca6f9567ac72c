"""Self-distillation from the language that a model knows best, after SDRRL (arXiv 2402.12204).

The untuned model answers an English question itself; its own answer, not the data's, is taught,
in each of the four combinations of an English or translated question with an English or translated
answer. A translator carries over what is needed. The combinations alternate as questions are drawn;
an answer that ran into the limit, code and text in another script are rejected and counted.
"""

from functools import partial
from random import Random

from bayling_study.core import languages
from bayling_study.shared.interactive.checks import satisfied
from bayling_study.shared.interactive.dialogue import choose
from bayling_study.shared.interactive.openings import in_script
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.teacher import TeacherQuestion
from bayling_study.stages.synthesis.types import Instruction

ENGLISH = "en"
COMBINATIONS = ((False, False), (False, True), (True, False), (True, True))
"""Whether the question and whether the answer is translated."""
CODE = "```"
REQUEST = "Translate the following text from English to {language}.\n\n{text}"


@recipe("self-distillation", directed=False, taught=True)
def self_distillation(workshop: Workshop, direction: str, rng: Random) -> TeacherQuestion | None:
    """An English question of the upstream conversations, put to the teacher; nothing when all are
    taken."""
    for row in workshop.general:
        user = next((m["content"] for m in row["messages"] if m["role"] == "user"), "")
        if row["languages"][:1] == [ENGLISH] and user and CODE not in user:
            break
    else:
        return None
    carried = Carried(row["source"], choose(workshop.mixture.from_english, rng))
    asked, answered = COMBINATIONS[workshop.drawn % len(COMBINATIONS)]
    workshop.drawn += 1
    finish = partial(carried.after, [(user, asked)], answered)
    return TeacherQuestion([{"role": "user", "content": user}], finish)


class Carried:
    """A question and its answer on their way into a target language."""

    def __init__(self, source: str, target: str) -> None:
        self.source, self.target = source, target
        self.done: list[str] = []

    def after(
        self, question: list[tuple[str, bool]], answered: bool, answer: str
    ) -> TeacherQuestion | Instruction | str:
        """Takes the model's own answer; each text comes with whether it is translated."""
        if not answer:
            return "an empty answer"
        if CODE in answer and (answered or question[0][1]):
            return "code is not translated"
        return self.next([*question, (answer, answered)])

    def next(self, left: list[tuple[str, bool]]) -> TeacherQuestion | Instruction:
        """Returns the question for the next text to translate, or the whole conversation."""
        while left:
            (text, translate), *left = left
            if translate:
                content = REQUEST.format(language=languages.name(self.target), text=text)
                finish = partial(self.checked, text, left)
                return TeacherQuestion([{"role": "user", "content": content}], finish, "translator")
            self.done.append(text)
        turns = zip(("user", "assistant"), self.done, strict=True)
        messages = [{"role": role, "content": text} for role, text in turns]
        found = sorted({ENGLISH, self.target})
        return Instruction("self-distillation", self.source, "", found, messages)

    def checked(
        self, text: str, left: list[tuple[str, bool]], translation: str
    ) -> TeacherQuestion | Instruction | str:
        """Refuses a translation that is empty, the text itself, or in another script."""
        if translation == text or not satisfied(in_script(self.target), translation, []):
            return "a translation in another language"
        self.done.append(translation)
        return self.next(left)
