"""Checks of a tuned system's hyper-parameters that span keys."""

from typing import cast

from pydantic import ValidationError

from bayling_study.config.lowcost import Phase
from bayling_study.config.model import StudyConfig
from bayling_study.config.names import RENAMED
from bayling_study.config.systems import TunedSystem
from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError


def check_tuning(config: StudyConfig, name: str, key: str) -> None:
    """Checks what a tuned system is trained with: the section ``tuning`` and its own keys
    (``StudyError``: the key, what is wrong and what to write)."""
    own = cast(TunedSystem, config.systems[name]).tuning
    try:
        tuning = config.tuning_of(name)
    except ValidationError as error:
        finding = error.errors()[0]
        own_key = ".".join(["tuning", *map(str, finding["loc"])])
        moved = RENAMED.get(own_key)
        what = f"{finding['msg']} (got {finding['input']!r})"
        if moved:
            what = f"this key is now called systems.{name}.{moved}; write its value there"
        raise StudyError(what, where=f"{key}.{name}.{own_key}") from error
    where = f"{key}.{name}.tuning" if own else "tuning"
    _check_adapter(tuning, where)
    _check_curriculum(tuning, where)


def _check_adapter(tuning: TuningSection, where: str) -> None:
    """Checks that DeepSpeed need not share out weights in 4 bits, nor move them away."""
    four_bits = tuning.adapter is not None and tuning.adapter.kind == "qlora"
    if four_bits and tuning.zero_stage == 3:
        what = "ZeRO 3 cannot share out weights in 4 bits"
        raise StudyError(what, where=f"{where}.zero_stage", fix="zero_stage: 2")
    if four_bits and tuning.offload == "all":
        what = "weights in 4 bits cannot be offloaded"
        raise StudyError(what, where=f"{where}.offload", fix="offload: optimizer")


def _check_curriculum(tuning: TuningSection, where: str) -> None:
    """Checks that phases follow each other to the end and that they count conversations."""
    phases = tuning.curriculum
    ends = [phase.until for phase in phases]
    if phases and (ends != sorted(set(ends)) or ends[-1] != 1.0):
        what = f"the phases end at {', '.join(f'{end:g}' for end in ends)}"
        fix = f"ascending ends, the last one 1.0: curriculum: {_spread(phases)}"
        raise StudyError(what, where=f"{where}.curriculum", fix=fix)
    if phases and tuning.batch_tokens is not None:
        what = "phases are shares of conversations, so a step must be a number of conversations"
        fix = f"batch: {tuning.batch}, without batch_tokens"
        raise StudyError(what, where=f"{where}.batch_tokens", fix=fix)


def _spread(phases: list[Phase]) -> str:
    """Returns the phases' shares in their order with even ends, as YAML."""
    parts = [
        f"{{until: {number / len(phases):.3g}, non_english: {phase.non_english:g}}}"
        for number, phase in enumerate(phases, 1)
    ]
    return f"[{', '.join(parts)}]"
