"""As much of Snakemake's workflow as the study's entry asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake_interface_executor_plugins.settings import SharedFSUsage


def main_workflow(*files: Path, given: Mapping[str, Any] | None = None) -> SimpleNamespace:
    """Returns a main workflow that was started with config files and values of ``--config``."""
    nothing = SimpleNamespace(prefix=None, _prefix_replacements=None)
    usage = SharedFSUsage.all()
    return SimpleNamespace(
        modifier=SimpleNamespace(is_main_snakefile=lambda: True, path_modifier=nothing),
        storage_settings=SimpleNamespace(shared_fs_usage=usage, default_storage_provider=None),
        deployment_settings=SimpleNamespace(deployment_method=set()),
        config_settings=SimpleNamespace(config=dict(given or {})),
        configfiles=list(files),
        remote_exec=True,
    )
