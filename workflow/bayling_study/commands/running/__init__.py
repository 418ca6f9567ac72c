"""What a run shows while Snakemake works: one line per job, and what is left of the whole.
``handler`` is a logger plugin (``--logger lines``), so that errors, exit codes and Ctrl-C stay
Snakemake's own; ``patient`` is a scheduler plugin for one machine. ``run`` follows the messages,
``costs`` are what jobs are expected to take, ``estimate`` makes of both what is left."""
