"""COMET: one model load for all systems of a study, and the small model of the embedded study.

unbabel-comet pins older majors of several packages, so its programs (``segments`` apart) run in an
environment of their own, with files in and out. They import the standard library, numpy, torch and
unbabel-comet, and of this project modules that need no more than these. ``segments`` draws what the
model learns from, ``training`` makes the one reported as ``comet-embedded``, ``score`` scores.
"""

import os

# No hub is asked for anything; its client reads this when it is imported.
os.environ["HF_HUB_OFFLINE"] = "1"
