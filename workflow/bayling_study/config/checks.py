"""Checks that span sections: every name that is used must be defined, before any job starts.

What one field alone can say is in the models; what only data can say (does a
direction have text?) is left to the stages.
"""

from collections.abc import Collection

from pydantic import ValidationError

from bayling_study.config import conditions, names
from bayling_study.config.answering import check_examples
from bayling_study.config.base import leaves_source
from bayling_study.config.combined import check_combined
from bayling_study.config.comparison import check_comparison, made_of
from bayling_study.config.corpora import CorporaSection
from bayling_study.config.method_checks import check_methods
from bayling_study.config.model import StudyConfig
from bayling_study.config.multiple_choice import NliSuite, QuestionsSuite
from bayling_study.config.suites import (
    EXAM_TASKS,
    ConstrainedSuite,
    ExamsSuite,
    FileSuite,
    FloresSuite,
    InteractiveSuite,
    JudgedSuite,
    Suite,
    TranslationSuite,
    Wmt22Suite,
)
from bayling_study.config.synthesis import Mixture, matching
from bayling_study.config.systems import ASKED_KINDS, WEIGHTED_KINDS, TunedSystem
from bayling_study.config.tuning import TuningSection, check_curriculum
from bayling_study.core.errors import StudyError
from bayling_study.core.languages.flores import flores_languages
from bayling_study.core.lookup import require


def check_study(config: StudyConfig, where: object) -> None:
    """Checks the references between the sections of a study that came from the files ``where``
    (``StudyError``: the key, what is wrong and what to write)."""
    if not config.systems:
        fix = "systems: {foundation: {kind: foundation, source: smollm2}}"
        raise StudyError("the study has no system", where=f"{where}: systems", fix=fix)
    _check_corpora(config.corpora, f"{where}: corpora")
    upstream = {corpus.source for corpus in config.corpora.conversations}
    for name, mixture in config.synthesis.mixtures.items():
        for source in mixture.general_sources:
            key = f"{where}: synthesis.mixtures.{name}.general_sources"
            require("source of corpora.conversations", source, upstream, key)
        _check_mixture(mixture, _languages(config), f"{where}: synthesis.mixtures.{name}")
        _check_asked(config, name, f"{where}: synthesis.mixtures.{name}")
    _check_systems(config, f"{where}: systems")
    check_methods(config, _languages(config), where)
    for name, suite in config.suites.items():
        _check_suite(suite, config, f"{where}: suites.{name}")
    for metric in config.scoring.metrics:
        require("metric", metric, names.metrics(), f"{where}: scoring.metrics")
    conditions.distinct(config.scoring.metrics, f"{where}: scoring.metrics")
    if config.probing is not None:
        _check_probing(config.probing.languages, config.corpora, f"{where}: probing.languages")
    _check_files(config, where)
    comet = config.comet
    if comet.more and not (comet.source or comet.path or comet.embedded):
        fix = "comet: {source: wmt22-comet-da, encoder: xlm-roberta-large, more: …}"
        raise StudyError("more adds to a first model", where=f"{where}: comet.more", fix=fix)
    conditions.distinct([str(comet.source), *comet.more], f"{where}: comet.source and comet.more")
    if config.report.baseline is not None:
        key = f"{where}: report.baseline"
        require("system that answers", config.report.baseline, config.evaluated(), key)
    if config.comparison is not None:
        check_comparison(config, f"{where}: comparison", config.evaluated())


def _check_files(config: StudyConfig, where: object) -> None:
    """Checks that no two jobs write a file of one name: names may hold dots and dashes."""
    judged = [name for name, suite in config.suites.items() if isinstance(suite, JudgedSuite)]
    made = [(suite, f"{suite}-{system}") for suite in judged for system in config.systems]
    for ending in ("segments", "marks"):  # SUITE.segments.jsonl lies beside SUITE.jsonl
        made += [(suite, f"{suite}.{ending}") for suite in config.suites]
    made += [(suite, suite) for suite in config.suites if "." in suite]
    owners: dict[str, str] = {}
    for suite, file in made:
        other = owners.setdefault(file, suite)
        if other != suite:
            what = f"files of the suites {other!r} and {suite!r} would have one name, {file}"
            fix = "another name for one of them"
            raise StudyError(what, where=f"{where}: suites.{suite}", fix=fix)


def _check_corpora(corpora: CorporaSection, key: str) -> None:
    for number, corpus in enumerate(corpora.parallel):
        for code in (corpus.pivot, *corpus.languages):
            conditions.language(code, f"{key}.parallel.{number}.languages")
        for code in corpus.transliterated:
            place = f"{key}.parallel.{number}.transliterated"
            require("language of it in other letters", code, corpus.in_other_letters, place)
    for number, upstream in enumerate(corpora.conversations):
        conditions.language(upstream.language, f"{key}.conversations.{number}.language")
    texts = [f"{c.source} {c.path} {code}" for c in corpora.parallel for code in c.languages]
    conditions.distinct(texts, f"{key}.parallel")
    texts = [f"{c.source} {c.path}" for c in corpora.conversations]
    conditions.distinct(texts, f"{key}.conversations")
    cleaning = corpora.cleaning
    if cleaning.min_words > cleaning.max_words:
        what = f"{cleaning.min_words} is more than max_words, so every segment would be rejected"
        fix = f"at most {cleaning.max_words}"
        raise StudyError(what, where=f"{key}.cleaning.min_words", fix=fix)


def _check_probing(asked: list[str], corpora: CorporaSection, key: str) -> None:
    conditions.distinct(asked, key)
    known = [code for corpus in corpora.parallel for code in corpus.targets]
    for code in asked:
        require("language beside the pivot in corpora.parallel", code, known, key)
        conditions.language(code, key, cldr=True)


def _languages(config: StudyConfig) -> set[str]:
    """Returns the languages of the parallel corpora."""
    parallel = config.corpora.parallel
    return {code for corpus in parallel for code in (corpus.pivot, *corpus.languages)}


def _check_mixture(mixture: Mixture, available: set[str], key: str) -> None:
    recipes = names.recipes()
    for field in ("shares", "recipe_max_tokens"):
        for recipe in getattr(mixture, field):
            if recipe in names.RENAMED_RECIPES:
                new, note = names.RENAMED_RECIPES[recipe]
                what = f"the recipe {recipe!r} is now called {new!r} ({note})"
                raise StudyError(what, where=f"{key}.{field}", fix=f"{field}: {{{new}: …}}")
            require("recipe", recipe, recipes, f"{key}.{field}")
    conditions.sums_to_one(mixture.shares, f"{key}.shares")
    patterns = {*mixture.directions, *mixture.exclude}
    conditions.directions((p for p in patterns if "*" not in p), available, f"{key}.directions")
    if mixture.directions:
        conditions.sums_to_one(mixture.directions, f"{key}.directions")
    elif directed := [n for n, share in mixture.shares.items() if share and recipes[n]]:
        what = f"the recipe {directed[0]!r} needs directions"
        fix = "directions: {zh-en: 0.5, en-zh: 0.5}"
        raise StudyError(what, where=f"{key}.directions", fix=fix)
    for code in mixture.general_languages:
        conditions.language(code, f"{key}.general_languages")
    if mixture.general_languages:
        conditions.can_choose(mixture.general_languages, f"{key}.general_languages")
    _check_dialogues(mixture, key)


def trained_directions(mixture: Mixture, available: Collection[str]) -> set[str]:
    """Returns the directions that a mixture may have, its patterns taken apart."""
    named = {name for name, share in mixture.directions.items() if share > 0}
    never = {name for pattern in mixture.exclude for name in matching(pattern, available)}
    found = {name for pattern in named for name in matching(pattern, available)}
    return (found - never) | {name for name in named if "*" not in name}


def _check_asked(config: StudyConfig, name: str, key: str) -> None:
    """Checks a mixture's teacher and translator: neither may be made from this mixture itself."""
    mixture = config.synthesis.mixtures[name]
    for role, asked in (("teacher", mixture.teacher), ("translator", mixture.translator)):
        if asked is not None:
            _check_base(config, asked, f"{key}.{role}", ASKED_KINDS)
            if name in mixtures_behind(config, asked):
                what = f"{asked} is tuned on {name}, which it would have to write first"
                raise StudyError(what, where=f"{key}.{role}", fix="its foundation, or an endpoint")
    if mixture.shares.get("self-distillation") and mixture.translator is None:
        what = "self-distillation asks and answers in two languages"
        raise StudyError(what, where=f"{key}.translator", fix="translator: SYSTEM")
    for recipe in ("self-distillation", "entity-switch"):
        if mixture.shares.get(recipe) and not mixture.from_english:
            what = f"{recipe} needs a language that English text is carried over to"
            raise StudyError(what, where=f"{key}.directions", fix="directions: {en-zh: 1}")


def mixtures_behind(config: StudyConfig, system: str) -> set[str]:
    """Returns the mixtures that must be made before a system can answer, those of its teachers'
    teachers included."""
    found: set[str] = set()
    left = [system]
    while left:
        for part in made_of(config.systems, left.pop()):
            name = getattr(config.systems[part], "mixture", None)
            if name in config.synthesis.mixtures and name not in found:
                found.add(name)
                left += config.synthesis.mixtures[name].asked
    return found


def _check_dialogues(drawn: Mixture | InteractiveSuite, key: str) -> None:
    """Checks what interactive conversations are drawn by, in training and test alike."""
    for name in drawn.demands:
        if name in names.PLAIN_OPENINGS:
            what = f"{name!r} opens conversations by itself"
            raise StudyError(what, where=f"{key}.demands", fix="remove its weight")
        require("demand", name, names.demands(), f"{key}.demands")
    if drawn.demands:
        conditions.can_choose(drawn.demands, f"{key}.demands")
    for count in drawn.turns:
        if count < 1:
            what = f"{count} is not a number of turns"
            raise StudyError(what, where=f"{key}.turns", fix="1 or more")
    conditions.can_choose(drawn.turns, f"{key}.turns")
    spoken, key = drawn.instruction_languages, f"{key}.instruction_languages"
    for code in spoken:
        require("instruction language", code, names.INSTRUCTION_LANGUAGES, key)
    if spoken or isinstance(drawn, Mixture):  # a suite without any has its prompt_language
        conditions.can_choose(spoken, key)


def _check_systems(config: StudyConfig, key: str) -> None:
    own = [one for one in config.evaluated() if config.systems[one].kind in ASKED_KINDS]
    kinds = {"merged": ("tuned",), "delta": ("foundation",), "precision": ("int8", *WEIGHTED_KINDS)}
    for name, system in config.systems.items():
        if isinstance(system, TunedSystem):
            require("mixture", system.mixture, config.synthesis.mixtures, f"{key}.{name}.mixture")
        for part in ("base", "of"):
            named, fitting = getattr(system, part, []), kinds.get(system.kind, WEIGHTED_KINDS)
            for base in [named] if isinstance(named, str) else named:
                _check_base(config, base, f"{key}.{name}.{part}", fitting)
        if isinstance(system, TunedSystem):
            made_of(config.systems, name)  # refuses a circle
            _check_tuning(config, name, system, key)
        check_examples(config, name, _languages(config), f"{key}.{name}")
        check_combined(config, name, f"{key}.{name}", own)


def _check_tuning(config: StudyConfig, name: str, system: TunedSystem, key: str) -> None:
    """Checks what a tuned system is trained with: the section ``tuning`` and its own keys."""
    try:
        tuning = config.tuning_of(name)
    except ValidationError as error:
        finding = error.errors()[0]
        own_key = ".".join(["tuning", *map(str, finding["loc"])])
        moved = names.RENAMED.get(own_key)
        what = f"{finding['msg']} (got {finding['input']!r})"
        if moved:
            what = f"this key is now called systems.{name}.{moved}; write its value there"
        raise StudyError(what, where=f"{key}.{name}.{own_key}") from error
    where = f"{key}.{name}.tuning" if system.tuning else "tuning"
    _check_adapter(tuning, where)
    where = f"{key}.{name}.tuning" if "curriculum" in system.tuning else f"tuning (of {name})"
    check_curriculum(tuning.curriculum, config.synthesis.mixtures[system.mixture].shares, where)


def _check_adapter(tuning: TuningSection, where: str) -> None:
    """Checks that DeepSpeed need not share out weights in 4 bits, nor move them away."""
    four_bits = tuning.adapter is not None and tuning.adapter.kind == "qlora"
    if four_bits and tuning.zero_stage == 3:
        what = "ZeRO 3 cannot share out weights in 4 bits"
        raise StudyError(what, where=f"{where}.zero_stage", fix="zero_stage: 2")
    if four_bits and tuning.offload == "all":
        what = "weights in 4 bits cannot be offloaded"
        raise StudyError(what, where=f"{where}.offload", fix="offload: optimizer")


def _check_base(config: StudyConfig, name: str, key: str, kinds: tuple[str, ...]) -> None:
    fitting = [other for other, system in config.systems.items() if system.kind in kinds]
    require(f"{' or '.join(kinds)} system", name, fitting, key)


def _check_suite(suite: Suite, config: StudyConfig, key: str) -> None:
    if isinstance(suite, TranslationSuite | InteractiveSuite):
        conditions.directions(suite.directions, _languages(config), f"{key}.directions")
    if isinstance(suite, TranslationSuite | Wmt22Suite):
        _check_zero_shot(suite, config, f"{key}.zero_shot")
    if isinstance(suite, TranslationSuite):
        _check_sources(suite, config, key)
    if isinstance(suite, FileSuite):
        if leaves_source(suite.files):
            what = f"{suite.files!r} leaves the source"
            raise StudyError(what, where=f"{key}.files", fix="a path inside it")
        for direction in suite.directions:
            conditions.direction(direction, f"{key}.directions")
    if isinstance(suite, InteractiveSuite):
        _check_dialogues(suite, key)
    if isinstance(suite, JudgedSuite):
        _check_judged(suite, config, key)
    if isinstance(suite, NliSuite):
        conditions.language(suite.language, f"{key}.language")
    if isinstance(suite, QuestionsSuite) and suite.collection == "capitals":
        for code in suite.languages:
            conditions.language(code, f"{key}.languages", cldr=True)
    for field, kind, known in _listed(suite):
        for item in getattr(suite, field):
            require(kind, item, known, f"{key}.{field}")
    for field in ("directions", "tasks", "opponents", "parts", "languages", "pivots"):
        conditions.distinct(getattr(suite, field, ()), f"{key}.{field}")


def _check_sources(suite: TranslationSuite, config: StudyConfig, key: str) -> None:
    """Checks which segments a suite asks, and in which language their sources are mixed."""
    if named := suite.same_segments_as:
        alike = [n for n, each in config.suites.items() if isinstance(each, TranslationSuite)
                 and (each.segments, each.same_segments_as) == (suite.segments, None)]  # fmt: skip
        kind = f"translation suite that draws {suite.segments} segments"
        require(kind, named, alike, f"{key}.same_segments_as")
    if (switched := suite.source_text.switched) and switched.language:
        sides = dict.fromkeys("-".join(suite.directions).split("-"))
        mixed = [f"{code}-{switched.language}" for code in sides]
        conditions.directions(mixed, _languages(config), f"{key}.source_text.switched.language")


def _check_judged(suite: JudgedSuite, config: StudyConfig, key: str) -> None:
    _check_base(config, suite.judge, f"{key}.judge", ASKED_KINDS)
    compared = [n for n in config.evaluated() if config.systems[n].kind != "published"]
    require("system that answers", suite.baseline, compared, f"{key}.baseline")
    if suite.questions == "mt-bench" and any(part.endswith(".zh") for part in suite.parts):
        what = "MT-Bench's questions are English"
        raise StudyError(what, where=f"{key}.parts", fix="parts: [singleturn.en, multiturn.en]")
    for mark in ("{first}", "{second}"):
        if suite.judge_prompt.count(mark) != 1:
            raise StudyError(f"{mark} must occur exactly once", where=f"{key}.judge_prompt")
    if suite.judge_decoding.beams > 1:
        raise StudyError("servers offer no beam search", where=f"{key}.judge_decoding.beams")


def _listed(suite: Suite) -> list[tuple[str, str, Collection[str]]]:
    """Returns fields of a suite, what their items are called and which there are: in a release."""
    if isinstance(suite, FloresSuite):
        codes = [language.code for language in flores_languages()]
        return [(field, "FLORES-101 language", codes) for field in ("pivots", "languages")]
    if isinstance(suite, Wmt22Suite):
        return [("directions", "released direction", names.WMT22_DIRECTIONS)]
    if isinstance(suite, ConstrainedSuite):
        return [("directions", "released direction", names.CONSTRAINED_DIRECTIONS)]
    return [("tasks", "released exam", EXAM_TASKS)] if isinstance(suite, ExamsSuite) else []


def _check_zero_shot(suite: TranslationSuite | Wmt22Suite, config: StudyConfig, key: str) -> None:
    """A direction that a suite calls zero-shot must not be trained."""
    available = _languages(config)
    mixtures = config.synthesis.mixtures.values()
    trained = {name for mixture in mixtures for name in trained_directions(mixture, available)}
    if suite.zero_shot != type(suite).model_fields["zero_shot"].default:
        for direction in suite.zero_shot:
            require("direction of this suite", direction, suite.directions, key)
    untrained = [name for name in suite.zero_shot if name not in trained]
    for direction in suite.zero_shot:
        if direction in trained and direction in suite.directions:
            what = f"{direction} is in a training mixture"
            raise StudyError(what, where=key, fix=f"zero_shot: [{', '.join(untrained)}]")
