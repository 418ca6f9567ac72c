"""Slows a training's later steps; Python imports this file where its folder is in PYTHONPATH.

A fast machine does many steps before a strike is noticed. After the first ``BRAKE_FREE`` steps of
an attempt, each waits ``BRAKE_SECONDS`` in the call with which a worker looks for its launcher,
once a step: so a strike costs few steps, however fast the machine.
"""

import os
import sys
import time

FREE = int(os.environ.get("BRAKE_FREE", "10"))
SECONDS = float(os.environ.get("BRAKE_SECONDS", "0.2"))

if "bayling_study.stages.tuning.worker" in sys.orig_argv:
    parent = os.getppid
    calls = 0

    def slow_parent() -> int:
        global calls
        calls += 1
        if calls > FREE:
            time.sleep(SECONDS)
        return parent()

    os.getppid = slow_parent
