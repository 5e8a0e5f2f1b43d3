"""The paper's ten settings in miniature, and five validation tasks that are in none of them."""

from __future__ import annotations

from collections.abc import Callable

from mpt.gym.mini.tasks import TASKS, MiniTask, Role
from mpt.gym.partitions import Partitions, Setting

BOTH = (
    "news-topic", "scene-kind", "diary-emotion", "assistant-intent", "quantity-entailment",
    "film-judgement", "speech-act", "story-where", "animal-choice", "capital-choice",
    "report-headline", "restaurant-text", "request-day", "verb-past", "word-reversal",
)  # fmt: skip
"""Half of each side: about as many sources as the other settings have."""

R_TARGETS = (
    "forum-topic", "tweet-emotion", "chat-act", "scene-entailment", "sentence-paraphrase",
    "food-choice", "odd-choice", "story-room-colour", "report-passive", "request-reply",
    "record-life", "both-ends",
)  # fmt: skip


def settings() -> Partitions:
    """Return the sources and targets of every setting of the mini gym."""
    cls, non_cls = _names("source", _is_cls), _names("source", _is_text)
    cls_targets, non_cls_targets = _names("target", _is_cls), _names("target", _is_text)
    qa_targets = _names("target", _is_qa)
    rows = (
        ("R->R", _names("source"), R_TARGETS),
        ("Cls->Cls", cls, cls_targets),
        ("Both->Cls", BOTH, cls_targets),
        ("Non-Cls->Cls", non_cls, cls_targets),
        ("Cls->Non-Cls", cls, non_cls_targets),
        ("Both->Non-Cls", BOTH, non_cls_targets),
        ("Non-Cls->Non-Cls", non_cls, non_cls_targets),
        ("QA->QA", _names("source", _is_qa), qa_targets),
        ("Non-QA->QA", _names("source", lambda task: not _is_qa(task)), qa_targets),
        ("NP->P", cls, _names("target", _is_paraphrase)),
    )
    partitions = {name: Setting(name, sources, targets) for name, sources, targets in rows}
    return Partitions(partitions, _names("validation"))


def _names(role: Role, fits: Callable[[MiniTask], bool] = lambda task: True) -> tuple[str, ...]:
    """Return the tasks of a role, by name."""
    return tuple(name for name, task in TASKS.items() if task.role == role and fits(task))


def _is_paraphrase(task: MiniTask) -> bool:
    return task.card.subfamily == "paraphrase"


def _is_cls(task: MiniTask) -> bool:
    return task.card.family == "classification" and not _is_paraphrase(task)


def _is_text(task: MiniTask) -> bool:
    return task.card.family != "classification"


def _is_qa(task: MiniTask) -> bool:
    return task.card.family == "qa"
