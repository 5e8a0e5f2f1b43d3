"""The letters of this code base, and the tensors they shape.

    R  packed runs          J  inner steps
    N  rows of a batch      P  prompt tokens
    T  input tokens         H  width of the backbone
    U  target tokens        V  vocabulary

``theta`` is always ``[R, P, H]``: one prompt per packed run. A loss is always ``[R]``, never a
scalar: runs in a pack do not mix. One run alone is ``R = 1``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import Tensor

Prompts: TypeAlias = Tensor
"""``[R, P, H]``: theta, one prompt per packed run; phi in the equations of the methods."""

Losses: TypeAlias = Tensor
"""``[R]``: each run's mean cross-entropy (nats) over its own target tokens."""

Rates: TypeAlias = Tensor
"""``[R, 1, 1]``: one learning rate per run, ready to multiply ``Prompts``."""

Loss: TypeAlias = Callable[[Prompts, Any], Losses]
"""``loss(theta, batch) -> [R]``: all that a method ever sees of a language model."""
