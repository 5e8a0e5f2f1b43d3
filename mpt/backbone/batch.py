"""Pad the rows of a pack into a batch, cut it into micro-batches, and join padded sequences.

An order ``[N, W]`` says which place of a joined tensor stands at each place of the interleaved one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mpt.backbone.transfer import sent
from mpt.gym.tokens import TokenRow
from mpt.notation import Losses


@dataclass(frozen=True, slots=True)
class Batch:
    """N rows of R runs, padded on the right.

    Attributes:
        input: ids ``[N, T]``; input_mask: ``[N, T]``, 1 on tokens, 0 on padding.
        target: ids ``[N, U]``, ``-100`` on padding.
        run_of_row: ``[N]``, which prompt each row carries.
        present: ``[S]``, the runs that have rows here; place_of_row: ``[N]``, each row's place
            among them. In a micro-batch S may be far below R.
        tokens: ``[R]``, target tokens of each run, by which its loss is divided. A micro-batch
            keeps the counts of the batch it was cut from, so that losses of pieces add up.
        widest: input and target tokens of the longest row.
        is_padded: whether some row's input is shorter than T.
    """

    input: Tensor
    input_mask: Tensor
    target: Tensor
    run_of_row: Tensor
    present: Tensor
    place_of_row: Tensor
    tokens: Tensor
    widest: int
    is_padded: bool

    @property
    def runs(self) -> int:
        """Return R."""
        return len(self.tokens)

    def __len__(self) -> int:
        return len(self.input)

    def to(self, device: torch.device) -> Batch:
        """Return the same batch on another device, sent in one copy."""
        if device == self.input.device:
            return self
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: one for name, one in values.items() if isinstance(one, Tensor)}
        there = sent(list(tensors.values()), device)
        return replace(self, **dict(zip(tensors, there, strict=True)))

    def rows(self, rows: Sequence[int]) -> Batch:
        """Return some of the rows; runs, token counts and padding stay.

        A device would be waited for: rows are chosen on the CPU.
        """
        index = torch.tensor(rows, dtype=torch.int64, device=self.input.device)
        run_of_row = self.run_of_row[index]
        present, place_of_row = run_of_row.unique(return_inverse=True)
        input_mask = self.input_mask[index]
        return replace(
            self,
            input=self.input[index],
            input_mask=input_mask,
            target=self.target[index],
            run_of_row=run_of_row,
            present=present,
            place_of_row=place_of_row,
            is_padded=not bool(input_mask.all()),
        )

    def pieces(self, rows: int) -> tuple[Batch, ...]:
        """Cut into micro-batches of at most ``rows`` rows, each padded to its own longest row."""
        cuts = range(0, len(self), rows)
        return tuple(self.rows(range(len(self))[cut : cut + rows])._trimmed() for cut in cuts)

    def _trimmed(self) -> Batch:
        inputs = self.input_mask.sum(1)
        targets = (self.target != -100).sum(1)
        width, depth = max(1, int(inputs.max())), int(targets.max())
        return replace(
            self,
            input=self.input[:, :width],
            input_mask=self.input_mask[:, :width],
            target=self.target[:, :depth],
            widest=int((inputs + targets).max()),
            is_padded=int(inputs.min()) < width,
        )


def collate(rows_of_run: Sequence[Sequence[TokenRow]]) -> Batch:
    """Make one batch of all runs' rows; ``rows_of_run[r]`` are those of run r, kept together."""
    rows = [row for rows in rows_of_run for row in rows]
    run_of_row = np.repeat(np.arange(len(rows_of_run)), [len(rows) for rows in rows_of_run])
    present, place_of_row = np.unique(run_of_row, return_inverse=True)
    tokens = [sum(len(row.target) for row in rows) for rows in rows_of_run]
    inputs = [row.input for row in rows]
    input_mask = _is_token(inputs)
    return Batch(
        input=_padded(inputs, 0),
        input_mask=torch.from_numpy(input_mask.astype(np.int64)),
        target=_padded([row.target for row in rows], -100),
        run_of_row=torch.from_numpy(run_of_row),
        present=torch.from_numpy(present),
        place_of_row=torch.from_numpy(place_of_row),
        tokens=torch.tensor(tokens),
        widest=max((row.length for row in rows), default=1),
        is_padded=not bool(input_mask.all()),
    )


@dataclass(frozen=True, slots=True)
class Answers:
    """M answers to the rows of a batch, padded on the right.

    Attributes:
        target: ids ``[M, U]``, ``-100`` on padding.
        row: ``[M]``, the row of the batch that each answers.
    """

    target: Tensor
    row: Tensor

    def to(self, device: torch.device) -> Answers:
        """Return the same answers on another device."""
        return Answers(self.target.to(device), self.row.to(device))


def answers_to(rows: Sequence[int], targets: Sequence[np.ndarray]) -> Answers:
    """Make answers of token ids: ``targets[m]`` answers row ``rows[m]`` of a batch."""
    return Answers(_padded(targets, -100), torch.tensor(rows, dtype=torch.int64))


def summed_losses(logits: Tensor, target: Tensor) -> Tensor:
    """Return ``[N]``: the cross-entropy (nats) of targets ``[N, U]``, summed over their tokens."""
    flat = F.cross_entropy(
        logits.flatten(0, 1), target.flatten(), reduction="none", ignore_index=-100
    )
    return flat.view_as(target).sum(-1)


def per_run(row_losses: Tensor, batch: Batch) -> Losses:
    """Return ``[R]``: rows' summed losses ``[N]`` as each run's mean over its own target tokens.

    Of a micro-batch it is the run's part of that mean; a run without rows has 0.
    """
    total = row_losses.new_zeros(batch.runs)
    if total.is_cuda:
        total = total.index_put((batch.run_of_row,), row_losses, accumulate=True)
    else:
        total = total.index_add(0, batch.run_of_row, row_losses)
    return total / batch.tokens.clamp_min(1)


def spread(values: Tensor, place_of_row: Tensor) -> Tensor:
    """Return ``[N, ...]``: each row's own of ``values [S, ...]``, such as its run's prompt.

    Gradients of rows are added up in the order of the rows, whatever runs beside it. Of the two
    ways to pick rows, one adds by atomics on a CPU of several threads, in the order in which they
    happen to come, and the other one does on CUDA (``torch.use_deterministic_algorithms`` lists
    both).
    """
    return values[place_of_row] if values.is_cuda else values.index_select(0, place_of_row)


def _padded(rows: Sequence[np.ndarray], value: int) -> Tensor:
    is_token = _is_token(rows)
    out = np.full(is_token.shape, value, np.int64)
    if rows:
        out[is_token] = np.concatenate(rows)
    return torch.from_numpy(out)


def _is_token(rows: Sequence[np.ndarray]) -> np.ndarray:
    """``[N, T]``: true on the tokens of rows padded on the right, at least one place wide."""
    lengths = np.array([len(row) for row in rows], np.int64)
    return np.arange(max(1, lengths.max(initial=0))) < lengths[:, None]


def appended(lengths: Tensor, first: int, second: int) -> Tensor:
    """Return the order that appends a second sequence to the real tokens of the first.

    Args:
        lengths: ``[N]``, real tokens of each row's first sequence, padded on the right.
        first: width of the first sequence; second: width of the second one.

    Returns:
        ``[N, first + second]`` over the two concatenated; the first one's padding comes last.
    """
    place = torch.arange(first + second, device=lengths.device)[None]
    lengths = lengths[:, None]
    inside = torch.where(place < lengths + second, place - lengths + first, place - second)
    return torch.where(place < lengths, place, inside)


def padded_left(lengths: Tensor, width: int) -> Tensor:
    """Return the order ``[N, width]`` that moves the padding of right-padded rows to the left."""
    place = torch.arange(width, device=lengths.device)[None]
    return (place - (width - lengths[:, None])) % width


def interleaved(joined: Tensor, order: Tensor) -> Tensor:
    """Return ``[N, W]`` ids or ``[N, W, H]`` states in the given order ``[N, W']``."""
    if joined.ndim == 2:
        return joined.gather(1, order)
    return joined.gather(1, order[..., None].expand(-1, -1, joined.shape[-1]))


def mask_of(lengths: Tensor, width: int) -> Tensor:
    """Return ``[N, width]``: 1 on each row's first ``lengths`` places."""
    return (torch.arange(width, device=lengths.device)[None] < lengths[:, None]).long()
