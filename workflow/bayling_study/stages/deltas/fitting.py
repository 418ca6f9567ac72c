"""Which tensors of a base and of a target belong together."""

from bayling_study.core.errors import StudyError
from bayling_study.shared.checkpoints.reading import Checkpoint


def check_fit(base: Checkpoint, other: Checkpoint) -> None:
    """Checks that another checkpoint (a target or a delta) has the base's tensors.

    Embedding and output layer may have more rows than the base: words that were
    added to the vocabulary.

    Raises:
        StudyError: names the first tensor that is only on one side or of another shape.
    """
    alone = sorted(set(base.entries) ^ set(other.entries))
    if alone:
        side = base if alone[0] in base.entries else other
        raise StudyError(f"only one side has the tensor {alone[0]!r}", where=side.folder)
    vocabulary = vocabulary_tensors(other)
    for name, entry in other.entries.items():
        mine = base.entries[name].shape
        longer = entry.shape[0] >= mine[0] and entry.shape[1:] == mine[1:]
        if entry.shape != mine and not (name in vocabulary and longer):
            raise StudyError(
                f"the tensor {name!r} has the shape {entry.shape}, the base has {mine}",
                where=other.folder,
                fix="give the base that the model was tuned from",
            )


def vocabulary_tensors(checkpoint: Checkpoint) -> set[str]:
    """Returns the names of the tensors with a row for each word."""
    model = checkpoint.model
    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    named = model.named_modules()
    return {f"{name}.weight" for name, module in named if any(module is one for one in layers)}
