"""One process of a training run: ``python -m bayling_study.stages.tuning.worker JOB``. After every
step all processes agree, in the all-reduce that sums the loss, on whether to save and whether to
stop, so that a signal to one of them stops all at the same step."""

import os

LAUNCHER = os.getppid()  # before the slow imports: a launcher that dies meanwhile is noticed

import itertools
import math
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed

from bayling_study.core.disk import bytes_in, check_space
from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import derive_seed
from bayling_study.shared import token_set
from bayling_study.shared.sizing.memory import packed_length
from bayling_study.stages.tuning import checkpoints, curriculum, output, states
from bayling_study.stages.tuning.alignment import Aligner
from bayling_study.stages.tuning.attention import NAMES, filled, kernel
from bayling_study.stages.tuning.engine import gather_weights, gradient_norm, start_engine
from bayling_study.stages.tuning.job import TrainingJob, report
from bayling_study.stages.tuning.memory import TRIM_STEPS, MemoryCheck, release_free_memory
from bayling_study.stages.tuning.packing import Schedule
from bayling_study.stages.tuning.processes import local_device, sole_writer, start_processes
from bayling_study.stages.tuning.progress import StepNumbers, TrainingMeter, Utilisation
from bayling_study.stages.tuning.resources import model_shape
from bayling_study.stages.tuning.schedule import learning_rate
from bayling_study.stages.tuning.sequences import build_sequence, sequence_loss

STILL_STEPS = 10
"""Steps in a row after which a gradient of exactly 0 is a failure; at the end one is enough."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)


class Worker:
    """A process's share of the run; all methods are called by all processes together."""

    def __init__(self, job: TrainingJob) -> None:
        self.job = job
        self.settings = job.settings
        self.rank = torch.distributed.get_rank()
        self.processes = torch.distributed.get_world_size()
        self.device = local_device()
        chosen = kernel(self.settings, self.device.type == "cuda")
        self.attention = NAMES[chosen]
        self.tokens = token_set.load(job.tokens)
        flash = self.attention == "flash_attention_2"  # it knows no shared start
        phases = curriculum.configured(self.settings, job.folder, self.tokens.lengths, job.seed)
        self.schedule = Schedule(
            self.tokens.lengths,
            order=phases.order if phases else None,
            batch=self.settings.batch,
            batch_tokens=self.settings.batch_tokens,
            epochs=self.settings.epochs,
            max_steps=self.settings.max_steps,
            capacity=packed_length(self.settings),
            prefixes=None if flash else self.tokens.prefixes,
            processes=self.processes,
            seed=job.seed,
        )
        self.store = checkpoints.Checkpoints(job.folder, self.settings.keep_checkpoints)
        shape = model_shape(Path(job.foundation))
        self.memory = MemoryCheck(shape, self.settings, self.processes, chosen)
        about = self.settings.precision, self.processes, self.settings.adapter
        self.utilisation = Utilisation.of(shape, *about)
        self.engine = start_engine(job.foundation, self.settings, self.attention, job.seed)
        asked, layers = self.settings.alignment, self.engine.module.config.num_hidden_layers
        self.aligner = Aligner(asked, job.folder, layers, self.device, job.seed) if asked else None
        self.signalled = False
        self.still = 0

    def note_signal(self, number: int, frame: FrameType | None) -> None:
        """Notes that training is to stop after its step."""
        self.signalled = True

    def run(self) -> bool:
        """Trains to the last step and writes the result; returns false if stopped earlier."""
        self._check_space()
        done = self._resume()
        first = self.rank == 0
        progress = TrainingMeter(self.schedule.steps, done, self.utilisation) if first else None
        saved = time.monotonic()
        for step in range(done, self.schedule.steps):
            loss, stop, save = self._backward(step, saved)
            numbers = self._update(step, loss, self._align(step) if self.aligner else None)
            if self.device.type == "cpu" and step % TRIM_STEPS == 0:
                release_free_memory()
            if progress is not None:
                metrics = progress.metrics(numbers)
                progress.show(metrics)
                report(self.job.events, "step", step=numbers.step, values=metrics)
            last = step + 1 == self.schedule.steps
            if stop or save or last:
                self._save(step + 1)
                saved = time.monotonic()
            if stop and not last:
                return False
        if self.rank == 0:
            report(self.job.events, "memory", values=self.memory.result() | self._cost())
        self._write_output()
        return True

    def _backward(self, step: int, saved: float) -> tuple[float, bool, bool]:
        """Sums gradients of the step's mean loss; returns it and whether to stop and to save."""
        supervised = self._supervised(step)
        total = torch.zeros((), dtype=torch.float64)
        torch.manual_seed(derive_seed(self.job.seed, "tuning", str(step), str(self.rank)))
        for packed in self.schedule.sequences(step)[self.rank]:
            conversations = [self.tokens.conversation(index) for index in packed]
            sequence = build_sequence(conversations, self.device, self.schedule.prefix(packed))
            self.memory.note(sequence.tokens.shape[1], sequence.supervised)
            loss = sequence_loss(self.engine, sequence, self.attention)
            total += loss.detach().double().cpu()
            # DeepSpeed averages over processes; the mean here is over the step's tokens.
            self.engine.backward(loss * (self.processes / supervised))
        due = self.rank == 0 and time.monotonic() - saved >= 60 * self.settings.checkpoint_minutes
        values = [total.item(), float(self._wants_stop()), float(due)]
        flags = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(flags)
        summed, stop, save = flags.tolist()
        return summed / supervised, stop > 0, save > 0

    def _align(self, step: int) -> float:
        """Adds the gradients of the step's pairs; returns their loss without its weight."""
        assert self.aligner is not None
        loss = self.aligner.loss(self.engine, step, self.attention)
        self.memory.note(self.aligner.pairs.length(step), 1)
        # All processes have the same loss, so their average is the loss.
        self.engine.backward(loss * self.aligner.settings.weight)
        return float(loss.detach())

    def _cost(self) -> dict[str, int]:
        """Returns what all steps of the run sent through the model, earlier attempts' too.
        ``forward_passes`` counts texts: conversations, and two for each pair of the alignment."""
        steps = range(self.schedule.steps)
        passes = sum(len(self.schedule.conversations(step)) for step in steps)
        if self.aligner is None:
            return {"forward_passes": passes}
        passes += 2 * self.aligner.pairs.count * len(steps)
        tokens = sum(map(self.aligner.pairs.length, steps))
        return {"forward_passes": passes, "alignment_tokens": tokens}

    def _supervised(self, step: int) -> int:
        supervised = self.tokens.supervised
        return sum(supervised[index] for index in self.schedule.conversations(step))

    def _update(self, step: int, loss: float, aligned: float | None) -> StepNumbers:
        """Does the optimiser step; returns what the step did over all processes (``StudyError``
        names the conversations if the loss or the gradient is not finite; also if the gradient was
        exactly 0 for ``STILL_STEPS`` steps, or at the end)."""
        self._check_finite(step, loss, "loss")
        self._check_finite(step, aligned or 0.0, "alignment loss")
        rate = learning_rate(self.settings, step, self.schedule.steps)
        for group in self.engine.optimizer.param_groups:
            group["lr"] = rate
        self.engine.step()
        norm = gradient_norm(self.engine)
        self._check_finite(step, norm, "gradient norm")
        self._check_moving(step, loss, norm)
        shares = self.schedule.sequences(step)
        lengths = [self.schedule.tokens(sequence) for share in shares for sequence in share]
        full, shared = self.tokens.lengths, self.schedule.prefixes
        return StepNumbers(
            step=step + 1,
            loss=loss,
            alignment_loss=aligned,
            grad_norm=norm,
            learning_rate=rate,
            padded=sum(max(1, filled(length, self.attention)) for length in lengths),
            real=sum(lengths),
            supervised=self._supervised(step),
            pairs=sum(full[n] ** 2 - shared[n] ** 2 for n in self.schedule.conversations(step)),
        )

    def _check_finite(self, step: int, value: float, what: str) -> None:
        if not math.isfinite(value):
            names = [self.tokens.names[index] for index in self.schedule.conversations(step)]
            told = f"the {what} of step {step + 1} is {value}; its conversations: "
            fix = "lower tuning.learning_rate, or look at these conversations"
            raise StudyError(told + ", ".join(names), fix=fix)

    def _check_moving(self, step: int, loss: float, norm: float) -> None:
        self.still = 0 if norm else self.still + 1
        if self.still == STILL_STEPS or (self.still and step + 1 == self.schedule.steps):
            what = f"the gradient is exactly 0 since step {step + 2 - self.still}, at a loss of "
            what += f"{loss:.4g} in step {step + 1}: the training has diverged"
            fix = "lower tuning.learning_rate, or set tuning.precision: fp32"
            raise StudyError(what, fix=fix)

    def _wants_stop(self) -> bool:
        """A signal, the stop file, the end of the time, or a launcher that is gone."""
        if self.signalled or os.getppid() != LAUNCHER:
            return True
        late = self.job.deadline is not None and time.time() > self.job.deadline
        return self.rank == 0 and (late or self.job.stop_file.exists())

    def _check_space(self) -> None:
        if self.rank == 0:
            trained = (p for p in self.engine.module.parameters() if p.requires_grad)
            count = sum(getattr(p, "ds_numel", p.numel()) for p in trained)
            kept = self.settings.keep_checkpoints + 1
            needed = kept * count * states.STATE_BYTES - bytes_in(self.job.folder)
            fix = "free the disk, or keep_checkpoints: 1"
            check_space(self.job.folder, needed, f"keeping {kept} checkpoints", fix)

    def _save(self, step: int) -> None:
        """Writes a checkpoint; it counts only once it is complete."""
        if self.rank == 0:
            self.store.prepare(step)
        torch.distributed.barrier()
        scratch = self.store.scratch(step)
        states.save(self.engine, scratch)
        torch.distributed.barrier()
        parts: list[Any] = [None] * self.processes
        part = checkpoints.seal(scratch, self.rank, self.processes)
        torch.distributed.all_gather_object(parts, part)
        if self.rank == 0:
            manifest = checkpoints.Manifest(
                step=step,
                position=self.schedule.position(step),
                processes=self.processes,
                seed=self.job.seed,
                data=self.tokens.digest,
                code=self.job.code,
                files=sorted(itertools.chain(*parts), key=lambda file: file.path),
            )
            self.store.commit(manifest)
            report(self.job.events, "saved", step=step)
        torch.distributed.barrier()

    def _resume(self) -> int:
        """Loads the newest checkpoint that verifies; returns the steps that are done."""
        found: list[Any] = [None]
        if self.rank == 0:
            manifest, notes = self.store.newest(self.tokens.digest)
            for note in notes:
                report(self.job.events, "note", text=note)
            found = [manifest.step if manifest else 0]
            report(self.job.events, "started", step=found[0], steps=self.schedule.steps)
            own = (self._supervised(step) for step in range(self.schedule.steps))
            counts = {"trained_tokens": self.schedule.trained(), "trained_supervised": sum(own)}
            report(self.job.events, "totals", values=counts)
        torch.distributed.broadcast_object_list(found)
        step = int(found[0])
        if step:
            folder = self.job.folder / checkpoints.name(step)
            states.load(self.engine, folder, step)
        return step

    def _write_output(self) -> None:
        dtype = torch.bfloat16 if self.settings.output_dtype == "bf16" else torch.float32
        weights = gather_weights(self.engine, dtype)
        if self.rank == 0:
            output.write(self.job, weights, dtype)
        torch.distributed.barrier()


def main() -> int:
    """Runs the job named on the command line; returns the exit status."""
    job = TrainingJob.read(Path(sys.argv[1]))
    first = os.environ["RANK"] == "0"
    try:
        start_processes()
        with sole_writer(job) if first else nullcontext():
            worker = Worker(job)
            for number in STOP_SIGNALS:
                signal.signal(number, worker.note_signal)
            finished = worker.run()
            if first:
                report(job.events, "finished" if finished else "interrupted")
    except StudyError as error:
        print(f"process {os.environ['RANK']}: {error.render()}", file=sys.stderr)
        report(job.events, "failed", what=error.what, where=error.where, fix=error.fix)
        return 1
    torch.distributed.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
