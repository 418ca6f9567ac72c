"""Checks of single methods across sections: what self-instruct, new tokens, a precision need."""

from bayling_study.config import conditions
from bayling_study.config.comparison import made_of
from bayling_study.config.model import StudyConfig
from bayling_study.config.systems import PrecisionSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import require


def check_methods(config: StudyConfig, languages: set[str], where: object) -> None:
    """Checks mixtures and systems whose names are known to be sound; ``languages`` are those of
    the parallel corpora (``StudyError``: the key, what is wrong and what to write)."""
    for name, mixture in config.synthesis.mixtures.items():
        written = mixture.self_instruct.languages
        key = f"{where}: synthesis.mixtures.{name}.self_instruct.languages"
        for code in written:
            conditions.language(code, key)
        if mixture.shares.get("self-instruct"):
            conditions.can_choose(written, key)
            if not config.corpora.conversations:
                what, fix = "self-instruct shows questions, and there are none", "a source of some"
                raise StudyError(what, where=f"{where}: corpora.conversations", fix=fix)
        own = mixture.general_sources
        read = [c for c in config.corpora.conversations if not own or c.source in own]
        if mixture.shares.get("entity-switch") and "en" not in {c.language for c in read}:
            what, fix = "entity-switch changes English ones, and there are none", "a source of some"
            raise StudyError(what, where=f"{where}: corpora.conversations", fix=fix)
    for name, system in config.systems.items():
        key = f"{where}: systems.{name}"
        for code in getattr(getattr(system, "vocabulary", None), "languages", ()):
            require("language of corpora.parallel", code, languages, f"{key}.vocabulary.languages")
        if isinstance(system, PrecisionSystem):
            _check_precision(config, name, system, key)
        parts = (config.systems[part] for part in made_of(config.systems, name))
        if not any(getattr(part, "vocabulary", None) for part in parts):
            continue
        if system.kind == "delta":
            what, fix = "a difference has no rows for new tokens", "a base without vocabulary"
            raise StudyError(what, where=f"{key}.base", fix=fix)
        adapter = config.tuning_of(name).adapter if system.kind == "tuned" else None
        if adapter and not adapter.embeddings:
            what = "an adapter alone leaves the vectors of new tokens as they start"
            raise StudyError(what, where=f"{key}.tuning.adapter.embeddings", fix="embeddings: true")


def _check_precision(config: StudyConfig, name: str, system: PrecisionSystem, key: str) -> None:
    """Checks that a system and its base both answer, and that rounding tells them apart."""
    require("system that answers", system.base, config.evaluated(), f"{key}.base")
    if getattr(config.systems[system.base], "format", "") == "bitsandbytes":
        what = "products of bitsandbytes have 8 bits in any precision"
        raise StudyError(what, where=f"{key}.base", fix="a base of another format")
    if system.precision == config.generation.precision:
        what = f"all systems are computed in it: generation.precision is {system.precision}"
        fix = f"another precision, or none of this system: systems: {{{name}: null}}"
        raise StudyError(what, where=f"{key}.precision", fix=fix)
