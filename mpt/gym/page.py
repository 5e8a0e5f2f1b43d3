"""``docs/gym.md``: the 160 tasks in one table, written from the cards alone."""

from __future__ import annotations

from collections import Counter
from textwrap import wrap

from mpt.gym.build.cards import Card, Checksum
from mpt.gym.build.catalogue import cards
from mpt.gym.crossfit import crossfit_partitions

HEAD = """# The gym: 160 few-shot tasks

<!-- Written by `mpt gym page > docs/gym.md`; a test fails when it is out of date. -->

CrossFit (Ye et al., 2021) made 160 few-shot tasks from Hugging Face data sets. mpt rebuilds them
from cards (`mpt/gym/data/cards.json`), bit for bit if the rows are those of 2021.

```
mpt gym list --family qa                         # what there is
mpt gym show glue-mrpc                           # one card and its roles in the paper
mpt gym build glue-mrpc boolq --out data/gym     # from the Hub
mpt gym mirror --out mirror                      # rows for a machine without internet...
mpt gym build --mirror mirror --out data/gym     # ...and there
mpt gym verify data/gym                          # against the official MD5 sums
mpt sweep --method reptile --gym data/gym
```

The folder of a task holds `<task>_<k>_<seed>_{train,dev,test}.tsv` for the seeds 13, 21, 42, 87
and 100: the input, a tab, the answer, and further acceptable answers after further tabs. k is the
number of examples per class (classification) or per task. `--shots 64` draws more; `--shots all`
splits each class (or the pool) in half, into train and dev. Building again adds what is missing;
a task is written completely or not at all. For tasks of your own see
[own-tasks.md](own-tasks.md).

## Can the official files be reproduced?

"yes": all 15 official MD5 sums were reproduced from rows of 2021. "yes (test)": those of the five
test files were; the train rows were not available. "expected": the card gives the same result as
the official program on synthetic rows; the real ones were not available. "not certain", "no" and
all numbers in brackets are explained below the table. All of this is about the rows of 2021; `mpt
gym verify` checks whether today's copy on the Hub still has them. Repository names marked
"unchecked" have never been looked up. Where the table says "no repository known", the rows must
come from a mirror.

Licences are as stated by the data sets, as far as known, and apply to everyone who uses the rows.
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
        return "not certain"
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
        f"Hyper-parameters are searched on {validation}. Some source and target tasks of the "
        "paper's settings share data (glue-rte and superglue-rte, for example); the report of a "
        "promotion lists them."
    )
    return [*lines, "", *wrap(text, 99), ""]
