"""The paper's ten settings in miniature, and the five validation tasks outside all of them."""

from __future__ import annotations

from mpt.gym.partitions import Partitions, Setting

VALIDATION = ("diary-emotion", "gadget-sentiment", "story-colour", "verb-past", "country-choice")

CLS_TARGETS = (
    "film-sentiment", "forum-topic", "scene-entailment", "assistant-intent",
    "sentence-acceptability",
)  # fmt: skip
NON_CLS_TARGETS = (
    "story-where", "odd-choice", "adjective-opposite", "request-city", "statement-question",
)  # fmt: skip
QA_TARGETS = ("story-who", "story-choice", "odd-choice", "object-choice")
P_TARGETS = ("sentence-paraphrase", "question-paraphrase", "role-paraphrase")

CLS = (
    "food-sentiment", "concert-sentiment", "aspect-sentiment", "tweet-emotion", "news-topic",
    "scene-kind", "quantity-entailment", "question-type", "verb-tense", "request-politeness",
    "message-spam", "practice-stance",
)  # fmt: skip
NON_CLS = (
    "story-what", "story-yes-no", "kind-choice", "capital-facts", "animal-facts", "report-headline",
    "restaurant-text", "noun-plural", "request-day", "record-field", "last-word", "word-reversal",
)  # fmt: skip
QA = ("story-where", "story-what", "story-yes-no", "kind-choice", "capital-facts", "animal-facts")
NON_QA = (
    "food-sentiment", "news-topic", "scene-entailment", "question-type", "report-headline",
    "request-person", "record-field", "noun-plural",
)  # fmt: skip
NOT_P = (*CLS, "hotel-sentiment", "statement-subjectivity")
R_SOURCES = (
    *CLS[:9], "hotel-sentiment", "book-sentiment", "shop-department", "voice-intent",
    "statement-subjectivity", "sentence-paraphrase", *NON_CLS[:9],
)  # fmt: skip
R_TARGETS = (
    "film-sentiment", "forum-topic", "role-paraphrase", "story-where", "object-choice",
    "adjective-opposite",
)  # fmt: skip
BOTH = (*CLS[:6], *NON_CLS[:6])


def settings() -> Partitions:
    """Sources and targets of every setting of the mini gym."""
    rows = (
        ("R->R", R_SOURCES, R_TARGETS),
        ("Cls->Cls", CLS, CLS_TARGETS),
        ("Both->Cls", BOTH, CLS_TARGETS),
        ("Non-Cls->Cls", NON_CLS, CLS_TARGETS),
        ("Cls->Non-Cls", CLS, NON_CLS_TARGETS),
        ("Both->Non-Cls", BOTH, NON_CLS_TARGETS),
        ("Non-Cls->Non-Cls", NON_CLS, NON_CLS_TARGETS),
        ("QA->QA", QA, QA_TARGETS),
        ("Non-QA->QA", NON_QA, QA_TARGETS),
        ("NP->P", NOT_P, P_TARGETS),
    )
    return Partitions({name: Setting(name, s, t) for name, s, t in rows}, VALIDATION)
