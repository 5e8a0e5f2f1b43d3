"""The README beside an exported adapter: which use of PEFT answers as the prompt does in mpt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mpt.backbone.hub import decoder_start
from mpt.config import BackboneConfig
from mpt.files.escaping import markdown

SEQ2SEQ = (
    "PEFT answers as `mpt predict` one text at a time and in batches padded on the right, with its "
    "cache and without"
)
CAUSAL = (
    "PEFT answers as `mpt predict` only one text at a time and with use_cache=False: with its "
    "cache, its default, and in batches, whose padding it puts behind the prompt, it answers "
    "otherwise"
)


def base_path(name: str, place: str) -> str:
    """What an adapter calls its base model: a Hub id, or an absolute path of this machine."""
    here = Path(place)
    return str(here.resolve()) if name == "mini" or here.exists() else place


def card(backbone: Any, chosen: BackboneConfig, base: str, digest: str) -> str:
    """Markdown with a program that answers as mpt does.

    Args:
        backbone: the loaded ``FrozenSeq2Seq`` or ``FrozenCausal``.
        base: what the adapter calls its base model.
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
        "Decoding is greedy; what the makers of the base model prefer (beams, forced tokens, "
        "forbidden repetitions) is left out, as in mpt.",
        f"Inputs are cut after {chosen.max_input} tokens, answers after {chosen.max_target}.",
    ]
    if chosen.prepend_task_name:
        notes.append("It was learned on inputs that begin with ` [task name] `; begin yours so.")
    if chosen.precision == "bf16":
        notes.append("It was learned in bfloat16; rounding may change an answer now and then.")
    if Path(base).exists():
        notes.append(
            "The base model is a path of the machine that exported it; where it lies elsewhere, "
            "change it here and in `adapter_config.json`."
        )
    if base.endswith(".gguf"):
        notes.append("AutoPeftModel cannot open a GGUF base; load it as the program does.")
    return notes


def _program(backbone: Any, chosen: BackboneConfig, base: str) -> str:
    """Python that defines ``answer(texts)``; ``ADAPTER`` names the folder, ``.`` unless set."""
    model = backbone.model
    seq2seq = model.config.is_encoder_decoder
    place: dict[str, str] = {}
    if base.endswith(".gguf"):
        base, place = str(Path(base).parent), {"gguf_file": Path(base).name}
    kept = model.generation_config
    generation = {
        "max_new_tokens": chosen.max_target,
        "do_sample": False,
        "num_beams": 1,
        "eos_token_id": kept.eos_token_id,
        "pad_token_id": kept.pad_token_id,
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

**{caveat}.** The program below answers as `mpt predict {digest}` does.

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
