"""Snakemake finds schedulers by the name of a package: ``--scheduler patient`` is this one."""

from bayling_study.commands.running.patient import Scheduler

__all__ = ["Scheduler"]
