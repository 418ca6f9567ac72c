"""Judges what probes found."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bayling_study.config.systems import EndpointSystem, PublishedSystem
from bayling_study.dag import Dag
from bayling_study.errors import StudyError
from bayling_study.plan.disk import check_disk, disk_needs, existing
from bayling_study.plan.downloads import downloads
from bayling_study.plan.shapes import foundation_model, foundation_of
from bayling_study.preflight.outcome import Outcome, failed, note, ok
from bayling_study.preflight.probe import reachable
from bayling_study.profiles import Request


def on_node(facts: dict[str, Any], request: Request, dag: Dag, token: str) -> Iterator[Outcome]:
    """Judges one node's probe.

    Args:
        facts: what the probe wrote.
        request: what its job asked for.
        dag: the study.
        token: what was written to the shared folder just before.
    """
    node = facts["node"]
    if facts["token"] == token:
        yield ok(f"{node}: shared files", "the node sees what was written here, and we its answer")
    else:
        yield failed(
            f"{node}: shared files",
            "the node sees an old or no version of a file that was renamed into place here",
            "put study.results and study.resources on a file system that all nodes share",
        )
    if facts["missing"]:
        yield failed(
            f"{node}: environment",
            f"no {', '.join(facts['missing'])}",
            "make envs on a file system that the nodes share, or snakemake --sdm conda|apptainer",
        )
    else:
        yield ok(f"{node}: environment", "all packages are found")
    if facts["comet"]:
        yield failed(f"{node}: COMET", facts["comet"], "make envs; or environments.comet_python")
    if request.gpus:
        yield gpus(facts, request, dag.config.tuning.device)
    yield network(facts, dag)


def gpus(facts: dict[str, Any], request: Request, device: str) -> Outcome:
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
    text = f"{asked} were dealt ({dealt}), torch can use {usable}"
    fix = "a CUDA build of torch (TORCH_OPTIONS of make envs) and a driver that fits it"
    if device == "cuda":
        return failed(check, text, fix)
    return note(check, f"{text}; training would use cores", f"{fix}; tuning.device: cuda refuses")


def network(facts: dict[str, Any], dag: Dag) -> Outcome:
    """Tells of a node's network; only a tracking server that jobs must reach can be at fault."""
    check, uri = f"{facts['node']}: network", dag.tracking_uri()
    if uri in facts["unreachable"]:
        return note(
            check,
            f"no way to {urlsplit(uri).hostname}: curves appear when the study ends",
            "tracking: {live: false} says so; or open the way",
        )
    state = "there" if facts["route"] and not facts["unreachable"] else "none"
    hub = "off" if facts["offline"] == "1" else "not switched off (HF_HUB_OFFLINE)"
    return ok(check, f"{state} (downloads run where Snakemake runs); model hub: {hub}")


def here(dag: Dag) -> Iterator[Outcome]:
    """Checks this machine: disk, tracking store, network for downloads."""
    yield disk(dag)
    yield tracking(dag)
    missing = [one for one in downloads(dag.layout) if one.state == "missing"]
    if not missing:
        yield ok("downloads", "all sources are there")
    for url in addresses(dag):
        if missing and not reachable(url):
            host = urlsplit(url).hostname
            yield failed(
                "downloads",
                f"no way to {host} from here",
                "run make fetch where there is a network, or download.mirrors / download.local",
            )


def addresses(dag: Dag) -> list[str]:
    """Returns one URL for each host that the study downloads from."""
    rows = (one.row for one in downloads(dag.layout) if one.state == "missing")
    urls = (row.location for row in rows if "://" in row.location)
    return list({urlsplit(url).hostname: url for url in urls}.values())


def disk(dag: Dag) -> Outcome:
    """Compares the disk with the plan."""
    layout = dag.layout
    shapes = {
        name: foundation_model(layout, foundation_of(dag.config, name)).shape
        for name, system in dag.config.systems.items()
        if not isinstance(system, PublishedSystem | EndpointSystem)
    }
    free = shutil.disk_usage(existing(layout.study)).free / 1e9
    try:
        check_disk(disk_needs(layout, downloads(layout), shapes))
    except StudyError as error:
        return failed("disk", f"{error.where}: {error.what}", error.fix or "")
    return ok("disk", f"{free:.0f} GB are free (quota -s shows yours); make plan shows the need")


def tracking(dag: Dag) -> Outcome:
    """Checks that the tracking store can be reached from here, where it is written."""
    uri = dag.tracking_uri()
    if not uri.startswith(("http://", "https://")):
        return ok("tracking", "a file of the study")
    if reachable(uri):
        return ok("tracking", f"{urlsplit(uri).hostname} answers")
    return failed(
        "tracking",
        f"{urlsplit(uri).hostname} does not answer",
        "tracking.uri; leave it out for a file of the study and send it later (make track)",
    )


def answers(folder: Path, name: str, count: int, seconds: float) -> list[Path]:
    """Waits for the files of a probe's tasks; returns those that came."""
    end = time.monotonic() + seconds
    while True:
        found = sorted(folder.glob(f"{name}-*.json"))
        if len(found) >= count or time.monotonic() > end:
            return found
        time.sleep(0.2)
