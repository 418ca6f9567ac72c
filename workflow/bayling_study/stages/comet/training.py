"""The embedded study's COMET model, by unbabel-comet's own training code, in its environment.

The released checkpoints need a model hub. Without one, a small ``RegressionMetric`` is trained from
random weights on training-side segments with known damage (``degrade``), and proved on held-out
damage. It is called ``comet-embedded``: it measures graded likeness to reference and source, and
knows no human judgement. Writes a checkpoint folder (``checkpoints/model.ckpt``, ``hparams.yaml``,
``encoder/``, ``correlation.json``). ``python -m bayling_study.stages.comet.training --help``.
"""

import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import pytorch_lightning
import torch
import yaml
from comet.models import RegressionMetric
from pytorch_lightning.callbacks import LambdaCallback
from scipy.stats import kendalltau, spearmanr
from torch.utils.data import DataLoader
from transformers.trainer_pt_utils import LengthGroupedSampler

from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, sha256_file, write_json
from bayling_study.core.progress import Progress
from bayling_study.core.records import grouped
from bayling_study.core.seeds import derive_seed
from bayling_study.core.tables import beside
from bayling_study.shared.tracking.record import RunRecord, run_record
from bayling_study.stages.comet.cache import Cache
from bayling_study.stages.comet.checkpoint import MARKER
from bayling_study.stages.comet.dataset import Degraded, read_rows, write_csv
from bayling_study.stages.comet.scorer import Scorer
from bayling_study.stages.comet.settings import EmbeddedSettings, read_training_settings
from bayling_study.stages.comet.tokenizer import create_encoder, train_tokenizer

LOG = logging.getLogger(__name__)
BATCH_TOKENS = 4096  # tokens of one batch of held-out rows

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    segments=cli.path("rows of comet.segments"),
    out=cli.path("checkpoint folder to write"),
)


def main() -> None:
    """Trains, measures and writes the model (``StudyError`` if it cannot rank held-out damage)."""
    options = COMMAND_LINE.parse_args()
    study, seed, settings = read_training_settings(options.settings)
    with run_record(options.record, "comet", "training", study, options.code) as run:
        run.parameters({"embedded": vars(settings), "seed": seed})
        run.input("segments", options.segments)
        rows, held_out = read_rows(options.segments, settings.rows, settings.held_out, seed)
        with atomic_directory(options.out) as folder:
            start = time.monotonic()
            model = fit(rows, folder, settings, seed, run)
            run.metrics({"training_seconds": time.monotonic() - start})
            report = measure(model, held_out)
            write_json(folder / "correlation.json", report)
            run.metrics({key: report[key] for key in ("spearman", "kendall")})
            LOG.info("held-out Spearman %.3f, Kendall %.3f", report["spearman"], report["kendall"])
            if report["spearman"] < (least := settings.min_spearman):
                what = f"held-out Spearman is {report['spearman']:.3f}, less than {least}"
                raise StudyError(what, where="comet.embedded", fix="more rows or epochs")
            save(model, folder)
        run.output("model", options.out)


def fit(
    rows: list[Degraded], folder: Path, settings: EmbeddedSettings, seed: int, run: RunRecord
) -> RegressionMetric:
    """Trains a model, its encoder's files in ``folder/encoder``; on one thread, for sums in another
    order would give other weights from the same seed."""
    torch.set_num_threads(1)
    pytorch_lightning.seed_everything(derive_seed(seed, "comet", "weights") % 2**32)
    encoder = folder / "encoder"
    texts = [text for row in rows for text in (row.triple.source, row.triple.reference)]
    tokenizer = train_tokenizer(dict.fromkeys(texts), settings.vocabulary, encoder)
    create_encoder(encoder, len(tokenizer), settings)
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "train.csv"
        write_csv(data, rows)
        model = RegressionMetric(
            **hyper_parameters(settings), pretrained_model=str(encoder), train_data=[str(data)]
        )
        with Progress("training", settings.epochs, "epochs") as progress:
            _trainer(settings, run, progress).fit(model, batches(model, str(data)))
    # Only its shape and its tokenizer are read from now on; the weights are in the checkpoint.
    (encoder / "model.safetensors").unlink()
    return model.eval()


def batches(model: RegressionMetric, file: str) -> DataLoader:
    """Draws batches of rows of like length, others in each epoch. Of the tokens in a batch that
    unbabel-comet draws, two thirds are padding."""
    rows = model.read_training_data(file)
    texts = ([row[side] for row in rows] for side in ("src", "mt", "ref"))
    tokens = (map(len, model.encoder.tokenizer(side)["input_ids"]) for side in texts)
    lengths = [max(row) for row in zip(*tokens, strict=True)]
    sampler = LengthGroupedSampler(model.hparams.batch_size, lengths=lengths)
    collate = partial(model.prepare_sample, stage="fit")
    return DataLoader(rows, model.hparams.batch_size, sampler=sampler, collate_fn=collate)


def hyper_parameters(settings: EmbeddedSettings) -> dict[str, Any]:
    """Returns the model's hyper-parameters, without paths."""
    rates = dict.fromkeys(("encoder_learning_rate", "learning_rate"), settings.learning_rate)
    sizes = {"batch_size": settings.batch, "hidden_sizes": [2 * settings.hidden, settings.hidden]}
    return {**beside(__file__), **rates, **sizes}


def _trainer(
    settings: EmbeddedSettings, run: RunRecord, progress: Progress
) -> pytorch_lightning.Trainer:
    def note(trainer: pytorch_lightning.Trainer, _: Any) -> None:
        """Notes the loss of an epoch in the run record and on the meter."""
        loss = float(trainer.callback_metrics["train_loss_epoch"])
        run.metrics({"loss": loss}, step=trainer.current_epoch + 1)
        progress.set_postfix_str(f"loss {loss:.4f}", refresh=False)
        progress.update()

    warnings.filterwarnings("ignore", message=".*dataloader.*", category=UserWarning)
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    return pytorch_lightning.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=settings.epochs,
        gradient_clip_val=1.0,
        limit_val_batches=0,  # measured once, at the end, by kind of damage
        num_sanity_val_steps=0,
        callbacks=[LambdaCallback(on_train_epoch_end=note)],
        **dict.fromkeys(off, False),
    )


def measure(model: RegressionMetric, rows: list[Degraded]) -> dict[str, Any]:
    """Returns ``spearman`` and ``kendall`` with the deserved scores over all ``n`` rows, Spearman
    ``by_direction``, and ``by_kind`` of damage the mean score given and deserved."""
    with tempfile.TemporaryDirectory() as scratch:
        scorer = Scorer(model, Cache(Path(scratch)), BATCH_TOKENS)
        scores = scorer.score([row.triple for row in rows])
    pairs = list(zip(rows, scores, strict=True))
    by_direction = {
        direction: {"spearman": _rank(spearmanr, members), "n": len(members)}
        for direction, members in sorted(grouped(pairs, lambda pair: pair[0].direction).items())
    }
    by_kind = {}
    for kind, members in sorted(grouped(pairs, lambda pair: pair[0].kind).items()):
        given, deserved = fmean(score for _, score in members), fmean(r.score for r, _ in members)
        by_kind[kind] = {"given": given, "deserved": deserved, "n": len(members)}
    whole = {"spearman": _rank(spearmanr, pairs), "kendall": _rank(kendalltau, pairs)}
    return {**whole, "n": len(rows), "by_direction": by_direction, "by_kind": by_kind}


def _rank(statistic: Callable[..., Any], pairs: list[tuple[Degraded, float]]) -> float:
    """Returns a rank correlation, 0 where either side does not vary."""
    deserved, given = [row.score for row, _ in pairs], [score for _, score in pairs]
    if len(set(deserved)) < 2 or len(set(given)) < 2:
        return 0.0
    return float(statistic(deserved, given).statistic)


def save(model: RegressionMetric, folder: Path) -> None:
    """Writes the weights, the hyper-parameters and the marker; no path leaves the folder, whose
    layout is unbabel-comet's own: its programs read it too when started there."""
    kept = {key: value for key, value in model.hparams.items() if key != "validation_data"}
    values = {**kept, "pretrained_model": "encoder", "train_data": []}
    version = {"pytorch-lightning_version": pytorch_lightning.__version__}
    content = {"state_dict": model.state_dict(), "hyper_parameters": values, **version}
    (folder / "checkpoints").mkdir()
    file = folder / "checkpoints" / "model.ckpt"
    try:
        torch.save(content, file)
    except RuntimeError as error:  # torch tells of a failed write without its number
        what = "the model could not be written: the disk is full or failed"
        raise StudyError(what, where=file, fix="free some space and start again") from error
    text = yaml.safe_dump(values, sort_keys=True)
    (folder / "hparams.yaml").write_text(text, encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}
    write_json(folder / MARKER, {"schema": 1, "metric": "comet-embedded", "files": hashes})


if __name__ == "__main__":
    cli.run_program(main)
