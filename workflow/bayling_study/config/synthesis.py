"""Section ``synthesis``: mixtures of instruction recipes."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from bayling_study.config.base import DirectionPattern, Name, Section, Share
from bayling_study.config.systems import TemplateName


def matching(pattern: str, languages: Collection[str]) -> list[str]:
    """Returns the directions that a ``DirectionPattern`` stands for, ``*`` being each language."""
    sources, targets = (languages if side == "*" else [side] for side in pattern.split("-"))
    return [f"{one}-{other}" for one in sources for other in targets if one != other]


class CodeSwitch(Section):
    """What the recipe ``code-switch`` exchanges for the words of a sentence's own translation."""

    rate: Share = 1.0
    """Share of the words to exchange, at most (CSR4mBART: about a third). Terms that the aligned
    text teaches are seldom more than 15 % of them; the audit says what was reached
    (``switched``). 0 leaves every sentence as it is."""
    side: Literal["source", "target", "both"] = "source"
    """Whose sentence is mixed and restored; of ``both``, one is drawn."""
    unit: Literal["word", "sentence"] = "word"
    """``sentence`` exchanges whole sentences of texts that have several, never all (CSCL's second
    stage)."""


class SelfInstruct(Section):
    """Which instructions the teacher writes for the recipe ``self-instruct``."""

    languages: dict[str, float] = {}
    """Language in which the teacher writes an instruction and its answer, to its weight."""
    most_alike: float = Field(default=0.7, gt=0, le=1)
    """ROUGE-L with an example or an instruction kept before from which a new one is rejected
    (Wang et al. 2023: 0.7)."""


class Mixture(Section):
    """One training set: how many conversations of which recipe and direction. A mixture may derive
    from another one: ``without-interactive: {base: default, drop: [interactive]}`` has all keys of
    ``default`` except those that it gives itself."""

    base: Name | None = None
    """Mixture to derive from; its keys are taken over, lists and mappings as a whole."""
    drop: list[str] = []
    """Recipes and directions of the base to leave out; the shares that are left are scaled up
    to 1, so the number of conversations stays. With ``base`` only."""
    fraction: float = Field(default=1.0, gt=0, le=1)
    """Share of the base's conversations to make. With ``base`` only."""
    conversations: int = Field(gt=0)
    """Conversations to make; fewer when the corpora run out, which the audit reports. Taken from
    the base where there is one."""
    shares: dict[Name, Share]
    """Recipe to its share of the conversations; shares add up to 1. Taken from the base where
    there is one. Recipes: ``translation``, ``constrained`` (with words to include),
    ``interactive`` (several turns), ``general`` (upstream conversations as they are),
    ``pivot-draft`` (a translation after its draft in English; for directions without it), ``plug``
    (a task is interpreted in English, answered there, then in the target language),
    ``code-switch`` (a sentence with words in another language is restored), ``entity-restore``
    (with names of places in another language), ``entity-switch`` (upstream conversations whose
    user names places in a language that ``directions`` leads to from English), ``cross-lingual`` (a
    task on a text, answered in another language), ``facts`` (a country's capital, asked in one
    language and answered in another), ``paraphrase`` and ``style`` (written by the ``teacher``),
    ``self-distillation`` (SDRRL: its own answers), ``self-instruct`` (the ``teacher`` writes new
    instructions and answers them), ``transliteration`` (a sentence in another script is written in
    Latin letters, or back). Each module of ``synthesis/recipes`` is one."""
    directions: dict[DirectionPattern, Share] = {}
    """Direction to its share of each recipe except ``general``; shares add up to 1. Both
    languages must be in ``corpora.parallel``. A pattern (``en-*``, ``*-zh``) stands for all
    directions that it matches, over which its share is divided by ``temperature``."""
    exclude: list[DirectionPattern] = []
    """Directions that no pattern of ``directions`` stands for, such as a zero-shot test's."""
    temperature: float = Field(default=5.0, ge=1)
    """Divides a pattern's share over its directions: in proportion to their aligned segments to
    the power of 1 / temperature. 1 keeps the proportions of the corpora, larger values give
    small languages more (5: Arivazhagan et al. 2019; BayLing 2 states none)."""
    general_languages: dict[str, float] = {}
    """Language to its weight among upstream conversations (of recipes without directions);
    empty takes them in the corpora's own proportions."""
    general_sources: list[Name] = []
    """Sources of ``corpora.conversations`` whose conversations are used, to compare data of one
    kind and another (``[coig-cqia]``); empty means all."""
    demands: dict[Name, float] = {}
    """Weight of each kind of demand in interactive conversations; empty means equal weights.
    Kinds: ``start-with``, ``include-words``, ``keep-name``, ``correct-draft``, ``replace-words``,
    ``replace-name``, ``revise-source``, ``add-words``, ``drop-words``, ``use-term``,
    ``first-sentence``, ``last-sentence``, ``word-limit``, ``fuller``, ``next-sentence``,
    ``next-with-words``, ``switch-language``, ``translate-back``, ``ask-word``, ``quotes``,
    ``capitals``, ``with-original``."""
    turns: dict[int, float] = {2: 0.6, 3: 0.4}
    """Number of user turns of an interactive conversation, at least 1, to its weight."""
    code_switch: CodeSwitch = CodeSwitch()
    """Options of the recipe ``code-switch``."""
    self_instruct: SelfInstruct = SelfInstruct()
    """Options of the recipe ``self-instruct``."""
    entity_tags: bool = False
    """Whether the recipes ``entity-restore`` and ``entity-switch`` put names between tags of their
    language, as EntityCS does: ``<de>Frankreich</de>``."""
    max_turns: int | None = Field(default=None, ge=1)
    """Largest number of user turns of any conversation; interactive ones are made with fewer,
    upstream ones are cut. None sets no limit."""
    instruction_languages: dict[str, float] = {"en": 0.5, "zh": 0.5}
    """Language of the instruction to its weight: ``en`` and ``zh``."""
    teacher: Name | None = None
    """System that writes what aligned text cannot give (recipes ``paraphrase``, ``style``,
    ``self-instruct``, ``self-distillation``): an ``endpoint``, or one that is run here and served
    on loopback while the mixture is made (a large one is better an endpoint: the job asks for no
    GPU); without one they are left out, and counted. For ``self-distillation`` the untuned
    foundation: its own answers are what is taught."""
    translator: Name | None = None
    """System that translates what a teacher wrote, as ``teacher``; of the recipe
    ``self-distillation``."""
    max_tokens: int = Field(default=1024, gt=0)
    """Longer conversations are rejected (counted with the foundation's tokenizer)."""
    recipe_max_tokens: dict[Name, int] = {}
    """Recipe name to a lower limit of its own."""
    template: TemplateName = "bayling"
    """Conversation template in which lengths are counted."""

    @property
    def asked(self) -> list[str]:
        """The systems that write or translate for it, each once."""
        return list(filter(None, dict.fromkeys((self.teacher, self.translator))))

    @property
    def from_english(self) -> dict[str, float]:
        """The languages of its directions from English that no pattern stands for, with shares."""
        named = (item for item in self.directions.items() if item[1])
        return {d[3:]: share for d, share in named if d[:3] == "en-" and d[3:] != "*"}


class SynthesisSection(Section):
    """Mixtures by name."""

    mixtures: dict[Name, Mixture] = {}
    """Training sets by name; a tuned system names the one it learns from."""

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, values: Any) -> Any:
        """Replaces mixtures that have a base by whole ones."""
        if not isinstance(values, Mapping) or not isinstance(values.get("mixtures"), Mapping):
            return values
        return {**values, "mixtures": resolved(values["mixtures"])}


OWN_KEYS = ("base", "drop", "fraction")


class Derivation(BaseModel, strict=True, allow_inf_nan=False):
    """The types of what is looked at here; which values may stand there, the models tell."""

    base: str | None = None
    drop: list[str] = []
    fraction: float = 1.0
    conversations: float = 1
    shares: dict[Any, float] = {}
    directions: dict[Any, float] = {}


def resolved(mixtures: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all mixtures with those that name a base made whole (``ValueError`` if a base is
    unknown or leads back to the mixture, or what is to be dropped is not in it): a job's settings
    need not hold the base, and a change of the base reruns what derives from it."""
    return {name: _whole(name, mixtures, ()) for name in mixtures}


def _whole(name: str, mixtures: Mapping[str, Any], chain: tuple[str, ...]) -> Any:
    """Returns one mixture; ``chain`` holds those that derive from it, against circles."""
    entry = mixtures[name]
    if not _is_sound(entry):
        return entry
    if (base := entry.get("base")) is None:
        if entry.get("drop") or entry.get("fraction", 1.0) != 1.0:
            raise ValueError(f"{name}: drop and fraction need a base; write base: MIXTURE")
        return entry
    if base not in mixtures:
        known = ", ".join(other for other in mixtures if other != name)
        raise ValueError(f"{name}.base: no mixture is called {base!r}; one of: {known}")
    if base in (*chain, name):
        raise ValueError(f"{name}.base: {base} derives from {name}")
    inherited = _whole(base, mixtures, (*chain, name))
    return _changed(name, {**inherited}, entry) if _is_sound(inherited) else entry


def _is_sound(entry: Any) -> bool:
    """Tells whether what is looked at here has the right types; else the model will tell."""
    try:
        Derivation.model_validate(entry)
    except ValidationError:
        return False
    return True


def _changed(name: str, values: dict[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Applies what a derived mixture says to its base's values."""
    for dropped in entry.get("drop", []):
        places = [key for key in ("shares", "directions") if dropped in values.get(key, {})]
        if not places:
            raise ValueError(f"{name}.drop: the base has no recipe or direction {dropped!r}")
        for key in places:
            values[key] = _without(f"{name}.drop", values[key], dropped)
    if "fraction" in entry and "conversations" in values:
        values["conversations"] = max(1, round(values["conversations"] * entry["fraction"]))
    return {**values, **{key: value for key, value in entry.items() if key not in OWN_KEYS}}


def _without(where: str, shares: Mapping[str, float], dropped: str) -> dict[str, float]:
    """Returns shares without one of them, scaled up to what they added up to."""
    kept = {name: share for name, share in shares.items() if name != dropped}
    total, left = math.fsum(shares.values()), math.fsum(kept.values())
    if not left:
        raise ValueError(f"{where}: nothing is left without {dropped!r}")
    return {name: share * total / left for name, share in kept.items()}
