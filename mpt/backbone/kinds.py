"""Kinds of language models that mpt prompts: the one table, read without transformers or torch.

A kind is a class that keeps the contract of ``mpt.backbone.frozen.Backbone``, and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpt.backbone.frozen import LoadedBackbone
    from mpt.config import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A row of the table.

    Attributes:
        matches: whether a model with a configuration of transformers is of this kind.
        backbone: where its class lies, as ``module:name``: called with a model, its tokenizer, the
            identity of its weights and the prompt's position.
        auto: the class of transformers that loads such models.
        models: transformers' table of the models that this class loads.
        one_sequence: whether prompt, input and target are read as one sequence; else a decoder
            reads the target, from a start token of its own.
        example: models of this kind, for errors.
    """

    matches: Callable[[Any], bool]
    backbone: str
    auto: str
    models: str
    one_sequence: bool
    example: str

    def freeze(
        self, model: Any, tokenizer: Any, weights: str, position: Place = "before"
    ) -> LoadedBackbone:
        """Make a backbone of a model that transformers loaded."""
        return resolve_name(self.backbone)(model, tokenizer, weights, position)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "seq2seq": Kind(
            matches=lambda config: bool(getattr(config, "is_encoder_decoder", False)),
            backbone="mpt.backbone.seq2seq:FrozenSeq2Seq",
            auto="AutoModelForSeq2SeqLM",
            models="MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
            one_sequence=False,
            example="an encoder-decoder (T5, BART)",
        ),
        "causal": Kind(
            matches=lambda config: not getattr(config, "is_encoder_decoder", False),
            backbone="mpt.backbone.causal:FrozenCausal",
            auto="AutoModelForCausalLM",
            models="MODEL_FOR_CAUSAL_LM_MAPPING",
            one_sequence=True,
            example="a causal model (GPT-2, Llama)",
        ),
    }
)
"""By name; the first row that matches a model counts."""


def kind_of(config: Any) -> Kind:
    """Return the kind of the models with a configuration of transformers."""
    return next(kind for kind in KINDS.values() if kind.matches(config))


def kinds_listed() -> str:
    """Return what can be given, for errors: ``an encoder-decoder (T5, BART) or a causal ...``."""
    return " or ".join(kind.example for kind in KINDS.values())
