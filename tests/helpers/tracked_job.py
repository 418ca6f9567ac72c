"""A job that only logs: ``python tracked_job.py STUDY NAME URI POINTS SECONDS_A_POINT``."""

import sys
import time
from pathlib import Path

from bayling_study.tracking.live import LiveRun
from bayling_study.tracking.record import run_record

study, name, uri = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
points, pause = int(sys.argv[4]), float(sys.argv[5])
path = study / "runs" / "tuning" / f"{name}.json"
with run_record(path, "tuning", name, study.name, "c0de") as run:
    run.parameters({"tuning": {"learning_rate": 2e-5}})
    live = LiveRun(uri, study.resolve(), path, seconds=1.0)
    for step in range(points):
        run.metrics({"loss": 1.0 / (step + 1)}, step=step)
        run.flush()
        time.sleep(pause)
    live.close()
