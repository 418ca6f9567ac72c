"""Which city is the capital: the same questions in every language that CLDR has names in. A test of
knowledge transfer: facts that a model knows in English, asked in another language. A question is a
cloze behind three solved lines, so it needs no translated wording. Wrong answers and examples
depend on the country alone: all languages ask the same."""

from difflib import SequenceMatcher

from bayling_study.core import languages
from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import generator
from bayling_study.shared.capitals import CAPITALS, is_held_out, names
from bayling_study.stages.prompts.multiple_choice import ExamQuestion

CHOICES = 4
EXAMPLES = 3
LEAKING_SHARE = 0.5
"""A city that shares so much of its name with its country is no question (Algier, Algerien)."""
FEWEST = 20  # a language with fewer questions than this is refused


def questions(language: str, seed: int, entities: str = "all") -> list[ExamQuestion]:
    """Returns a language's questions by country code (``StudyError`` if CLDR has too few names):
    of ``all`` countries, of those ``held-out`` of training, or of the ``trained``."""
    known = names(language)
    asked = [code for code in known if not _leaks(*known[code], languages.is_unspaced(language))]
    if entities != "all":
        asked = [code for code in asked if is_held_out(code) == (entities == "held-out")]
    if len(asked) < FEWEST:
        what = f"CLDR gives {len(asked)} questions about capitals in {language!r}, not {FEWEST}"
        raise StudyError(what, where="suites.SUITE.languages", fix="another language")
    return [_question(code, known, seed) for code in asked]


def _leaks(country: str, city: str, unspaced: bool) -> bool:
    """Tells whether the country's name gives the city away."""
    names = SequenceMatcher(None, country.casefold(), city.casefold(), autojunk=False)
    shared = names.find_longest_match().size
    return shared >= (2 if unspaced else 3) and shared >= LEAKING_SHARE * len(city)


def _question(code: str, known: dict[str, tuple[str, str]], seed: int) -> ExamQuestion:
    """Returns a country's question; choices that a language has no name for are replaced."""
    rng = generator(seed, "suites", "capitals", code)
    order = [other for other in rng.sample(sorted(CAPITALS), len(CAPITALS)) if other != code]
    others = [other for other in order if other in known]
    choices = [code, *others[: CHOICES - 1]]
    rng.shuffle(choices)
    examples = others[CHOICES - 1 : CHOICES - 1 + EXAMPLES]
    lines = [f"{known[other][0]}: {known[other][1]}" for other in examples]
    text = "\n".join([*lines, f"{known[code][0]}:"])
    return ExamQuestion(text, [known[choice][1] for choice in choices], choices.index(code))
