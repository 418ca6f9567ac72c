"""Beam search as transformers has it by default: length penalty 1, no early stopping. A search goes
on until the best unfinished beam, by its mean log-probability so far, is no better than the worst
of as many finished ones. transformers computes each prompt once a beam, and every search of a batch
until the last one is over; here a prompt is computed once, and a search that is over leaves the
batch. Scores are added up in the same order, so answers are the same."""

import itertools

import torch
from torch import Tensor
from torch.nn.functional import pad

from bayling_study.stages.generation.token_loop import Row, TokenLoop

LOW = -1e9  # takes a beam out of the running, as transformers does it


class BeamSearch(TokenLoop):
    """The beams of a batch's searches, which lie side by side in the cache."""

    def run(self, beams: int) -> list[Row]:
        """Returns the rows with each one's best answer, and the token that ended it."""
        searches, count = self.rows, len(self.rows)
        stops = torch.tensor(sorted(self.stops), device=self.ids.device)
        limits = torch.tensor([[row.request.limit] for row in searches], device=stops.device)
        running = torch.full((count, beams), LOW, device=stops.device)
        running[:, 0] = 0.0  # in the first step all beams are the same
        found, over = torch.full_like(running, LOW), torch.zeros_like(running, dtype=torch.bool)
        written = stops.new_empty(count, beams, 0)
        finished = written.clone()
        logits = self.logits().repeat_interleave(beams, dim=0)
        self.select(torch.arange(count, device=stops.device).repeat_interleave(beams))
        for length in itertools.count(1):
            scores = logits.log_softmax(dim=-1, dtype=torch.float32)
            scores = scores.unflatten(0, (-1, beams)) + running.unsqueeze(-1)
            # Even if every stop follows every beam, as many beams are left.
            top, places = scores.flatten(1).topk((len(stops) + 1) * beams)
            origins, tokens = places // scores.shape[-1], places % scores.shape[-1]
            hits = torch.isin(tokens, stops) | (length == limits)
            longer = torch.cat([_taken(written, origins), tokens.unsqueeze(-1)], dim=-1)
            ends = hits & (torch.arange(top.shape[1], device=stops.device) < beams)
            merged = torch.cat([found, top / length + ~ends * LOW], dim=1)
            found, best = merged.topk(beams)
            over = torch.cat([over, ends], dim=1).gather(1, best)
            old = pad(finished, (0, 1), value=int(stops[0]))
            finished = _taken(torch.cat([old, longer], dim=1), best)
            running, kept = (top + hits * LOW).topk(beams)
            worst = torch.where(over, found.min(dim=1, keepdim=True).values, LOW)
            going = (running[:, :1] / length > worst).any(dim=1) & ~hits.all(dim=1)
            for place in (~going).nonzero().flatten().tolist():
                searches[place].answer = finished[place, 0].tolist()
            left = going.nonzero().flatten()
            if not len(left):
                break
            searches = [searches[place] for place in left.tolist()]
            origins, kept = origins[left], kept[left]
            parents = left.unsqueeze(-1) * beams + origins.gather(1, kept)
            self.select(parents.flatten())
            self.append(tokens[left].gather(1, kept).flatten())
            written = _taken(longer[left], kept)
            running, found, over, finished = running[left], found[left], over[left], finished[left]
            limits = limits[left]
            logits = self.logits()
        return self.rows


def _taken(rows: Tensor, places: Tensor) -> Tensor:
    """Returns of each search's rows ``(searches, rows, tokens)`` those of its places."""
    return rows.gather(1, places.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))
