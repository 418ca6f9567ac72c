"""What the Snakefile asks for: the checked config, paths, settings files, code hashes. Rules hold
no logic; it is here, where it is typed and tested without Snakemake."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bayling_study.config import StudyConfig
from bayling_study.config.combined import MergedSystem, RoutedSystem
from bayling_study.config.loading import load_config, load_values
from bayling_study.config.suites import DIRECTED, ONE_TURN, FloresSuite, JudgedSuite
from bayling_study.config.systems import Int8System, OtherForm, PublishedSystem, TunedSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_file, sha256_json
from bayling_study.dag.chain import attempts
from bayling_study.dag.exclusive import STARTED_BY, workflow_of
from bayling_study.dag.interpreter import use_this_interpreter
from bayling_study.dag.layout import Layout
from bayling_study.dag.profiles import OWN, ResourceRequest, running_request
from bayling_study.dag.recorded import mark_outdated
from bayling_study.dag.settings import Settings
from bayling_study.shared.sources.gates import check_gates
from bayling_study.shared.tracking.code import ROOT, code_hash
from bayling_study.shared.tracking.target import EXPERIMENT, chosen_uri
from bayling_study.stages.download.archives import wanted

HASHED_BYTES = 16 << 20
HOLD_ALL_PROMPTS = ("comet_score", "generation", "scoring", "significance")
CONTAINER_COMET = "/opt/comet/bin/python"  # of envs/container.def


class Dag:
    """The configured study as the workflow sees it. With ``programs`` the ready-made environments
    are used (else each rule has its own ``python``, as with ``--sdm conda``), with ``container``
    the image of ``envs/container.def``."""

    def __init__(self, config: StudyConfig, programs: bool = True, container: bool = False) -> None:
        self.config = config
        self._container = container
        self.layout = Layout(config)
        self._settings = Settings(config, self.layout.study / "settings")
        self._programs = programs

    @classmethod
    def open(cls, workflow: Any, config: Mapping[str, Any]) -> "Dag":
        """Reads the configuration that Snakemake was given, or ends with one clear message. The
        files are read again: Snakemake has merged them already, with what YAML hides. They are not
        those of another workflow's module, to which that gives all of ``config``. Results that
        Snakemake has to make again, although it may not know it, are marked: not where the user
        says what starts jobs again, nor where none is started."""
        use_this_interpreter()
        sdm = {str(name) for name in workflow.deployment_settings.deployment_method}
        try:
            _check_one_disk(workflow)
            if workflow.modifier.is_main_snakefile():
                found = load_config(*workflow.configfiles, given=workflow.config_settings.config)
            else:
                found = load_values(config)
            dag = cls(found, programs=not sdm, container=sdm == {"apptainer"})
            dag.layout.check()
            dag.check_environment()
            dag.export_tracking()
        except StudyError as error:
            sys.exit(f"error: {error.render()}")
        # By which profiles mark jobs in a scheduler's queue and find scripts.
        os.environ |= {"BAYLING_STUDY": found.study.name, "BAYLING_ROOT": str(ROOT.parent)}
        if not (workflow.remote_exec or {"--rerun-triggers", "--lint", "--unlock"} & {*sys.argv}):
            mark_outdated(dag.layout.study, dag.settings, dag.code)
        return dag

    def start(self) -> None:
        """Marks the jobs as this workflow's, and refuses a run that cannot end well: before any."""
        os.environ[STARTED_BY] = workflow_of(Path.cwd())
        try:
            check_gates(self.layout.missing_sources())
        except StudyError as error:
            sys.exit(f"error: {error.render()}")

    def settings(self, stage: str, name: str = "") -> str:
        """Returns the settings file of a job; it holds only what decides the job's bytes. ``name``
        is the system, suite or mixture that the job is for, where it is for one."""
        if stage == "generation" and not self.layout.with_model(name):
            stage = "generation.elsewhere"
        only: dict[str, list[str]] = {}
        if stage == "synthesis":
            only = {"synthesis": [name], "systems": self.config.synthesis.mixtures[name].asked}
        elif stage in ("prompts", "judging"):
            only = {"suites": [name]}
        if stage == "judging":
            only["systems"] = [self._judged(name).judge]
        elif stage in ("masks", "tuning", "export", "foundation.vocabulary"):
            only["systems"] = [name]
        elif stage in ("perplexity", "generation", "generation.elsewhere", "harness"):
            only["systems"] = self.config.asked_as(name)
        if stage in ("generation", "generation.elsewhere"):
            only["suites"] = self.layout.generated_suites()
        elif stage == "harness":
            only["suites"] = self.layout.knowledge_suites()
        elif stage == "comet.segments":
            suites = self.config.suites.items()
            only["suites"] = [n for n, suite in suites if isinstance(suite, DIRECTED)]
        system = name if name in only.get("systems", ()) else ""
        return str(self._settings.stage(stage, system, **only))

    def operations(self, system: str = "") -> str:
        """Returns the file of the keys that decide no byte (of a tuned system: its own)."""
        return str(self._settings.operations(system))

    def code(self, module: str) -> str:
        """Returns the hash of the code that a stage runs."""
        return code_hash(f"bayling_study.stages.{module}")

    def check_environment(self) -> None:
        """Checks (``StudyError``) that COMET's interpreter is there if it is needed."""
        if self.comet_scores() and self._programs and not Path(self.comet_python()).exists():
            where = f"environments.comet_python: {self.comet_python()}"
            fix = "make envs; or write the path of a python that has unbabel-comet"
            raise StudyError("the interpreter does not exist", where=where, fix=fix)

    def comet_python(self) -> str:
        """Returns the interpreter of the environment ``comet``."""
        if self._container:
            return CONTAINER_COMET
        return self.config.environments.comet_python if self._programs else "python"

    def comet_suites(self) -> list[str]:
        """Returns the suites whose answers are translations of a single segment."""
        return [name for name, suite in self.config.suites.items() if isinstance(suite, ONE_TURN)]

    def comet_model(self) -> list[str]:
        """Returns the COMET checkpoint to score with; empty when the study has none."""
        comet = self.config.comet
        if comet.path:
            return [comet.path]
        if comet.source:
            return [str(self.layout.manifest(comet.source))]
        return [f"{self.layout.study}/comet/training"] if comet.embedded else []

    def comet_more(self) -> dict[str, str]:
        """Returns the options that name further checkpoints and encoders, and their files."""
        pairs = self.config.comet.more.items()
        named = [("--more", source, source) for source, _ in pairs]
        named += [("--encoders", source, encoder) for source, encoder in pairs if encoder]
        return {f"{key} {name}": str(self.layout.manifest(of)) for key, name, of in named}

    def comet_scores(self) -> list[str]:
        """Returns the folder of COMET scores, where the study has a model and fitting suites."""
        wanted = self.comet_model() and self.comet_suites()
        return [f"{self.layout.study}/comet/score"] if wanted else []

    def before_each(self, option: str, paths: Sequence[object]) -> str:
        """Returns an option before each of some paths."""
        return " ".join(f"{option} {path}" for path in paths)

    def export_tracking(self) -> None:
        """Tells jobs through the environment where the training curve goes. Resources are printed
        in logs, and the shell would split an address at its spaces."""
        tracking = self.config.tracking
        os.environ["BAYLING_TRACKING"] = self.tracking_uri() if tracking.live else ""
        if tracking.experiment:
            os.environ[EXPERIMENT] = tracking.experiment

    def local_state(self, source: str) -> str:
        """Returns the path that stands for a source and a hash of what is there; else nothing. What
        is made from a changed file is made again; of one above ``HASHED_BYTES``, size and time
        stand for the content."""
        row = self.layout.row(source)
        path = self.config.download.local.get(source, row.location if row.kind == "local" else "")
        root = Path(path).expanduser()
        found = [root] if root.is_file() else root.rglob("*") if path else []
        facts = {}
        for file in filter(Path.is_file, found):
            name, about = file.relative_to(root).as_posix(), file.stat()
            if file == root or wanted(name, row.patterns):
                small = about.st_size <= HASHED_BYTES
                facts[name] = sha256_file(file) if small else [about.st_size, about.st_mtime_ns]
        return f"{path} {sha256_json(facts)}" if path else ""

    def tuning_attempts(self, limits: Any) -> int:
        """Returns the jobs that a training may take. ``limits`` are Snakemake's resource settings;
        none where there is no scheduler."""
        asked = ResourceRequest() if limits is None else running_request(limits, "tuning")
        return attempts(self.layout, asked)

    def synthesis_workers(self, mixture: str) -> int:
        """Returns the processes that pay for a mixture; its bytes do not depend on them."""
        return 1 if self.config.synthesis.mixtures[mixture].conversations < 20_000 else 8

    def teachers_option(self, mixture: str) -> str:
        """Returns the option that names the checkpoints of a mixture's teachers that run here."""
        teachers = self.layout.teachers(mixture).items()
        return " ".join(f"--checkpoint {name}={path}" for name, path in teachers)

    def synthesis_memory(self, mixture: str, threads: int) -> int:
        """Returns the megabytes that a mixture's job asks for: as much as a judge's for each
        teacher that it serves."""
        return 1500 + 1500 * threads + OWN["judging"][0] * len(self.layout.teachers(mixture))

    def licence_option(self, system: str) -> str:
        """Returns the option that names the licence of what a tuned system starts from."""
        base = self.config.systems[self.config.untuned(system)]
        row = self.layout.row(base.source)  # type: ignore[union-attr]
        return f"--licence {shlex.quote(row.licence)}" if row.licence else ""

    def harness_sources(self) -> str:
        """Returns the options that name the downloads of harness tasks."""
        suites = self.layout.knowledge_suites()
        sources = [name for suite in suites for name in self.layout.suite_sources(suite)]
        return self.download_options(list(dict.fromkeys(sources)))

    def perplexities(self) -> list[str]:
        """Returns the perplexity files of all 8-bit systems."""
        folder = self.layout.study / "perplexity"
        return [f"{folder}/{name}.json" for name in self.layout.names(Int8System)]

    def generation_option(self, system: str) -> str:
        """Returns the option that names what a system's outputs are made from."""
        found = self.config.systems[system]
        if isinstance(found, PublishedSystem):
            return f"--download {self.layout.download(found.source)}"
        if isinstance(found, RoutedSystem):
            return f"--members {self.layout.study}/generation"
        here = self.layout.with_model(system)
        return f"--checkpoint {self.layout.checkpoint(system)}" if here else ""

    def members_option(self, system: str) -> str:
        """Returns the options that name what a system is merged from."""
        names = self.layout.system(system, MergedSystem).of
        return " ".join(f"--member {name}={self.layout.checkpoint(name)}" for name in names)

    def judging_inputs(self, suite: str) -> list[Path]:
        """Returns what a suite's judge works on and with: the baseline's answers, a checkpoint."""
        found = self._judged(suite)
        answers = self.layout.study / "generation" / found.baseline
        return [answers, *self.layout.generation_input(found.judge)]

    def judging_option(self, suite: str) -> str:
        """Returns the option that names the checkpoint of a judge that is run here."""
        return self.generation_option(self._judged(suite).judge)

    def _judged(self, suite: str) -> JudgedSuite:
        section = self.config.suites[suite]
        assert isinstance(section, JudgedSuite), suite
        return section

    def download_options(self, sources: list[str], option: str = "--download") -> str:
        """Returns ``OPTION ID=FOLDER`` for each source."""
        return " ".join(f"{option} {name}={self.layout.download(name)}" for name in sources)

    def suite_inputs(self, suite: str, corpora: Sequence[str]) -> list[str]:
        """Returns the files that a suite is made from."""
        manifests = [str(self.layout.manifest(name)) for name in self.layout.suite_sources(suite)]
        return manifests + (list(corpora) if self.layout.suite_needs_corpora(suite) else [])

    def suite_options(self, suite: str) -> str:
        """Returns the options that name what a suite is made from."""
        if self.layout.suite_needs_corpora(suite):
            return f"--corpora {self.layout.study}/corpora"
        return self.download_options(self.layout.suite_sources(suite))

    def memory(self, rule: str) -> Callable[[Any, int], int]:
        """Returns the megabytes that a rule's jobs ask for, by wildcards and attempt. Some hold all
        prompts of the study: FLORES-101 alone has 407 thousand, of about 20 kilobytes with their
        token ids."""
        suites = [s for s in self.config.suites.values() if isinstance(s, FloresSuite)]
        prompts = sum(402 * (suite.segments or 1012) for suite in suites)
        most = OWN[rule][0] + (prompts // 50 if rule in HOLD_ALL_PROMPTS else 0)
        return lambda wildcards, attempt: most * attempt

    def minutes(self, rule: str) -> Callable[[Any, int], int]:
        """Returns the minutes that a rule's jobs ask for, by wildcards and attempt."""
        return lambda wildcards, attempt: OWN[rule][1] * attempt

    def spm_option(self) -> str:
        """Returns the option that names spBLEU's model."""
        source = self.config.scoring.spm
        return f"--spm {self.layout.download(source)}" if source else ""

    def bases_option(self) -> str:
        """Returns the option that names the systems that others in another form are tested with."""
        pairs = (f"{name}={self.layout.base(name)}" for name in self.layout.names(OtherForm))
        return f"--bases {found}" if (found := " ".join(pairs)) else ""

    def audits(self) -> list[str]:
        """Returns the audits of all training sets that a system uses."""
        tuned = self.layout.names(TunedSystem)
        return sorted({str(self.layout.instructions(name) / "audit.json") for name in tuned})

    def tracking_uri(self) -> str:
        """Returns the tracking store: the config's, the environment's or the study's own file."""
        return chosen_uri(self.config.tracking.uri, self.layout.study)

    def tracking_option(self) -> str:
        """Returns the options that name store and experiment, where the configuration does. The
        study's own store is not named, for it may move."""
        tracking = self.config.tracking
        named = {"--uri": tracking.uri, "--experiment": tracking.experiment}
        return " ".join(f"{key} {shlex.quote(value)}" for key, value in named.items() if value)


def _check_one_disk(workflow: Any) -> None:
    """Checks that a path is one file to Snakemake, every job and this package, or raises."""
    storage, paths = workflow.storage_settings, workflow.modifier.path_modifier
    missing = {"input-output", "sources"} - {str(usage) for usage in storage.shared_fs_usage}
    found = [f"--shared-fs-usage without {word}" for word in sorted(missing)]
    found += ["--default-storage-provider"] if storage.default_storage_provider else []
    found += ["prefix of the module"] if paths.prefix or paths._prefix_replacements else []
    if found:
        what = "jobs share checkpoints, journals and run records beside their declared outputs"
        fix = "one file system for all jobs; study.results and study.resources name folders"
        raise StudyError(what, where=", ".join(found), fix=fix)
