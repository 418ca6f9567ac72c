"""Snakemake finds logger plugins by the name of a package: ``--logger lines`` is this one."""

from bayling_study.commands.running.handler import LogHandler

__all__ = ["LogHandler"]
