"""A job that only logs, until told to end: ``python tracked_job.py STUDY NAME URI STOP-FILE``."""

import sys
import time
from pathlib import Path

from bayling_study.shared.tracking.live import LiveRun
from bayling_study.shared.tracking.record import run_record

PAUSE, MOST = 0.25, 4000
study, name, uri, stop = Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])
path = study / "runs" / "tuning" / f"{name}.json"
with run_record(path, "tuning", name, study.name, "c0de") as run:
    run.parameters({"tuning": {"learning_rate": 2e-5}})
    live = LiveRun(uri, study.resolve(), path, seconds=1.0)
    for step in range(MOST):
        run.metrics({"loss": 1.0 / (step + 1)}, step=step)
        run.flush()
        time.sleep(PAUSE)
        if stop.exists():
            break
    live.close()
