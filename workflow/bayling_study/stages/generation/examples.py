"""Translations that a system is shown before it is asked (``answering.examples``). They are of the
training side of the corpora. Which ones an item gets depends on the study's seed and the item
alone, so that systems with the same settings see the same; of ``synthetic`` ones only the other
language's text is the same."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bayling_study.config import StudyConfig
from bayling_study.config.answering import PIVOT, Examples, example_directions
from bayling_study.config.suites import Decoding, TranslationSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_json
from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.core.seeds import generator
from bayling_study.core.text.forms import normalise
from bayling_study.shared.aligned_rows import first_rows
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.types import DirectedPair
from bayling_study.shared.templates import Message
from bayling_study.shared.translation_prompts import translation_prompt

KEPT = 10_000  # segments of a direction, the first of the corpora, that examples are drawn from
OWN_POOL = 4  # texts that a system translates for itself, for each synthetic example of an item
OWN_NAME = ".examples"  # no suite can have it
GREEDY = Decoding(beams=1, max_new_tokens=128)
OWN = TranslationSuite(kind="translation", directions=["de-en"], decoding=GREEDY)
"""How a system is asked for them, in whatever direction."""


@dataclass(frozen=True)
class ExamplePools:
    """The segments that examples are drawn from, by direction, and the language in which each suite
    asks. ``left_out`` segments have a text that a prompt or its reference has."""

    settings: Examples
    seed: int
    pools: dict[str, list[DirectedPair]]
    spoken: dict[str, str]
    left_out: int
    turned: dict[str, str] = field(default_factory=dict)
    """Directions of synthetic examples, to those in which the system makes them."""

    @classmethod
    def load(
        cls, config: StudyConfig, settings: Examples, prompts: list[Prompt], table: Path
    ) -> "ExamplePools":
        """Reads from ``parallel.parquet`` what the prompts need (``StudyError`` if a direction has
        too few segments, or no language is left for one)."""
        seed, asked = config.study.seed, sorted({*map(direction_of, prompts)} - {""})
        out = [name for name in asked if settings.synthetic and name.startswith(f"{PIVOT}-")]
        turned = {name: f"{name.removeprefix(f'{PIVOT}-')}-{PIVOT}" for name in out}
        asked = sorted({*asked, *turned.values()} - turned.keys())
        wanted = {
            name: [*example_directions(settings.languages, name), *({name} & {*turned.values()})]
            for name in asked
        }
        directions = sorted({name for found in wanted.values() for name in found})
        library = Library(first_rows(table, "train", directions, KEPT), directions, seed)
        texts = ((p.meta.get("source_text", ""), *p.references) for p in prompts)
        tested = {normalise(text) for own in texts for text in own}
        pools = {
            name: [s for s in library.segments(name) if tested.isdisjoint(map(normalise, s[-2:]))]
            for name in directions
        }
        left_out = sum(len(library.segments(name)) - len(pools[name]) for name in directions)
        for name in asked:
            few = min((len(pools[one]) for one in wanted[name]), default=0)
            if few < settings.count:
                what = f"for {name} a language has {few} training segments that no test has"
                fix = f"other languages, or a smaller count than {settings.count}"
                raise StudyError(what, where="answering.examples", fix=fix)
        spoken = {n: getattr(suite, "prompt_language", "en") for n, suite in config.suites.items()}
        return cls(settings, seed, pools, spoken, left_out, turned)

    @property
    def details(self) -> dict[str, Any]:
        """What records and journals say of the pools; of synthetic examples their number."""
        told = {"left_out": self.left_out, "sha256": sha256_json(self.pools)}
        own = {name: len(self.pools[name]) for name in self.turned if name in self.pools}
        return told | {"synthetic": own} if own else told

    def to_translate(self) -> list[Prompt]:
        """Returns requests to translate training texts into English, for synthetic examples."""
        found = list[Prompt]()
        for name in self.turned.values():
            most = min(OWN_POOL * self.settings.count, len(self.pools[name]))
            drawn = generator(self.seed, "examples", name).sample(self.pools[name], most)
            for number, one in enumerate(drawn, start=1):
                asked = translation_prompt(one.source_text, PIVOT, PIVOT)
                place, sides = f"{name}/{number}", {"source": one.source, "target": PIVOT}
                meta = {"source_text": one.source_text}
                found.append(Prompt(place, OWN_NAME, name, sides, [asked], [], meta))
        return found

    def turned_round(self, prompts: list[Prompt], said: list[Hypothesis]) -> "ExamplePools":
        """Returns the pools with the synthetic examples: the system's English, and the text that it
        is a translation of. An answer that is empty, or was cut, gives none."""
        pools: dict[str, list[DirectedPair]] = {name: [] for name in self.turned}
        for prompt, answer in zip(prompts, said, strict=True):
            code, text = prompt.languages["source"], answer.turns[0]
            if text and answer.finish == ["stop"]:
                sides = PIVOT, code, text, prompt.meta["source_text"]
                pools[f"{PIVOT}-{code}"].append(DirectedPair(prompt.id, "", "", *sides))
        return replace(self, pools=self.pools | pools)

    def messages(self, prompt: Prompt) -> list[Message]:
        """Returns an item's examples, each a request and its translation; none for a prompt that
        does not state two languages."""
        item = direction_of(prompt)
        names = example_directions(self.settings.languages, item) if item else []
        if item in self.turned:
            names = [item]
        rng = generator(self.seed, "examples", prompt.suite, prompt.id)
        rng.shuffle(names)
        order = (names * self.settings.count)[: self.settings.count]
        most = {name: min(order.count(name), len(self.pools[name])) for name in names}
        drawn = {name: rng.sample(self.pools[name], most[name]) for name in names}
        found, spoken = list[Message](), self.spoken.get(prompt.suite, PIVOT)
        for one in (drawn[name].pop() for name in order if drawn[name]):
            asked = translation_prompt(one.source_text, one.target, spoken)
            found += exchange(asked, one.target_text)
        return found


def exchange(user: str, answer: str) -> list[Message]:
    """Returns a turn and its answer."""
    return [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]


def direction_of(prompt: Prompt) -> str:
    """Returns a prompt's direction; empty where it does not state two languages."""
    sides = prompt.languages.get("source", ""), prompt.languages.get("target", "")
    return "-".join(sides) if all(sides) else ""
