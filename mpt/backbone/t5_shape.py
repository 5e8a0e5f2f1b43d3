"""Sizes of T5 models, and what one row costs them: floating-point operations, and memory.

Counted are the products of matrices, two operations per multiplication and addition: those with
weights, and those of attention. Norms, activations and optimisers add less than a percent.
`tests/backbone/test_t5_shape.py` compares with torch's own counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mpt.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Pass:
    """How often the products of a forward pass are taken, by what is computed.

    Attributes:
        weights: products with weights.
        attention: products within attention, of which both sides depend on the prompt.
    """

    weights: int
    attention: int


FORWARD = Pass(1, 1)
GRADIENT = Pass(2, 3)
"""The weights are frozen: a backward pass goes through each once, to its input alone."""
GRADIENT_TWICE = Pass(4, 9)
"""A gradient, and the backward pass through it that a gradient of second order takes."""
GRADIENT_OF_WEIGHTS = Pass(3, 3)
"""Full fine-tuning."""


@dataclass(frozen=True, slots=True)
class T5Shape:
    """The sizes of a T5 v1.1: gated feed-forward layers, separate tables of input and output.

    Attributes:
        width: H, of embeddings.
        heads: of attention, each ``head`` wide.
        hidden: width of the feed-forward layers.
        layers: of the encoder, and again of the decoder.
    """

    name: str
    width: int
    heads: int
    hidden: int
    layers: int
    head: int = 64
    vocabulary: int = 32_128

    @property
    def parameters(self) -> int:
        """Return the number of weights, but for norms and position biases."""
        decoder = 2 * self._attention + self._feed_forward
        encoder = self._attention + self._feed_forward
        return 2 * self.vocabulary * self.width + self.layers * (encoder + decoder)

    def flops(self, inputs: float, outputs: float, kind: Pass) -> float:
        """Return the operations of one row.

        Args:
            inputs: positions that the encoder reads, the prompt among them.
            outputs: positions that the decoder reads.
            kind: what is computed.
        """
        # keys and values of attention to the encoder are made for its positions
        encoder = self._attention + self._feed_forward + self._attention / 2
        decoder = self._attention * 1.5 + self._feed_forward
        weights = self.layers * (inputs * encoder + outputs * decoder)
        weights += outputs * self.vocabulary * self.width
        pairs = inputs**2 + outputs * (outputs + inputs)
        attention = self.layers * 2 * pairs * self.heads * self.head
        return 2 * (kind.weights * weights + kind.attention * attention)

    def row_bytes(self, inputs: float, outputs: float, width: int) -> float:
        """Return what a row of a batch keeps in memory until its gradient is computed.

        Args:
            inputs, outputs: see ``flops``.
            width: bytes of a number, 2 or 4.
        """
        inner, hidden = self.heads * self.head, 3 * self.hidden
        # inputs of norms; queries, keys, values and what attention makes of them
        encoder = 2 * self.width + 4 * inner + hidden
        decoder = 3 * self.width + 6 * inner + hidden
        kept = self.layers * (inputs * encoder + outputs * decoder)
        kept += 2 * inputs * self.width + self.layers * self.heads * inputs * outputs
        # position biases, which the layers of a stack share
        kept += self.heads * (inputs**2 + outputs**2)
        # logits as the model writes them, and in float32 those that the loss reads and keeps
        logits = outputs * self.vocabulary * (width + 8)
        return width * kept + logits

    @property
    def _attention(self) -> int:
        """Weights of an attention: queries, keys, values and what is made of them."""
        return 4 * self.width * self.heads * self.head

    @property
    def _feed_forward(self) -> int:
        return 3 * self.width * self.hidden


T5_SHAPES: Mapping[str, T5Shape] = MappingProxyType(
    {
        shape.name: shape
        for shape in (
            T5Shape("t5-small", 512, 6, 1024, 8),
            T5Shape("t5-base", 768, 12, 2048, 12),
            T5Shape("t5-large", 1024, 16, 2816, 24),
            T5Shape("t5-xl", 2048, 32, 5120, 24),
            T5Shape("t5-xxl", 4096, 64, 10240, 24),
        )
    }
)
"""The shapes of T5 v1.1 and of its LM-adapted checkpoints."""


def t5_shape(name: str) -> T5Shape:
    """Return a shape by name. Raises ``UnknownName``."""
    if name not in T5_SHAPES:
        raise UnknownName("shape", name, T5_SHAPES)
    return T5_SHAPES[name]
