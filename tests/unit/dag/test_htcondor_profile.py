"""What reaches HTCondor of a study's jobs, and how a signal reaches all of one."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import yaml
from snakemake.resources import Resources

from bayling_study.dag import htcondor
from helpers import ROOT

PROFILE = ROOT / "config" / "profiles" / "htcondor"


def evaluated(resources: Resources, attempt: int) -> dict:
    given = {"input": [], "attempt": attempt, "threads": 1, "rulename": "x", "async_run": None}
    found = {name: resources[name].evaluate({}, **given).value for name in resources}
    return {name: value for name, value in found.items() if value is not None}


def completed(attempt: int = 1, **changes: object) -> dict:
    """Returns a rule's resources in an attempt, beside the profile's defaults."""
    text = (PROFILE / "config.yaml").read_text()
    defaults = yaml.safe_load(text)["default-resources"] | changes
    lines = [f"{name}={value}" for name, value in defaults.items()]
    rule = SimpleNamespace(resources=Resources.parse(lines, allow_expressions=True))
    htcondor.complete([rule], "tiny")
    return evaluated(rule.resources, attempt)


def test_each_job_has_the_studys_mark():
    assert completed()["classad_BaylingStudy"] == "tiny"


@pytest.mark.parametrize(
    ("attempt", "written", "given"),
    [
        (1, {}, (4000, 4000, None, 3600)),
        (2, {}, (8000, 4000, None, 7200)),
        (1, {"gpu": 8, "runtime": "8h", "disk_mb": 20000}, (4000, 20000, 8, 28800)),
        (1, {"gpu": 0}, (4000, 4000, None, 3600)),
        (2, {"mem_mb": "min(256000 * attempt, 500000)"}, (500000, 4000, None, 7200)),
        (1, {"request_gpus": 2, "gpu": 8}, (4000, 4000, 2, 3600)),
        (1, {"htcondor_request_mem_mb": 7}, (7, 4000, None, 3600)),
        (1, {"allowed_execute_duration": 60}, (4000, 4000, None, 60)),
    ],
)
def test_memory_disk_gpus_and_time_have_the_plugins_names(attempt, written, given):
    found = completed(attempt, **written)
    names = ("htcondor_request_mem_mb", "htcondor_request_disk_mb", "request_gpus")
    assert tuple(map(found.get, (*names, "allowed_execute_duration"))) == given


def test_a_profile_without_the_mark_stays_as_it_is():
    rule = SimpleNamespace(resources=Resources.from_mapping({"mem_mb": 1, "runtime": 2}))
    htcondor.complete([rule], "tiny")
    assert set(rule.resources) == {"mem_mb", "runtime"}


def test_a_held_job_is_removed_by_an_expression():
    found = completed(held_seconds="900 + attempt")["htcondor_submit_periodic_remove"]
    written = f'"{found}"'  # as the plugin writes every text
    assert written.startswith('"" == "" && JobStatus == 5') and written.endswith('"" == ""')
    assert "time() - EnteredCurrentStatus > 901" in written
    assert "HoldReasonCode =!= 1" in written, "what a person holds stays"


def test_held_jobs_go_after_the_pool_has_had_its_time_to_end_them():
    values = yaml.safe_load((PROFILE / "config.yaml").read_text())
    held = values["default-resources"]["held_seconds"]
    assert 600 < held < values["htcondor-held-timeout"]


def test_the_wrapper_hands_a_signal_on_to_every_process_and_waits(tmp_path):
    told = tmp_path / "told"
    # As Snakemake: takes the signal itself and waits for its job, which saves when told.
    inner = (
        f"trap 'sleep 0.5; echo saved >> {told}; exit 0' TERM; echo on >> {told}; sleep 60 & wait"
    )
    outer = "import signal, subprocess, sys; signal.signal(signal.SIGTERM, lambda *_: None);"
    outer += f"sys.exit(subprocess.call(['sh', '-c', {inner!r}]) + 3)"
    job = subprocess.Popen([PROFILE / "job.sh", sys.executable, "-c", outer])
    end = time.monotonic() + 20
    while not told.exists() and time.monotonic() < end:
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    assert job.wait(20) == 3
    assert told.read_text().split() == ["on", "saved"]


def test_the_wrapper_ends_with_the_status_of_its_job():
    assert subprocess.run([PROFILE / "job.sh", "sh", "-c", "exit 7"]).returncode == 7
    assert os.access(PROFILE / "job.sh", os.X_OK)
