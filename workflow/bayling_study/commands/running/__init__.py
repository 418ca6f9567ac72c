"""What a run shows while Snakemake works: one line per job, and what is left of the whole.

``handler`` is a logger plugin of Snakemake's (``--logger lines``), so that errors, exit codes and
Ctrl-C stay its own and clusters are shown like this machine; ``lines`` are its words, ``costs``
what each job is expected to take, ``estimate`` what is left.
"""
