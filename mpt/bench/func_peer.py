"""MAML and prompts trained together as users of ``torch.func`` write them, on the stock model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import functional_call, grad, grad_and_value, vmap

from mpt.backbone.batch import Batch
from mpt.bench.rows import prompts
from mpt.bench.shapes import BenchModel
from mpt.bench.stock import stock_inputs
from mpt.methods.inner import MetaGradient
from mpt.notation import Loss, Prompts, Rates


def maml_by_func(
    phi: Prompts, support: Sequence[object], query: object, loss: Loss, alpha: Rates
) -> MetaGradient:
    """Compute the meta-gradient of one run by nested ``grad``."""

    def loss_of_run(prompt: Prompts, batch: object) -> Tensor:
        return loss(prompt, batch).sum()

    def adapted_loss(prompt: Prompts) -> Tensor:
        for batch in support:
            prompt = prompt - alpha * grad(loss_of_run)(prompt, batch)
        return loss_of_run(prompt, query)

    direction, value = grad_and_value(adapted_loss)(phi.detach())
    return MetaGradient(direction, value[None])


def vmapped_loop(model: BenchModel, steps: Sequence[Sequence[Batch]], rate: float) -> None:
    """Train a prompt of every run with AdamW, all gradients of a step by ``vmap`` of ``grad``.

    ``steps[s][r]`` is the batch of run r; all are of one shape.
    """
    theta = torch.nn.Parameter(prompts(model, len(steps[0])))
    weights = dict(model.stock.named_parameters())
    optimiser = torch.optim.AdamW([theta], lr=rate)

    def loss(prompt: Tensor, fed: dict[str, Tensor]) -> Tensor:
        words = fed["inputs_embeds"]
        own = prompt.to(words.dtype)[None].expand(len(words), -1, -1)
        embeds = torch.cat([own, words], 1)
        return functional_call(model.stock, weights, (), {**fed, "inputs_embeds": embeds}).loss

    for batches in steps:
        fed = [_fed(model, batch) for batch in batches]
        together = {key: torch.stack([one[key] for one in fed]) for key in fed[0]}
        theta.grad = vmap(grad(loss))(theta.detach(), together)
        optimiser.step()


def _fed(model: BenchModel, batch: Batch) -> dict[str, Tensor]:
    """The arguments of the stock model, its prompt's place left to be filled.

    ``vmap`` cannot read values, as transformers does of a mask ``[N, T]``: it is given as
    ``[N, 1, 1, P + T]``.
    """
    fed = stock_inputs(model.stock, model.ours.embed.weight[None, :0], batch)
    if "attention_mask" in fed:
        mask = torch.nn.functional.pad(fed["attention_mask"], (model.prompt, 0), value=1)
        return {**fed, "attention_mask": mask.bool()[:, None, None]}
    silent = torch.nn.functional.pad(fed["labels"], (model.prompt, 0), value=-100)
    return {**fed, "labels": silent}
