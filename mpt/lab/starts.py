"""Where the prompt of a unit of work began, before its first update."""

from __future__ import annotations

from torch import Tensor

from mpt.backbone.frozen import Backbone
from mpt.backbone.prompt import begin
from mpt.config import CellConfig, RunConfig
from mpt.lab.artefacts import load_prompt, prompt_path
from mpt.lab.home import Home


def start_of(config: RunConfig | CellConfig, backbone: Backbone, home: Home) -> Tensor:
    """The initial prompt ``[P, H]``: drawn again from its stream, or read where it was learned.

    Raises:
        DataError: a learned prompt that cannot be read.
    """

    def saved(digest: str) -> Tensor:
        prompt = load_prompt(home, prompt_path(digest))
        return prompt.to(backbone.device, backbone.dtype)

    match config:
        case RunConfig():
            tasks, stream = config.sources, ("run", config.seed)
        case CellConfig(start="vocabulary"):
            tasks, stream = (config.task,), ("cell", config.task, config.data_seed)
        case _:
            return saved(config.start)
    chosen = config.backbone
    how, length = chosen.prompt_start, chosen.prompt_tokens
    start = begin(backbone, how, length, *stream, tasks=tasks, saved=saved)
    return start.to(backbone.device, backbone.dtype)
