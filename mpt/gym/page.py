"""``docs/gym.md``: the 160 tasks in one table, written from the cards alone."""

from __future__ import annotations

from collections import Counter
from textwrap import wrap

from mpt.gym.build.cards import Card, Checksum
from mpt.gym.build.catalogue import cards
from mpt.gym.crossfit import crossfit_partitions

HEAD = """# The gym: 160 few-shot tasks

<!-- Written by `mpt gym page > docs/gym.md`; a test fails when it is out of date. -->

CrossFit (Ye et al., 2021) made 160 few-shot tasks out of Hugging Face data sets. `mpt` builds them
again from cards (`mpt/gym/data/cards.json`), bit for bit where the rows are those of 2021.

```
mpt gym list --family qa                         # what there is
mpt gym show glue-mrpc                           # one card, its roles in the paper
mpt gym build glue-mrpc boolq --out data/gym     # from the Hub
mpt gym mirror --out mirror                      # rows for a machine without internet...
mpt gym build --mirror mirror --out data/gym     # ...and there
mpt gym verify data/gym                          # against the official MD5 sums
mpt sweep --method reptile --gym data/gym
```

A task's folder holds `<task>_<k>_<seed>_{train,dev,test}.tsv` for the seeds 13, 21, 42, 87, 100:
input, TAB, answer, further acceptable answers after further TABs. k counts examples per class
(classification) or per task. `--shots 64` draws more; `--shots all` halves each class (or the
pool) into train and dev. Building again does what is missing; a task is there whole or not at all.
Tasks of your own: [own-tasks.md](own-tasks.md).

## Can the official files be had today?

"yes": all 15 official MD5 sums were reproduced from rows of 2021. "yes (test)": the five test
files were; the train rows were not at hand. "expected": the card equals the official program line
by line on made-up rows, the real ones were not at hand. "not surely", "no" and every number in
brackets are explained under the table. Every answer is about the rows of 2021: whether today's Hub
copy still holds them, `mpt gym verify` tells. "unchecked" repository names were never looked up;
where the table says "no repository known", rows must come from a mirror.

Licences are those that the data sets state, as far as known; they bind whoever uses the rows.
"""


def gym_page() -> str:
    """Return the whole page, ending in a newline."""
    reasons: dict[str, int] = {}
    rows = [_row(card, reasons) for card in cards().values()]
    notes = [f"{number}. {reason}." for reason, number in reasons.items()]
    answers = Counter(_answer(card.checksum).split(" [")[0] for card in cards().values())
    summary = ", ".join(f"{count} {answer}" for answer, count in answers.most_common())
    table = ["| task | family | k | metric | source | licence | official files |", "|---" * 7 + "|"]
    title = ["## Tasks", "", f"{len(rows)} tasks: {summary}.", ""]
    return "\n".join([HEAD, *_settings(), *title, *table, *rows, "", *notes, ""])


def _row(card: Card, reasons: dict[str, int]) -> str:
    source = f"`{card.source.dataset}`" + (f" {card.source.config}" if card.source.config else "")
    if card.source.download is not None:
        source += f" ([download]({card.source.download.url}))"
    elif card.source.hub is None:
        source += " (no repository known)"
    else:
        unsure = ", unchecked" if card.source.hub_unverified else ""
        address = f"https://huggingface.co/datasets/{card.source.hub}"
        source += f" ([{card.source.hub}]({address}){unsure})"
    answer = _answer(card.checksum)
    if card.checksum is not None and card.checksum.reason:
        answer += f" [{reasons.setdefault(card.checksum.reason, len(reasons) + 1)}]"
    cells = (card.task, card.family, card.shots, card.metric, source, _licence(card), answer)
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _answer(checksum: Checksum | None) -> str:
    if checksum is None:
        return "unknown"
    if checksum.verified_by == "md5":
        return "yes"
    if checksum.kind in ("set_order", "unseeded"):
        return "no"
    if checksum.kind == "order_dependent":
        return "not surely"
    return {"md5": "yes", "test_md5": "yes (test)", "differential": "expected"}[
        checksum.verified_by
    ]


def _licence(card: Card) -> str:
    text = " ".join(card.licence.split())
    return text if len(text) <= 60 else text[:57] + "..."


def _settings() -> list[str]:
    """Return the lines of the table of settings, as in Table 1 of the paper."""
    partitions = crossfit_partitions()
    lines = ["## Settings", "", "| setting | sources | targets |", "|---|---|---|"]
    for setting in (*partitions.settings.values(), *partitions.ablations.values()):
        lines.append(f"| {setting.name} | {len(setting.sources)} | {len(setting.targets)} |")
    validation = ", ".join(partitions.validation)
    text = (
        f"Hyper-parameters are searched on {validation}. Some sources and targets of the paper's "
        "settings share data (glue-rte and superglue-rte...); the report of a promotion names them."
    )
    return [*lines, "", *wrap(text, 99), ""]
