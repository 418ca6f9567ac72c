"""Checks the place that a profile sends jobs to, before anything long is sent there.

    python -m bayling_study.commands.preflight --study-config FILE… --profile config/profiles/slurm

For SLURM: the queue, whether it would take each kind of job (partition, account, GPUs, memory,
time), and a short job in each partition that looks at shared files, environments, GPUs and network.
For other profiles that look at this machine. Status 1 if a check failed; each says what to change.
"""

import os
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from bayling_study.commands.plan.jobs import job_counts
from bayling_study.commands.plan.tables import HERE_RULES
from bayling_study.commands.preflight import checks, here, programs, slurm
from bayling_study.commands.preflight.outcome import Outcome, failed, note, ok
from bayling_study.commands.preflight.probe import TOKEN
from bayling_study.config import load_config
from bayling_study.core import cli
from bayling_study.core.files import read_json, write_text
from bayling_study.dag.chain import attempts
from bayling_study.dag.devices import cards
from bayling_study.dag.interpreter import use_this_interpreter
from bayling_study.dag.profiles import Profile, ResourceRequest, read_profile
from bayling_study.dag.rules import Dag

SEEN_SECONDS = 60.0

COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    profile=cli.path("folder of the profile"),
    sdm=cli.option("as for snakemake; else the profile's", choices=("conda", "apptainer")),
    wait=cli.number("minutes that a probe may wait in the queue", 0, float, default=15),
)


def main() -> int:
    """Prints one line per check; returns 1 if one failed."""
    options = COMMAND_LINE.parse_args()
    use_this_interpreter()
    profile = read_profile(options.profile)
    sdm = options.sdm or written_sdm(profile)
    dag = Dag(load_config(*options.study_config), not sdm, sdm == "apptainer")
    counts = Counter[str]()
    for outcome in outcomes(dag, profile, options.wait, sdm):
        print(outcome.render(), flush=True)
        counts[outcome.level] += 1
    print(f"{counts['ok']} ok, {counts['note']} notes, {counts['FAILED']} failed")
    return int(counts["FAILED"] > 0)


def written_sdm(profile: Profile) -> str:
    """Returns what the profile lets rules run in; empty for the ready-made environments."""
    values = profile.values
    named = values.get("software-deployment-method") or values.get("sdm") or ""
    words = named.split() if isinstance(named, str) else named
    if "conda" in words or values.get("use-conda"):
        return "conda"
    return "apptainer" if words or values.get("use-apptainer") else ""


def outcomes(dag: Dag, profile: Profile, wait: float, sdm: str) -> Iterator[Outcome]:
    """Yields what each check finds."""
    yield from here.here(dag)
    if profile.executor == "slurm":
        yield from on_slurm(dag, profile, wait, sdm)
        return
    if profile.executor == "htcondor":
        yield from here.hidden(dag)
    if profile.executor != "local":
        found = "what its queue would take is not checked; what follows is about this machine"
        fix = "send one small job: snakemake --profile PROFILE results/STUDY/prompts/SUITE.jsonl"
        yield note(f"executor {profile.executor}", found, fix)
    yield from on_this_machine(dag, sdm)


def on_slurm(dag: Dag, profile: Profile, wait: float, sdm: str) -> Iterator[Outcome]:
    """Asks the queue and probes each partition."""
    reached = slurm.queue()
    yield reached
    if reached.level == "FAILED":
        return
    rules = [rule for rule in job_counts(dag) if rule not in HERE_RULES]
    accepted = {}
    for request, names in profile.requests(rules).items():
        outcome = slurm.accepts(request, names)
        yield outcome
        if outcome.level != "FAILED":
            accepted[request] = names
    yield from last_attempt(dag, profile)
    with ExchangeFolder(dag, sdm) as shared:
        for request, name in slurm.probes(accepted):
            trouble = slurm.run_probe(request, shared.probe(name), wait)
            yield from shared.judge(name, request) if trouble is None else [trouble]


def last_attempt(dag: Dag, profile: Profile) -> Iterator[Outcome]:
    """Asks for the training's last job: in a chain each one is an attempt and asks for more."""
    first = profile.request("tuning")
    last = profile.request("tuning", attempts(dag.layout, first))
    if "tuning" in job_counts(dag) and last != first:
        yield slurm.accepts(last, ["tuning, last attempt"])


def on_this_machine(dag: Dag, sdm: str) -> Iterator[Outcome]:
    """Runs the probe here."""
    found = cards()
    yield ok("GPUs", f"{len(found)} to hand out" if found else "none: jobs use cores")
    with ExchangeFolder(dag, sdm) as shared:
        done = subprocess.run(shared.probe("here"), capture_output=True, text=True)
        if done.returncode:
            yield failed("environment", done.stderr.strip()[-300:], "make envs")
        else:
            yield from shared.judge("here", ResourceRequest(gpus=len(found)))


class ExchangeFolder(AbstractContextManager["ExchangeFolder"]):
    """A folder beside the results through which this machine and the nodes exchange files, until
    the end. ``sdm`` is what rules run in, if not in the ready-made environments."""

    def __init__(self, dag: Dag, sdm: str) -> None:
        self.dag, self.sdm, self.token = dag, sdm, uuid.uuid4().hex
        self.folder = (dag.layout.study.parent / f".preflight-{self.token[:8]}").absolute()
        write_text(self.folder / TOKEN, "an older version")
        write_text(self.folder / TOKEN, self.token)

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def probe(self, name: str) -> list[str]:
        """Returns the command that looks around and answers under that name."""
        # With --sdm, COMET's interpreter is one that only a rule's environment has.
        needs_comet = bool(self.dag.comet_scores()) and not self.sdm
        python = str(Path(self.dag.comet_python()).absolute()) if needs_comet else ""
        uri = self.dag.tracking_uri()
        urls = [*here.addresses(self.dag), *([uri] if uri.startswith("http") else [])]
        out = str(self.folder / f"{name}.json")
        command = [sys.executable, "-m", "bayling_study.commands.preflight.probe", "--out", out]
        command += ["--folder", str(self.folder), "--comet-python", python, "--address", *urls]
        return [*command, "--packages", *programs.packages(self.dag.config)]

    def judge(self, name: str, request: ResourceRequest) -> Iterator[Outcome]:
        """Judges the answers of a probe, or says that none can be seen from here."""
        found = checks.answers(self.folder, name, request.nodes, SEEN_SECONDS)
        if len(found) < request.nodes:
            what = f"{len(found)} of {request.nodes} nodes' answers have arrived here after "
            what += f"{SEEN_SECONDS:.0f} s, although their job succeeded"
            fix = "put study.results on a file system that all nodes share"
            yield failed("shared files", what, f"{fix}; or a longer latency-wait")
        need = here.peak(here.needs(self.dag), self.folder)
        compiles = programs.needs_compiler(self.dag.config)
        expected = checks.Expected(self.token, need, compiles, self.sdm)
        for path in found:
            yield from checks.on_node(read_json(path), request, self.dag, expected)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    cli.run_program(main)
