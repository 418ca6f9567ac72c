"""Takes the encoded training set of the stage ``masks`` into a training's own folder."""

import shutil
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, link_file, read_json, write_json
from bayling_study.shared.token_set import AUDIT, TOKENS


def adopt(masks: Path, folder: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """Takes what the stage ``masks`` wrote into a training job's folder; returns the audit.

    ``expected`` is ``made_from`` of the training job.

    Raises:
        StudyError: it was made from other data, another tokenizer or with other settings.
    """
    audit: dict[str, Any] = read_json(masks / AUDIT)
    differing = sorted(key for key in expected if audit["made_from"].get(key) != expected[key])
    if differing:
        raise StudyError(f"the encoding is of other {', '.join(differing)}", where=masks)
    if not (folder / AUDIT).exists():
        with atomic_directory(folder / TOKENS) as scratch:
            shutil.copytree(masks / TOKENS, scratch, dirs_exist_ok=True, copy_function=link_file)
        write_json(folder / AUDIT, audit)
    return audit
