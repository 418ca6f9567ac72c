"""bayling-study: rerun the BayLing studies from download to report.

The package knows nothing of Snakemake: every stage is a program
(``python -m bayling_study.STAGE --help``) that reads files and writes files.
"""

__version__ = "0.1.0"
