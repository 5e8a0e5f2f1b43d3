"""Prompt tuning by PEFT, with a plain loop and with the Trainer of transformers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from mpt.backbone.batch import Batch, appended, interleaved, mask_of
from mpt.bench.shapes import BenchModel
from mpt.errors import ConfigError


def prompted(model: BenchModel) -> Any:
    """Wrap the stock model in a PEFT prompt of the same length. Raises ``ConfigError``."""
    try:
        from peft import PromptTuningConfig, PromptTuningInit, TaskType, get_peft_model
    except ImportError:
        raise ConfigError(
            "this benchmark compares with PEFT, which is not installed",
            fix="pip install -e '.[bench]'",
        ) from None
    seq2seq = model.stock.config.is_encoder_decoder
    chosen = PromptTuningConfig(
        task_type=TaskType.SEQ_2_SEQ_LM if seq2seq else TaskType.CAUSAL_LM,
        num_virtual_tokens=model.prompt,
        prompt_tuning_init=PromptTuningInit.RANDOM,
    )
    return get_peft_model(model.stock, chosen).train()


def feed(model: BenchModel, batch: Batch) -> dict[str, torch.Tensor]:
    """Convert a batch to the arguments of PEFT's ``forward``."""
    if model.stock.config.is_encoder_decoder:
        return {
            "input_ids": batch.input,
            "attention_mask": batch.input_mask,
            "labels": batch.target.contiguous(),
        }
    inputs = batch.input_mask.sum(1)
    order = appended(inputs, batch.input.shape[1], batch.target.shape[1])
    ids = interleaved(torch.cat([batch.input, batch.target.clamp_min(0)], 1), order)
    silent = torch.full_like(batch.input, -100)
    labels = interleaved(torch.cat([silent, batch.target], 1), order)
    mask = mask_of(inputs + (batch.target != -100).sum(1), ids.shape[1])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels.contiguous()}


def plain_loop(
    peft: Any,
    batches: Sequence[dict[str, torch.Tensor]],
    rate: float,
    forward: Callable[..., Any] | None = None,
    *,
    bf16: bool = False,
) -> None:
    """Train the prompt with AdamW, one step per batch.

    Args:
        peft: the prompted model.
        batches: arguments of its ``forward``.
        rate: learning rate.
        forward: what is called in the model's place, such as the model compiled.
        bf16: under autocast to bfloat16.
    """
    called: Callable[..., Any] = peft if forward is None else forward
    trained = [weight for weight in peft.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=rate)
    for batch in batches:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(batch["labels"].device.type, torch.bfloat16, enabled=bf16):
            loss = called(**batch).loss
        loss.backward()
        optimiser.step()


def trainer_seconds(
    peft: Any, batches: Sequence[dict[str, torch.Tensor]], rate: float, folder: str, *, cpu: bool
) -> float:
    """Return the seconds that the Trainer spends on its steps, without its set-up.

    Each example that it gets is a whole padded batch, so that its loader has nothing to pad.
    """
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        began = ended = 0.0

        def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
            self.began = time.perf_counter()

        def on_train_end(self, *args: Any, **kwargs: Any) -> None:
            if not cpu:
                torch.cuda.synchronize()
            self.ended = time.perf_counter()

    clock = Clock()
    arguments = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=1,
        max_steps=len(batches),
        learning_rate=rate,
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=cpu,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    whole = [{key: value.cpu() for key, value in batch.items()} for batch in batches]
    trainer = Trainer(
        model=peft,
        args=arguments,
        train_dataset=whole,  # type: ignore[arg-type]
        data_collator=lambda examples: examples[0],
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return clock.ended - clock.began
