"""README of an exported adapter: how PEFT must be used to give the same answers as mpt."""

from __future__ import annotations

import json
from pathlib import Path

from mpt.backbone.frozen import LoadedBackbone
from mpt.backbone.model_parts import decoder_start
from mpt.config import BackboneConfig
from mpt.files.escaping import markdown

SEQ2SEQ = (
    "PEFT gives the answers of `mpt predict` for single texts and for batches padded on the right, "
    "with and without its cache"
)
CAUSAL = (
    "PEFT gives the answers of `mpt predict` only for one text at a time and with use_cache=False: "
    "with its cache, the default, and in batches, whose padding comes between prompt and text, "
    "answers differ"
)


def base_path(name: str, place: str) -> str:
    """Return the base model's name in an adapter: a Hub id, or an absolute path of this machine."""
    here = Path(place)
    return str(here.resolve()) if name == "mini" or here.exists() else place


def card(backbone: LoadedBackbone, chosen: BackboneConfig, base: str, digest: str) -> str:
    """Format the README, with a program that gives the same answers as mpt.

    Args:
        backbone: the loaded ``FrozenSeq2Seq`` or ``FrozenCausal``.
        chosen: its configuration.
        base: name of the base model in the adapter.
        digest: of the unit whose prompt was exported.
    """
    seq2seq = backbone.model.config.is_encoder_decoder
    return _CARD.format(
        base=json.dumps(base),
        shown=markdown(base),
        digest=digest,
        tokens=chosen.prompt_tokens,
        weights=backbone.weights,
        caveat=SEQ2SEQ if seq2seq else CAUSAL,
        notes="".join(f"- {note}\n" for note in _notes(chosen, base)),
        program=_program(backbone, chosen, base),
    )


def _notes(chosen: BackboneConfig, base: str) -> list[str]:
    notes = [
        "Decoding is greedy; generation settings of the base model (beams, forced tokens, "
        "forbidden repetitions) are ignored, as in mpt.",
        f"Inputs are truncated to {chosen.max_input} tokens, answers to {chosen.max_target}.",
    ]
    if chosen.prepend_task_name:
        notes.append("It was learned on inputs that begin with ` [task name] `; yours must too.")
    if chosen.precision == "bf16":
        notes.append("It was learned in bfloat16; rounding may occasionally change an answer.")
    if Path(base).exists():
        notes.append(
            "The base model is a path on the machine that exported it; if it is elsewhere on "
            "yours, change it here and in `adapter_config.json`."
        )
    if base.endswith(".gguf"):
        notes.append("AutoPeftModel cannot open a GGUF base model; load it as the program does.")
    return notes


def _program(backbone: LoadedBackbone, chosen: BackboneConfig, base: str) -> str:
    """Format Python code of ``answer(texts)``; ``ADAPTER`` names the folder, by default ``.``."""
    model = backbone.model
    seq2seq = model.config.is_encoder_decoder
    place: dict[str, str] = {}
    if base.endswith(".gguf"):
        base, place = str(Path(base).parent), {"gguf_file": Path(base).name}
    model_defaults = model.generation_config
    generation = {
        "max_new_tokens": chosen.max_target,
        "do_sample": False,
        "num_beams": 1,
        "eos_token_id": model_defaults.eos_token_id,
        "pad_token_id": model_defaults.pad_token_id,
        **({"decoder_start_token_id": decoder_start(model)} if seq2seq else {}),
    }
    options = "".join(f", {key}={value!r}" for key, value in place.items())
    return _PROGRAM.format(
        auto="AutoModelForSeq2SeqLM" if seq2seq else "AutoModelForCausalLM",
        base=base,
        options=options,
        dtype="bfloat16" if chosen.precision == "bf16" else "float32",
        generation=", ".join(f"{key}={value!r}" for key, value in generation.items()),
        answer=(_ANSWER_SEQ2SEQ if seq2seq else _ANSWER_CAUSAL).format(limit=chosen.max_input),
    )


_CARD = """---
base_model: {base}
library_name: peft
---

# A soft prompt of mpt

{tokens} virtual tokens of the unit of work {digest} (`mpt show {digest}`), for the base model
{shown} (identity {weights}).

**{caveat}.** The program below gives the same answers as `mpt predict {digest}`.

{notes}
```python
{program}```
"""

_PROGRAM = """import torch
from peft import PeftModel
from transformers import AutoTokenizer, GenerationConfig, {auto}

ADAPTER = globals().get("ADAPTER", ".")  # the folder of this file
BASE = {base!r}
tokenizer = AutoTokenizer.from_pretrained(BASE{options})
base = {auto}.from_pretrained(BASE, dtype=torch.{dtype}{options})
base.generation_config = GenerationConfig({generation})
model = PeftModel.from_pretrained(base, ADAPTER).eval()


{answer}"""

_ANSWER_SEQ2SEQ = """def answer(texts):
    read = tokenizer(
        texts, truncation=True, max_length={limit}, padding=True, padding_side="right",
        return_tensors="pt",
    )
    ids = model.generate(input_ids=read["input_ids"], attention_mask=read["attention_mask"])
    return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]
"""

_ANSWER_CAUSAL = """def answer(texts):
    answers = []
    for text in texts:
        read = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"][:{limit}]])
        ids = model.generate(input_ids=read, attention_mask=torch.ones_like(read), use_cache=False)
        new = ids[0, read.shape[1] :]
        answers.append(tokenizer.decode(new, skip_special_tokens=True).strip())
    return answers
"""
