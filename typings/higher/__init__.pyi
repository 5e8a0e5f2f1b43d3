"""The part of ``higher`` that mpt calls; it has no types of its own that can be read."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer

class Stepper(Protocol):
    def step(self, loss: Tensor) -> None: ...

class Patched(Protocol):
    def __call__(self, batch: object) -> Tensor: ...

@contextmanager
def innerloop_ctx(
    model: Module, opt: Optimizer, *, copy_initial_weights: bool = ...
) -> Generator[tuple[Patched, Stepper]]: ...
