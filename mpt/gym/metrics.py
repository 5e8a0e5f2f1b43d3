"""The seven metrics of CrossFit: every score that an average relative gain is made of.

``score(metric, predictions, targets)`` reproduces CrossFit's own numbers (regression-tested on
published predictions). All seven are in [0, 1] or, the two correlations, in [-1, 1].

Where a well-kept library and the official metric differ, the official one is kept:

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

_UNSETTLED = frozenset("\N{REPLACEMENT CHARACTER}\N{GREEK CAPITAL LETTER SIGMA}")
"""What may yet change by what follows: half a character's bytes, a letter with two lower forms."""
_CORRELATIONS = ("Matthew-Correlation", "Pearson-Correlation")
_ROUNDING = 1e-9
_ARTICLES = ("a", "an", "the")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SIGN = re.compile(r"[^\w\s]")
"""What ``normalize`` keeps and takes for the end of a word, so that an article may stand behind it:
a dash that is not ASCII, the dot of a lower İ."""


def score(metric: str, predictions: Predictions, targets: Targets) -> float:
    """The score of ``predictions`` (one text per row) against ``targets``.

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
            f"{metric}: {len(predictions)} predictions for {len(targets)} rows of targets; "
            "give exactly one prediction per row, in the rows' order"
        )
    if not predictions:
        raise DataError(f"{metric}: no rows to score; a split needs at least one example")
    for row, answers in enumerate(targets):
        if isinstance(answers, str) or not answers:
            raise DataError(
                f"{metric}: row {row} has {answers!r} as targets; "
                "give a list with at least one acceptable answer"
            )
    return float(METRICS[metric](predictions, targets))


def limits(metric: str | None) -> tuple[float, float]:
    """The lowest and highest score of a metric; of one that is not known, of any."""
    return (-1.0, 1.0) if metric is None or metric in _CORRELATIONS else (0.0, 1.0)


def is_possible(metric: str | None, value: float) -> bool:
    """Whether a metric can give this score; a mean may have been rounded up in its last digits.

    NaN and infinite values are no scores.
    """
    low, high = limits(metric)
    return low - _ROUNDING <= value <= high + _ROUNDING


def worth(metric: str, written: str, gold: str) -> float:
    """What a text is worth as the answer to a row with this one gold answer, from 0 to 1.

    1 where it is as good as the gold answer itself. An answer of which ``normalize`` leaves nothing
    is worth 0, however it is written: silence would be worth as much.

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
    """Those of a row's acceptable answers that the metric compares with: all, or the first."""
    first_only = ("Classification-F1", "Matthew-Correlation", "Pearson-Correlation")
    return answers[:1] if metric in first_only else answers


def check_gold(metric: str, targets: Targets) -> None:
    """Raise ``DataError`` for a gold answer that the metric cannot work with."""
    if metric == "Pearson-Correlation":
        for row, answers in enumerate(targets):
            _gold_number(row, answers[0])


def can_still_match(metric: str, begun: str, answers: Sequence[str]) -> bool:
    """Whether a text that begins with ``begun`` can be worth more than 0.

    Where it cannot, nothing that follows changes the score, and it need not be written. False is
    only ever said of ``ACC`` (equal but for case) and ``EM`` (equal after ``normalize``): the
    other metrics read every word.

    Raises:
        UnknownName: no such metric.
    """
    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    if _UNSETTLED.intersection(begun):
        return True
    if metric == "ACC":
        return any(answer.lower().startswith(begun.lower()) for answer in answers)
    if metric == "EM":
        return any(_can_normalise_to(normalize(answer), begun) for answer in answers)
    return True


def _can_normalise_to(answer: str, begun: str) -> bool:
    """The last word may go on; and an article, or the beginning of one, may yet vanish."""
    bare = begun.lower().translate(_PUNCTUATION)
    if _SIGN.search(bare):
        return True
    words = begun.split()
    whole, last = " ".join(words[:-1]), words[-1].lower().translate(_PUNCTUATION) if words else ""
    said = normalize(whole)
    if said and not f"{answer} ".startswith(f"{said} "):
        return False
    left = answer[len(said) :].lstrip()
    return left.startswith(last) or any(article.startswith(last) for article in _ARTICLES)


def normalize(text: str) -> str:
    """SQuAD's normalisation: lower case, no ASCII punctuation, no article, single blanks."""
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def accuracy(predictions: Predictions, targets: Targets) -> float:
    """Share of rows equal to an answer but for case (``str.lower``); blanks count."""
    return _mean(
        float(any(guess.lower() == answer.lower() for answer in answers))
        for guess, answers in zip(predictions, targets, strict=True)
    )


def exact_match(predictions: Predictions, targets: Targets) -> float:
    """Share of rows equal to an answer after ``normalize``."""
    return _mean(
        float(any(normalize(guess) == normalize(answer) for answer in answers))
        for guess, answers in zip(predictions, targets, strict=True)
    )


def qa_f1(predictions: Predictions, targets: Targets) -> float:
    """Mean over rows of the best bag-of-words F1 with an answer, after ``normalize``."""
    return _mean(
        max(_overlap(normalize(guess).split(), normalize(answer).split()) for answer in answers)
        for guess, answers in zip(predictions, targets, strict=True)
    )


def classification_f1(predictions: Predictions, targets: Targets) -> float:
    """Macro F1 over the union of gold and predicted texts; the first answer is the gold."""
    from sklearn.metrics import f1_score

    gold = [answers[0] for answers in targets]
    return float(f1_score(gold, list(predictions), average="macro"))


def matthews(predictions: Predictions, targets: Targets) -> float:
    """Matthews correlation of being ``acceptable`` (glue-cola): any other text counts as 0.

    A constant side gives 0.
    """
    from sklearn.metrics import matthews_corrcoef

    gold = [float(answers[0] == "acceptable") for answers in targets]
    guess = [float(text.strip() == "acceptable") for text in predictions]
    return float(matthews_corrcoef(gold, guess))


def pearson(predictions: Predictions, targets: Targets) -> float:
    """Pearson correlation of the numbers read from the texts.

    NaN, as officially, when a prediction is not a finite number, when either side is constant, or
    when there is only one row: whoever ranks scores must treat NaN as the worst one.
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
    """Mean over rows of the best Rouge-L F with an answer; 0 for a guess of punctuation only."""
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
    listed = list(values)
    return sum(listed) / len(listed)


def _overlap(guess: Sequence[str], gold: Sequence[str]) -> float:
    """Harmonic mean of word precision and recall, with multiplicity."""
    same = sum((Counter(guess) & Counter(gold)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(guess), same / len(gold)
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
            f"Pearson-Correlation: row {row} has the gold answer {text!r}, which is no number; "
            "choose another metric for this task"
        )
    return value
