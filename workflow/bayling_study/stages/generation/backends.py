"""Where a system's answers come from: a checkpoint, a server, a release, or other systems."""

from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bayling_study.config import StudyConfig
from bayling_study.config.combined import RoutedSystem
from bayling_study.config.suites import Suite
from bayling_study.config.systems import EndpointSystem, PublishedSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, sha256_json, sha256_path
from bayling_study.core.records import check_owner, read_hypotheses
from bayling_study.shared.corpus_tables import PARALLEL_FILE
from bayling_study.shared.endpoint import Endpoint
from bayling_study.shared.sources.fetched import files_root
from bayling_study.shared.tracking.record import RunRecord
from bayling_study.stages.generation.answering import Answerer, decoding_of
from bayling_study.stages.generation.examples import OWN, OWN_NAME, ExamplePools, direction_of
from bayling_study.stages.generation.meter import Meter
from bayling_study.stages.generation.outputs import PromptSet, SuiteAnswers, System
from bayling_study.stages.generation.published import convert
from bayling_study.stages.generation.remote import MeteredEndpoint

Answered = tuple[System, dict[str, SuiteAnswers], Meter]
"""Who answered, suite to its answers, and how fast, where something was run."""


@dataclass(frozen=True)
class GenerationJob:
    """One generation job: the system ``name`` answers the prompts of each suite."""

    config: StudyConfig
    name: str
    options: Namespace
    prompts: dict[str, PromptSet]
    run: RunRecord

    def suites(self, one: Callable[[Suite, PromptSet], SuiteAnswers]) -> dict[str, SuiteAnswers]:
        """Returns the answers to each suite, which ``one`` gives."""
        return {name: one(self.config.suites[name], found) for name, found in self.prompts.items()}

    def asked(self, asker: Any) -> dict[str, SuiteAnswers]:
        """Returns what a runner or an endpoint answers; synthetic examples are made first."""
        examples = asker.answerer.examples
        if examples and (own := examples.to_translate()):
            prompts = PromptSet(OWN_NAME, own, sha256_json([prompt.turns for prompt in own]))
            made = examples.turned_round(own, asker.answer(OWN, prompts).hypotheses)
            asker.answerer = replace(asker.answerer, examples=made)
        return self.suites(asker.answer)

    def answerer(self) -> Answerer:
        """Returns how the system is asked, with its examples (``StudyError`` if they lack text)."""
        settings = self.config.answering_of(self.name)
        if settings.examples is None:
            return Answerer(settings)
        if self.options.corpora is None:
            raise StudyError("answering.examples needs the study's corpora", fix="--corpora DIR")
        table = self.options.corpora / PARALLEL_FILE
        self.run.input("corpora", table)
        prompts = [prompt for found in self.prompts.values() for prompt in found.prompts]
        examples = ExamplePools.load(self.config, settings.examples, prompts, table)
        return Answerer(settings, examples)


def answer(job: GenerationJob) -> Answered:
    """Answers all suites with the backend of the system's kind (``StudyError`` if it cannot)."""
    section = job.config.systems[job.name]
    if isinstance(section, PublishedSystem):
        return _convert(job, section)
    if isinstance(section, RoutedSystem):
        return _pass_on(job, section)
    return _ask(job, section) if isinstance(section, EndpointSystem) else _run(job)


def _convert(job: GenerationJob, section: PublishedSystem) -> Answered:
    """The backend ``published``."""
    if job.options.download is None:
        raise StudyError(f"{job.name} is a published system", fix="--download DIR")
    root = files_root(job.options.download)
    system = System(job.name, section.kind, "published", section.model_dump(mode="json"))
    job.run.parameters(system.details)
    job.run.input("release", job.options.download / "manifest.json")
    return system, job.suites(partial(convert, section, root)), Meter()


def _pass_on(job: GenerationJob, section: RoutedSystem) -> Answered:
    """The backend ``members``: answers of other systems, as they stand."""
    if job.options.members is None:
        raise StudyError(f"{job.name} passes answers on", fix="--members DIR")
    folders, hashes = {name: job.options.members / name for name in section.members}, {}
    for name, folder in folders.items():
        check_owner(folder, name)
        hashes[name] = read_json(folder / "system.json")["sha256"]
        job.run.input(f"members/{name}", folder)
    details = {**section.model_dump(mode="json"), "members": hashes}
    job.run.parameters(details)

    def passed(_: Suite, prompts: PromptSet) -> SuiteAnswers:
        asked = [section.member(direction_of(p), prompts.suite) for p in prompts.prompts]
        files = {name: folders[name] / f"{prompts.suite}.jsonl" for name in asked}
        rows = {name: read_hypotheses(file, prompts.prompts) for name, file in files.items()}
        own = [rows[name][place] for place, name in enumerate(asked)]
        return SuiteAnswers(prompts, own, {"members": dict(Counter(asked))})

    return System(job.name, section.kind, "members", details), job.suites(passed), Meter()


def _ask(job: GenerationJob, section: EndpointSystem) -> Answered:
    """The backend ``endpoint``."""
    body = section.model_dump(include={"limit_key", "extra_body"}, exclude_defaults=True)
    details = {"url": section.url, "model": section.model, "template": "the server's", **body}
    system = System(job.name, section.kind, "endpoint", details)
    job.run.parameters(details)
    with Endpoint(section, job.options.work / "answers.jsonl", f"systems.{job.name}") as endpoint:
        asker = MeteredEndpoint(endpoint, job.config.study.seed, job.answerer())
        suites = job.asked(asker)
        job.run.metrics({f"endpoint.{key}": float(n) for key, n in endpoint.spent.items()})
    return system, suites, asker.meter


def _run(job: GenerationJob) -> Answered:
    """The backends ``transformers`` and ``vllm``. Their imports take seconds."""
    import torch

    from bayling_study.shared import templates
    from bayling_study.stages.generation.engines import load_engine
    from bayling_study.stages.generation.running import Runner

    options, config = job.options, job.config
    if options.checkpoint is None:
        raise StudyError(f"{job.name} has to be run", fix="--checkpoint DIR")
    if options.threads:
        torch.set_num_threads(options.threads)
    template = config.template_of(job.name)
    hows = [decoding_of(config.suites[name]) for name in job.prompts]
    engine = load_engine(options.checkpoint, config.generation, hows)
    stops = templates.stop_ids(engine.tokenizer, template)
    details: dict[str, Any] = {
        "template": template,
        "precision": config.generation.precision,
        "format": engine.format,
        "checkpoint_sha256": sha256_path(options.checkpoint),
        **engine.packages,
        **templates.pinned_date(engine.tokenizer, template),
        "stops": {str(n): engine.tokenizer.convert_ids_to_tokens(n) for n in stops},
    }
    if engine.set_aside:
        details["generation_config_set_aside"] = engine.set_aside
    system = System(job.name, config.systems[job.name].kind, engine.name, details)
    job.run.parameters({"backend": engine.name, **details})
    job.run.input("checkpoint", options.checkpoint, details["checkpoint_sha256"])
    answerer, seed = job.answerer(), config.study.seed
    runner = Runner(engine, template, system.sha256, seed, options.work, answerer)
    return system, job.asked(runner), runner.meter
