"""COMET: one model load for all systems of a study, and the small model of the embedded study.

unbabel-comet pins older majors of several packages, so it lives in an environment of its own and
this package is a program with files in and out (``python -m bayling_study.scoring.comet``). It
imports the standard library, numpy, torch and unbabel-comet, and of this project only modules
that need no more than the standard library.

``score`` encodes each distinct source, reference and hypothesis once, with the model's own
``get_sentence_embedding`` and ``estimate``; ``train`` makes the model that is reported as
``comet-embedded``.
"""
