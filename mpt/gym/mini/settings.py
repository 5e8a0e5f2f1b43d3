"""The paper's ten settings in miniature, and five validation tasks that are in none of them.

Targets were chosen by their room alone (docs/embedded-gym.md); some target tasks are in no setting.
"""

from __future__ import annotations

from collections.abc import Callable

from mpt.gym.mini.tasks import TASKS, MiniTask
from mpt.gym.partitions import Partitions, Setting

BOTH = (
    "news-topic", "scene-kind", "diary-emotion", "assistant-intent", "quantity-entailment",
    "film-judgement", "speech-act", "story-where", "animal-choice", "capital-choice",
    "report-headline", "restaurant-text", "request-day", "verb-past", "word-reversal",
)  # fmt: skip
"""Half of each side: about as many sources as the other settings have."""

CLS_TARGETS = (
    "aspect-judgement", "blog-topic", "hotel-judgement", "leisure-mood", "lost-item",
    "phone-intent", "quiz-type", "review-domain", "robot-intent", "scene-entailment",
    "song-emotion", "stock-comparison",
)  # fmt: skip

NON_CLS_TARGETS = (
    "food-choice", "material-facts", "odd-choice", "opposite-sentence", "record-life",
    "record-pet", "report-rumour", "request-reply", "restaurant-advert", "restaurant-review",
    "story-room-colour", "word-swap",
)  # fmt: skip

QA_TARGETS = (
    "food-choice", "gear-facts", "instrument-choice", "language-choice", "language-facts",
    "material-facts", "not-choice", "odd-choice", "story-place", "story-room-colour",
)  # fmt: skip

PARAPHRASES = (
    "event-paraphrase", "question-paraphrase", "scene-paraphrase", "sentence-paraphrase",
)  # fmt: skip

R_TARGETS = (
    "aspect-judgement", "food-choice", "odd-choice", "phone-intent", "quiz-type", "record-life",
    "request-reply", "restaurant-advert", "scene-entailment", "sentence-paraphrase",
    "story-room-colour", "word-swap",
)  # fmt: skip
"""Some of every kind."""


def settings() -> Partitions:
    """Return the sources and targets of every setting of the mini gym."""
    cls, non_cls = _sources(_is_cls), _sources(_is_text)
    rows = (
        ("R->R", _sources(), R_TARGETS),
        ("Cls->Cls", cls, CLS_TARGETS),
        ("Both->Cls", BOTH, CLS_TARGETS),
        ("Non-Cls->Cls", non_cls, CLS_TARGETS),
        ("Cls->Non-Cls", cls, NON_CLS_TARGETS),
        ("Both->Non-Cls", BOTH, NON_CLS_TARGETS),
        ("Non-Cls->Non-Cls", non_cls, NON_CLS_TARGETS),
        ("QA->QA", _sources(_is_qa), QA_TARGETS),
        ("Non-QA->QA", _sources(lambda task: not _is_qa(task)), QA_TARGETS),
        ("NP->P", cls, PARAPHRASES),
    )
    partitions = {name: Setting(name, sources, targets) for name, sources, targets in rows}
    return Partitions(
        partitions, tuple(t for t, task in TASKS.items() if task.role == "validation")
    )


def _sources(fits: Callable[[MiniTask], bool] = lambda task: True) -> tuple[str, ...]:
    return tuple(name for name, task in TASKS.items() if task.role == "source" and fits(task))


def _is_cls(task: MiniTask) -> bool:
    return task.card.family == "classification" and task.card.subfamily != "paraphrase"


def _is_text(task: MiniTask) -> bool:
    return task.card.family != "classification"


def _is_qa(task: MiniTask) -> bool:
    return task.card.family == "qa"
