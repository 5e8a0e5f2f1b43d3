"""Prove that a loaded model can do all that a run needs, before anything is computed.

Tokens and positions are checked against the model's tables. Then two short rows are read, learned
from and answered after a prompt, and compared with the model's own plain reading of the same
tokens, row by row and without a cache: kinds that scale embeddings or logits in ways of their own,
see what follows, or lose count of positions differ there, and are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mpt.backbone import hub, model_parts
from mpt.backbone.batch import answers_to, collate
from mpt.backbone.kinds import kind_of
from mpt.config import BackboneConfig
from mpt.errors import ConfigError
from mpt.gym.tokens import TokenRow

if TYPE_CHECKING:
    from mpt.backbone.frozen import LoadedBackbone

KINDS = "give an encoder-decoder as T5 or BART, or a causal model as GPT-2, Llama or Gemma"
LIMIT, BEAMS = 2, 2
TOLERANCE = {torch.float64: 1e-3, torch.float32: 1e-3, torch.bfloat16: 0.2}
"""How far logits may be from the plain reading's, relative to their spread, by the
precision of the weights."""


def expect_room(name: str, config: BackboneConfig, model: Any, tokenizer: Any) -> None:
    """Raise ``ConfigError`` unless tables hold every token and position that is needed."""
    rows = model.get_input_embeddings().weight.shape[0]
    special = {tokenizer.eos_token_id, tokenizer.pad_token_id, *tokenizer.all_special_ids} - {None}
    ids = {*tokenizer.get_vocab().values(), *special}
    if len(ids - special) < 2:
        raise ConfigError(
            f"backbone {name!r}: its tokenizer ({type(tokenizer).__name__}) knows no words",
            fix="copy its vocabulary from where the model is from",
        )
    if max(ids) >= rows:
        tokens = sorted(i for i in ids if i >= rows)
        names = tokenizer.convert_ids_to_tokens(tokens[: hub.SHOWN])
        raise ConfigError(
            f"backbone {name!r}: its tokenizer has {len(tokens)} tokens beyond the {rows} rows of "
            f"the model's embedding table ({', '.join(map(repr, names))})",
            fix=(
                "give the tokenizer that "
                "the model was trained with, or resize_token_embeddings of the model and save it"
            ),
        )
    one_sequence = kind_of(model.config).one_sequence
    reads, writes = model_parts.max_positions(model)
    first = len(model_parts.bos_ids(tokenizer)) if one_sequence else 0
    parts = {"prompt_tokens": config.prompt_tokens, "max_input": config.max_input}
    parts |= {"max_target": config.max_target} if one_sequence else {}
    parts |= {"first token": first} if first else {}
    if reads is not None and (wanted := sum(parts.values())) > reads:
        total = " + ".join(f"{part} {count}" for part, count in parts.items())
        raise ConfigError(
            f"backbone {name!r} reads at most {reads} tokens, but {total} = {wanted}",
            fix="lower them",
        )
    if not one_sequence and writes is not None and config.max_target > writes:
        raise ConfigError(
            f"backbone {name!r} writes at most {writes} tokens, but max_target is "
            f"{config.max_target}",
            fix="lower it",
        )
    if not one_sequence:
        _expect_start(name, model, tokenizer, rows)


def _expect_start(name: str, model: Any, tokenizer: Any, rows: int) -> None:
    start = model_parts.decoder_start(model)
    if start is None:
        raise ConfigError(
            f"backbone {name!r} does not say what its decoder starts with",
            fix=(
                "write "
                "decoder_start_token_id into its config.json (T5 starts with its pad token, here "
                f"{tokenizer.pad_token_id}, BART with its end token, here {tokenizer.eos_token_id})"
            ),
        )
    if not 0 <= start < rows:
        raise ConfigError(
            f"backbone {name!r}: decoder_start_token_id {start} is beyond the {rows} rows of its "
            "embedding table",
            fix="mend it in config.json",
        )


def expect_finite(name: str, model: Any) -> None:
    """Raise ``ConfigError`` for a weight or buffer that holds NaN or infinite values."""
    for key, weight in [*model.named_parameters(), *model.named_buffers()]:
        # a sum is finite only if all are, and takes no memory
        whole = not weight.is_floating_point() or bool(weight.sum().isfinite())
        if not whole and not weight.isfinite().all():
            raise ConfigError(
                f"backbone {name!r}: {key} holds NaN or infinite values",
                fix="copy or download the weights anew",
            )


def prove(name: str, backbone: LoadedBackbone) -> None:
    """Raise ``ConfigError`` unless a frozen model learns and answers as the model itself reads.

    Args:
        name: of the backbone, as the user gave it.
    """
    model = backbone.model
    kind = model.config.model_type
    if hasattr(model.config, "expert_capacity"):
        raise ConfigError(
            f"backbone {name!r}: {kind} models drop tokens when a batch asks too much of an "
            "expert, so that rows would change their neighbours' answers",
            fix=f"{KINDS}",
        )
    try:
        trouble = _trouble(backbone)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a kind that mpt was never tried on raises
        cause = next(iter(str(error).strip().splitlines()), "")[:200]
        raise ConfigError(
            f"backbone {name!r}: {kind} models cannot be prompted "
            f"({cause or type(error).__name__})",
            fix=f"{KINDS}",
        ) from error
    if trouble:
        raise ConfigError(
            f"backbone {name!r}: {trouble.format(kind=kind)}",
            fix=f"{KINDS}",
        )


def _trouble(backbone: LoadedBackbone) -> str:
    """What is wrong with a backbone, ``{kind}`` standing for its kind; empty if nothing is."""
    prompt, rows = _tokens(backbone)
    batch = collate([rows]).to(backbone.device)
    with torch.no_grad():
        table = backbone.embed(torch.tensor(prompt, device=backbone.device))
    theta = table[None].to(backbone.dtype, copy=True).requires_grad_()
    losses = backbone.losses(theta, batch)
    (slope,) = torch.autograd.grad(losses.sum(), theta)
    if not (losses.isfinite().all() and slope.isfinite().all()):
        return "losses or gradients of {kind} models are not finite here"
    if not slope.any():
        return "the prompt changes nothing that this {kind} model writes"
    with torch.no_grad():
        ours = backbone.logits(theta, batch)
        long, short = rows
        limit = TOLERANCE[backbone.embed.weight.dtype]
        plain = [_plain(backbone, prompt, row, row.target) for row in rows]
        for at, row in enumerate(rows):
            if _far(ours[at, : len(row.target)], plain[at], limit):
                return (
                    "mpt does not know how {kind} models turn states into logits: behind a prompt "
                    "they are not the model's own"
                )
        other = np.array([*long.target[:-1], short.target[0]])
        if _far(_plain(backbone, prompt, long, other)[:-1], plain[0][:-1], limit):
            return "{kind} models read ahead"
        asked = [at for at in range(len(rows)) for _ in rows]
        targets = [row.target for _ in rows for row in rows]
        answered = answers_to(asked, targets).to(backbone.device)
        likelihoods = backbone.log_likelihoods(theta, batch, answered)
        for at, target, likelihood in zip(asked, targets, likelihoods, strict=True):
            if _unlike(likelihood, _plain(backbone, prompt, rows[at], target), target, limit):
                return "{kind} models lose count where an answer continues a question"
        answers = backbone.generate(theta, batch, LIMIT)
        backbone.generate(theta, batch, LIMIT, BEAMS)
        # the shorter row is the one that padding stands before
        sure, ids = _greedy(backbone, prompt, short)
        if sure and backbone.decode([np.array(ids)])[0] != answers[1]:
            return "{kind} models generate otherwise than they read"
    return ""


def _tokens(backbone: LoadedBackbone) -> tuple[list[int], tuple[TokenRow, TokenRow]]:
    """Ids of a prompt, and two rows of unlike lengths; tokens of all parts of the vocabulary."""
    ordinary = backbone.ordinary_ids()
    ids = ordinary[torch.linspace(0, len(ordinary) - 1, 12).long()].tolist()
    end = backbone.tokenizer.eos_token_id
    long, short = np.array(ids[2:7]), np.array(ids[7:9])
    return ids[:2], (
        TokenRow(long, np.array([*ids[9:11], end])),
        TokenRow(short, np.array([ids[11], end])),
    )


def _plain(
    backbone: LoadedBackbone, prompt: Sequence[int], row: TokenRow, target: Iterable[int]
) -> Tensor:
    """``[U, V]``: the model's own logits for a target, all read as tokens, in one go."""
    read = [*prompt, *row.input] if backbone.place == "before" else [*row.input, *prompt]

    target = list(target)

    def ids(tokens: Iterable[int]) -> Tensor:
        return torch.tensor([[int(token) for token in tokens]], device=backbone.device)

    if not kind_of(backbone.model.config).one_sequence:
        given = [model_parts.decoder_start(backbone.model), *target[:-1]]
        logits = backbone.model(
            input_ids=ids(read), decoder_input_ids=ids(given), use_cache=False
        ).logits
    else:
        whole = [*model_parts.bos_ids(backbone.tokenizer), *read, *target]
        logits = backbone.model(input_ids=ids(whole), use_cache=False).logits[:, :-1]
    return logits[0, -len(target) :].to(backbone.dtype)


def _greedy(
    backbone: LoadedBackbone, prompt: Sequence[int], row: TokenRow
) -> tuple[bool, list[int]]:
    """Greedy decoding by plain reading, and whether each token was far ahead of the next best."""
    ids: list[int] = []
    sure = True
    for _ in range(LIMIT):
        logits = _plain(backbone, prompt, row, [*ids, 0])[-1]
        first, second = logits.topk(2).values.tolist()
        sure &= first - second > TOLERANCE[backbone.embed.weight.dtype] * float(logits.std())
        ids.append(int(logits.argmax()))
        if ids[-1] == backbone.tokenizer.eos_token_id:
            break
    return sure, ids


def _unlike(ours: Tensor, plain: Tensor, target: np.ndarray, limit: float) -> bool:
    """Whether the log-likelihood of a target is another than by the plain logits ``[U, V]``."""
    ids = torch.from_numpy(target).to(plain.device)
    known = F.log_softmax(plain, -1).gather(1, ids[:, None]).sum()
    return bool((ours - known).abs() > limit * _spread(plain))


def _far(ours: Tensor, plain: Tensor, limit: float) -> bool:
    """Whether logits ``[U, V]`` tell of another distribution than those of the plain reading."""
    difference = F.log_softmax(ours, -1) - F.log_softmax(plain, -1)
    return bool(difference.norm() > limit * _spread(plain))


def _spread(plain: Tensor) -> Tensor:
    return (plain - plain.mean(-1, keepdim=True)).norm().clamp_min(1e-3)
