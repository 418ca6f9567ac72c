"""Loading a COMET model without running anything from the file. As ``comet.load_from_checkpoint``
does it, but the file is read with ``weights_only``, the encoder's folder replaces the checkpoint's
absolute path, and a weight that the file lacks is an error."""

import inspect
import pickle
from importlib import metadata
from typing import Any

import torch
from comet.models import CometModel, str2model

from bayling_study.core.errors import StudyError
from bayling_study.stages.comet.checkpoint import CometCheckpoint

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load_model(checkpoint: CometCheckpoint, precision: str) -> CometModel:
    """Builds the model for inference, on a granted GPU or the CPU (``StudyError`` if unfit).
    ``fp32`` is COMET's own definition. ``fp16`` runs everything in half precision, as the program
    ``comet-score`` of unbabel-comet 2.2.7 does; its scores are multiples of 2^-11 near 1. ``bf16``
    is of the encoder; the estimator runs in fp32, or scores would have two digits."""
    content = read_weights(checkpoint)
    model = build(checkpoint, content["hyper_parameters"])
    found = model.load_state_dict(content["state_dict"], strict=False)
    if found.missing_keys:
        what = f"{len(found.missing_keys)} weights are missing, first {found.missing_keys[0]}"
        raise StudyError(what, where=checkpoint.file)
    if precision == "fp16":
        model.half()
    else:
        model.encoder.to(DTYPES[precision])
        for head in (model.estimator, getattr(model, "hidden2tag", None)):
            if head is not None:
                head.register_forward_pre_hook(lambda _, given: tuple(x.float() for x in given))
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def read_weights(checkpoint: CometCheckpoint) -> dict[str, Any]:
    """Reads a file as tensors and plain values (``StudyError`` if it holds what could be code)."""
    checkpoint.hparams  # noqa: B018  an unfit model class is reported before 2 GB are read
    checkpoint.verify()
    try:
        return dict(torch.load(checkpoint.file, map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        what = f"cannot be read as plain weights ({str(error).splitlines()[0]})"
        fix = "a checkpoint that holds only tensors, numbers and text; nothing else is loaded"
        raise StudyError(what, where=checkpoint.file, fix=fix) from error


def build(checkpoint: CometCheckpoint, hyper_parameters: dict[str, Any]) -> CometModel:
    """Returns an untrained model, offline (``StudyError`` if the encoder is not on the machine)."""
    kind = str2model[checkpoint.identifier]
    known = inspect.signature(kind.__init__).parameters
    values = {key: value for key, value in hyper_parameters.items() if key in known}
    values |= {"train_data": [], "validation_data": []}
    values |= {"load_pretrained_weights": False, "local_files_only": True}
    if checkpoint.encoder is not None:
        values["pretrained_model"] = str(checkpoint.encoder)
    try:
        return kind(**values)
    except OSError as error:
        what = f"the encoder {values['pretrained_model']!r} is not on this machine"
        fix = "--encoder DIR, a folder with its config.json and tokenizer files"
        raise StudyError(what, where=checkpoint.file, fix=fix) from error


def signature(checkpoint: CometCheckpoint, precision: str) -> str:
    """Returns all that decides a score, in sacreBLEU's ``key:value|…`` style."""
    parts = {
        "metric": checkpoint.metric,
        "model": checkpoint.hash[:16],
        "class": checkpoint.identifier,
        "precision": precision,
        "unbabel-comet": metadata.version("unbabel-comet"),
    }
    return "|".join(f"{key}:{value}" for key, value in parts.items())
