"""Facts across languages, after MLKG and Prix-LM: what is asked in one language is answered in
another.

Those methods train on triples of a knowledge graph and on links between an entity's names. Here a
triple (country, capital, city) becomes a question with the country's name in the source language
and the city's in the target language; a link asks for a country's or a city's name. Countries that
the suite ``capitals`` holds out are never used, in any language.
"""

from random import Random

from bayling_study.core.tables import beside
from bayling_study.shared import capitals
from bayling_study.stages.synthesis.parts import written
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction

WORDINGS = beside(__file__)
SOURCE = "cldr"
COUNTRY, CITY = 0, 1
FACTS = {"capital": (COUNTRY, CITY), "country": (CITY, COUNTRY), "name": (COUNTRY, COUNTRY)}
"""Kind of fact to what is named in the question and what in the answer."""


@recipe("facts")
def facts(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """A question about a country or its capital, and the answer's name in the target language."""
    source, target = direction.split("-")
    asked, answered = capitals.names(source), capitals.names(target)
    countries = [c for c in asked if c in answered and not capitals.is_held_out(c)]
    if not countries:
        return None
    country, kind = rng.choice(countries), rng.choice(list(FACTS))
    subject, answer = FACTS[kind]
    language, user = written(WORDINGS[kind], workshop, rng, target, source=asked[country][subject])
    messages = [
        {"role": "user", "content": user},
        {"role": "assistant", "content": answered[country][answer]},
    ]
    found = sorted({source, target, language})
    return Instruction("facts", SOURCE, direction, found, messages, instruction=language)
