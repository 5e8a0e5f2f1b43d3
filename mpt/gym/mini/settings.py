"""The paper's ten settings in miniature, and five validation tasks that are in none of them."""

from __future__ import annotations

from mpt.gym.partitions import Partitions, Setting

VALIDATION = (
    "diary-emotion", "gadget-sentiment", "kind-choice", "opposite-sentence", "story-colour",
)  # fmt: skip

CLS_TARGETS = (
    "film-sentiment", "forum-topic", "scene-entailment", "shop-department",
    "sentence-acceptability",
)  # fmt: skip
NON_CLS_TARGETS = (
    "odd-choice", "report-passive", "request-place-day", "statement-negation", "story-where",
)  # fmt: skip
QA_TARGETS = ("not-choice", "odd-choice", "story-choice", "story-who")
P_TARGETS = ("sentence-paraphrase", "scene-paraphrase", "question-paraphrase")

CLS = (
    "food-sentiment", "concert-sentiment", "tweet-emotion", "news-topic", "scene-kind",
    "quantity-entailment", "question-type", "verb-tense", "request-politeness", "message-spam",
    "practice-stance", "assistant-intent",
)  # fmt: skip
NON_CLS = (
    "story-what", "country-choice", "animal-facts", "report-headline", "noun-plural",
    "last-word", "story-yes-no", "capital-facts", "restaurant-advert", "request-day",
    "record-field", "word-reversal",
)  # fmt: skip
QA = ("story-where", "story-what", "story-yes-no", "country-choice", "capital-facts",
      "animal-facts")  # fmt: skip
NON_QA = (
    "food-sentiment", "news-topic", "scene-entailment", "question-type", "report-headline",
    "request-person", "record-field", "command-actions",
)  # fmt: skip
NOT_P = (*CLS, "hotel-sentiment", "statement-subjectivity")
R_SOURCES = (
    *CLS, "hotel-sentiment", "voice-intent", "question-paraphrase", *NON_CLS[:9],
)  # fmt: skip
R_TARGETS = (
    "film-sentiment", "forum-topic", "sentence-paraphrase", "story-where", "odd-choice",
    "third-word",
)  # fmt: skip
BOTH = (*CLS[:6], *NON_CLS[:6])
"""Half of each side: as many sources as the other settings have."""


def settings() -> Partitions:
    """Return the sources and targets of every setting of the mini gym."""
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
