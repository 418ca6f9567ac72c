"""Judges what probes found."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bayling_study.commands.preflight.here import room
from bayling_study.commands.preflight.outcome import Outcome, failed, note, ok
from bayling_study.dag.profiles import ResourceRequest
from bayling_study.dag.rules import Dag


class Expected(NamedTuple):
    """What a node's answers are compared with: the token was written just before to the shared
    folder, in which ``need`` bytes must be free."""

    token: str
    need: int
    compiles: bool = False  # training on GPUs compiles there
    sdm: str = ""  # what rules run in, ``conda`` or ``apptainer``; empty for this interpreter


def on_node(
    facts: dict[str, Any], request: ResourceRequest, dag: Dag, expected: Expected
) -> Iterator[Outcome]:
    """Judges the facts that one node's probe wrote, by what its job asked for."""
    node = facts["node"]
    shared = f"{node}: shared files"
    if facts["token"] == expected.token:
        yield ok(shared, "the node sees what was written here, and its answer is seen here")
    else:
        found = "the node sees an old or no version of a file that was renamed into place here"
        fix = "put study.results and study.resources on a file system that all nodes share"
        yield failed(shared, found, fix)
    yield room(f"{node}: disk", facts["free_bytes"], expected.need)
    yield environment(facts, expected.sdm)
    if facts["comet"]:
        yield failed(f"{node}: COMET", facts["comet"], "make envs; or environments.comet_python")
    if request.gpus:
        yield gpus(facts, request, dag.config.tuning.device)
        yield compilers(facts, expected)
    yield network(facts, dag)


def environment(facts: dict[str, Any], sdm: str) -> Outcome:
    """Tells of the packages that were imported, and by which interpreter."""
    check, python = f"{facts['node']}: environment", facts["python"]
    broken = "; ".join(f"{name}: {why}" for name, why in facts["broken"].items())
    if sdm:  # in the job it runs Snakemake, which needs none of these packages
        found = f"fails to import {broken}" if broken else "imports all packages"
        found = f"{python} was probed and {found}; rules run with --sdm {sdm}, not checked"
        fix = f"try it with one small job: snakemake --sdm {sdm} results/STUDY/prompts/SUITE.jsonl"
        return note(check, found, fix)
    if broken:
        fix = "make envs on a file system that the nodes share, or snakemake --sdm conda|apptainer"
        return failed(check, f"{python} cannot import {broken}", fix)
    return ok(check, f"{python} imports all packages")


def compilers(facts: dict[str, Any], expected: Expected) -> Outcome:
    """Judges what compiles on a node: flex attention (Triton) and offload's AdamW need it."""
    check = f"{facts['node']}: compilers"
    if expected.sdm == "apptainer":
        return ok(check, "those of the image")
    if not facts["compilers"]:
        return ok(check, "C with Python.h and C++ compile")
    text = "; ".join(facts["compilers"])
    fix = "gcc, g++ and Python's headers on the nodes (module load gcc; python3-dev), "
    fix += "or CC and CXX; or tuning: {attention: sdpa, offload: none}"
    return (failed if expected.compiles and not expected.sdm else note)(check, text, fix)


def gpus(facts: dict[str, Any], request: ResourceRequest, device: str) -> Outcome:
    """Compares the GPUs that a job sees with those it asked for."""
    check = f"{facts['node']}: GPUs"
    asked = request.gpus // request.nodes
    dealt = facts["devices"]
    given = len([name for name in (dealt or "").split(",") if name])
    if dealt is not None and given != asked:
        fix = "ask the site how a job's GPUs are named (gpu, gpu_model or gres in the profile)"
        return failed(check, f"CUDA_VISIBLE_DEVICES={dealt}, {asked} were asked for", fix)
    usable = facts["torch_devices"]
    if usable == asked:
        return ok(check, f"{usable} of {asked} are usable")
    text = f"{asked} were allocated ({dealt}), torch can use {usable}"
    fix = "a CUDA build of torch (TORCH_OPTIONS of make envs) and a driver that fits it"
    if device == "cuda":
        return failed(check, text, fix)
    return note(check, f"{text}; training would use cores", f"{fix}; tuning.device: cuda refuses")


def network(facts: dict[str, Any], dag: Dag) -> Outcome:
    """Tells of a node's network; only a tracking server that jobs must reach can be at fault."""
    check, uri = f"{facts['node']}: network", dag.tracking_uri()
    if uri in facts["unreachable"]:
        found = f"cannot reach {urlsplit(uri).hostname}: curves will appear when the study ends"
        fix = "tracking: {live: false} if that is intended, or allow the connection"
        return note(check, found, fix)
    state = "there" if facts["route"] and not facts["unreachable"] else "none"
    hub = "off" if facts["offline"] == "1" else "not switched off (HF_HUB_OFFLINE)"
    return ok(check, f"{state} (downloads run where Snakemake runs); model hub: {hub}")


def answers(folder: Path, name: str, count: int, seconds: float) -> list[Path]:
    """Waits for the files of a probe's tasks; returns those that came."""
    end = time.monotonic() + seconds
    while True:
        found = sorted(folder.glob(f"{name}-*.json"))
        if len(found) >= count or time.monotonic() > end:
            return found
        time.sleep(0.2)
