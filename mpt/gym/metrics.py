"""The seven metrics of CrossFit, from whose scores an average relative gain is computed.

``score(metric, predictions, targets)`` reproduces CrossFit's own numbers (regression-tested on
published predictions). All seven are in [0, 1] or, the two correlations, in [-1, 1].

Where a well-kept library and the official metric differ, the official one is followed:

- *Classification-F1* is scikit-learn's macro F1 over the union of gold and predicted texts, so each
  distinct wrong text adds a class with F1 = 0, and only the first acceptable answer counts.
- *Pearson-Correlation* is SciPy's, but undefined (NaN) as soon as one prediction is not a number.
- *Rouge-L* is that of the ``rouge`` 1.0.1 package, not of ``rouge-score``; see ``mpt.gym.rouge``.
- *QA-F1* gives 0, not 1, when prediction and answer both normalise to nothing (SQuAD 2 gives 1).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite

from mpt.errors import DataError, UnknownName

Predictions = Sequence[str]
Targets = Sequence[Sequence[str]]
Metric = Callable[[Predictions, Targets], float]

_INCOMPLETE = frozenset("\N{REPLACEMENT CHARACTER}\N{GREEK CAPITAL LETTER SIGMA}")
"""Characters that the next token may change: part of a character's bytes, and the capital sigma,
whose lower-case form depends on its position in the word."""
_CORRELATIONS = ("Matthew-Correlation", "Pearson-Correlation")
_ROUNDING = 1e-9
_ARTICLES = ("a", "an", "the")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SIGN = re.compile(r"[^\w\s]")
"""Characters that ``normalize`` keeps and that end a word, so that an article may follow: a dash
that is not ASCII, the combining dot of a lower-case İ."""


def score(metric: str, predictions: Predictions, targets: Targets) -> float:
    """Score ``predictions`` (one text per row) against ``targets``.

    Args:
        metric: a key of ``METRICS``.
        predictions: decoded texts, special tokens and surrounding blanks already removed.
        targets: per row every acceptable answer, at least one.

    Returns:
        A fraction (0.5, not 50). NaN where a Pearson correlation is undefined.

    Raises:
        UnknownName: no such metric.
        DataError: no rows, different numbers of rows, a row without answer, or a gold answer that
            is not a number where the metric needs one.
    """
    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    if len(predictions) != len(targets):
        raise DataError(
            f"{metric}: {len(predictions)} predictions for {len(targets)} rows of targets",
            fix="give exactly one prediction per row, in the rows' order",
        )
    if not predictions:
        raise DataError(
            f"{metric}: no rows to score",
            fix="a split needs at least one example",
        )
    for row, answers in enumerate(targets):
        if isinstance(answers, str) or not answers:
            raise DataError(
                f"{metric}: row {row} has {answers!r} as targets",
                fix="give a list with at least one acceptable answer",
            )
    return float(METRICS[metric](predictions, targets))


def is_correlation(metric: str | None) -> bool:
    """Tell whether a metric is a correlation, under which answers without skill score 0."""
    return metric in _CORRELATIONS


def limits(metric: str | None) -> tuple[float, float]:
    """Return the lowest and highest possible score of a metric; of any metric for None."""
    return (-1.0, 1.0) if metric is None or is_correlation(metric) else (0.0, 1.0)


def is_possible(metric: str | None, value: float) -> bool:
    """Tell whether a metric can give this score, allowing for rounding in the last digits.

    NaN and infinite values are no scores.
    """
    low, high = limits(metric)
    return low - _ROUNDING <= value <= high + _ROUNDING


def answer_value(metric: str, written: str, gold: str) -> float:
    """Score a text as the answer to a row with this one gold answer, from 0 to 1.

    The score is 1 if the text is as good as the gold answer itself. For EM, a gold answer of which
    ``normalize`` leaves nothing gives 0, because an empty prediction would match it as well.

    Raises:
        UnknownName: no such metric.
    """
    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    if metric == "Classification-F1":
        return float(written == gold)
    if metric == "Matthew-Correlation":
        return float((written == "acceptable") == (gold == "acceptable"))
    if metric == "Pearson-Correlation":
        return float(_number(written) == _number(gold))
    if metric == "EM" and not normalize(gold):
        return 0.0
    value = METRICS[metric]([written], [[gold]])
    # Rouge-L gives a perfect match a little less than 1
    return 1.0 if value > 1 - 1e-6 else value


def scored_answers(metric: str, answers: Sequence[str]) -> Sequence[str]:
    """Return the acceptable answers of a row that the metric uses: all, or only the first."""
    first_only = ("Classification-F1", "Matthew-Correlation", "Pearson-Correlation")
    return answers[:1] if metric in first_only else answers


def check_gold(metric: str, targets: Targets) -> None:
    """Raise ``DataError`` for a gold answer that the metric cannot score against."""
    if metric == "Pearson-Correlation":
        for row, answers in enumerate(targets):
            _gold_number(row, answers[0])


def can_still_match(metric: str, begun: str, answers: Sequence[str]) -> bool:
    """Tell whether a text that begins with ``begun`` can still score more than 0.

    If it cannot, decoding may stop, as nothing that follows changes the score. Only ``ACC`` (equal
    but for case) and ``EM`` (equal after ``normalize``) can return False: the other metrics read
    every word.

    Raises:
        UnknownName: no such metric.
    """
    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    if _INCOMPLETE.intersection(begun):
        return True
    if metric == "ACC":
        return any(answer.lower().startswith(begun.lower()) for answer in answers)
    if metric == "EM":
        return any(_can_normalise_to(normalize(answer), begun) for answer in answers)
    return True


def _can_normalise_to(answer: str, begun: str) -> bool:
    """Tell whether a text that begins with ``begun`` may normalise to ``answer``.

    The last word of ``begun`` may continue, and may turn out to be an article, which is dropped.
    """
    bare = begun.lower().translate(_PUNCTUATION)
    if _SIGN.search(bare):
        return True
    words = begun.split()
    whole, last = " ".join(words[:-1]), words[-1].lower().translate(_PUNCTUATION) if words else ""
    normalised = normalize(whole)
    if normalised and not f"{answer} ".startswith(f"{normalised} "):
        return False
    left = answer[len(normalised) :].lstrip()
    return left.startswith(last) or any(article.startswith(last) for article in _ARTICLES)


def normalize(text: str) -> str:
    """Return a text normalised as in SQuAD: lower case, no ASCII punctuation or articles."""
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def accuracy(predictions: Predictions, targets: Targets) -> float:
    """Compute the share of rows equal to an answer but for case (``str.lower``); blanks count."""
    return _mean(
        float(any(guess.lower() == answer.lower() for answer in answers))
        for guess, answers in zip(predictions, targets, strict=True)
    )


def exact_match(predictions: Predictions, targets: Targets) -> float:
    """Compute the share of rows equal to an answer after ``normalize``."""
    return _mean(
        float(any(normalize(guess) == normalize(answer) for answer in answers))
        for guess, answers in zip(predictions, targets, strict=True)
    )


def qa_f1(predictions: Predictions, targets: Targets) -> float:
    """Compute the mean over rows of the best bag-of-words F1 with an answer, normalised."""
    return _mean(
        max(_overlap(normalize(guess).split(), normalize(answer).split()) for answer in answers)
        for guess, answers in zip(predictions, targets, strict=True)
    )


def classification_f1(predictions: Predictions, targets: Targets) -> float:
    """Compute the macro F1 over the union of gold (first answers) and predicted texts."""
    from sklearn.metrics import f1_score

    gold = [answers[0] for answers in targets]
    return float(f1_score(gold, list(predictions), average="macro"))


def matthews(predictions: Predictions, targets: Targets) -> float:
    """Compute the Matthews correlation of being ``acceptable`` (glue-cola); other texts count as 0.

    A constant side gives 0.
    """
    from sklearn.metrics import matthews_corrcoef

    gold = [float(answers[0] == "acceptable") for answers in targets]
    guess = [float(text.strip() == "acceptable") for text in predictions]
    return float(matthews_corrcoef(gold, guess))


def pearson(predictions: Predictions, targets: Targets) -> float:
    """Compute the Pearson correlation of the numbers read from the texts.

    The result is NaN, as in the official metric, if a prediction is not a finite number, if either
    side is constant, or if there is only one row: a ranking must treat NaN as the worst score.
    """
    import numpy as np
    from scipy.stats import pearsonr

    gold = np.array([_gold_number(row, answers[0]) for row, answers in enumerate(targets)])
    guess = np.array([_number(text) for text in predictions])
    undefined = not np.isfinite(guess).all() or len(gold) < 2
    if undefined or np.ptp(gold) == 0 or np.ptp(guess) == 0:
        return float("nan")
    return float(np.asarray(pearsonr(gold, guess))[0])


def rouge_l(predictions: Predictions, targets: Targets) -> float:
    """Compute the mean over rows of the best Rouge-L F; 0 for a guess of punctuation only."""
    from mpt.gym.rouge import rouge_l_f

    return _mean(
        max(rouge_l_f(guess, answer) for answer in answers)
        if guess.translate(_PUNCTUATION)
        else 0.0
        for guess, answers in zip(predictions, targets, strict=True)
    )


METRICS: Mapping[str, Metric] = {
    "ACC": accuracy,
    "EM": exact_match,
    "QA-F1": qa_f1,
    "Classification-F1": classification_f1,
    "Matthew-Correlation": matthews,
    "Pearson-Correlation": pearson,
    "Rouge-L": rouge_l,
}
"""CrossFit's names (``Matthew-Correlation`` is spelt so there) and their functions."""


def _mean(values: Iterable[float]) -> float:
    scores = list(values)
    return sum(scores) / len(scores)


def _overlap(guess: Sequence[str], gold: Sequence[str]) -> float:
    """Compute the harmonic mean of word precision and recall, with multiplicity."""
    shared = sum((Counter(guess) & Counter(gold)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(guess), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def _number(text: str) -> float:
    try:
        return float(text.strip())
    except ValueError:
        return float("nan")


def _gold_number(row: int, text: str) -> float:
    value = _number(text)
    if not isfinite(value):
        raise DataError(
            f"Pearson-Correlation: row {row} has the gold answer {text!r}, which is no number",
            fix="choose another metric for this task",
        )
    return value
