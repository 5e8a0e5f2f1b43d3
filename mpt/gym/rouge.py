"""Rouge-L as CrossFit computes it: summary level, over *sets* of words.

The official scores come from the PyPI package ``rouge`` 1.0.1 (class ``Rouge``, ``avg=True``). It
differs from ``rouge-score`` in four ways, which is why it is implemented here:

1. sentences end at every ``.`` (also inside numbers); words are split at blanks, nothing is
   lower-cased, stemmed or stripped of punctuation;
2. both word counts and the matched words are sets: a repeated word counts once;
3. per gold sentence the words of its longest common subsequence with each predicted sentence are
   united; the words new in each union are summed;
4. F = 2 P R / (P + R + 1e-8), so a perfect match scores 1 - 5e-9.
"""

from __future__ import annotations

from collections.abc import Sequence


def rouge_l_f(prediction: str, answer: str) -> float:
    """Compute the F measure of ``prediction`` against one ``answer``, in [0, 1].

    A side without any sentence (empty, or dots only) scores 0, where the package raises an error.
    """
    guessed, gold = _sentences(prediction), _sentences(answer)
    if not guessed or not gold:
        return 0.0
    matched: set[str] = set()
    for sentence in gold:
        for guess in guessed:
            matched |= _common_words(sentence, guess)
    recall = len(matched) / len({word for sentence in gold for word in sentence})
    precision = len(matched) / len({word for sentence in guessed for word in sentence})
    return 2.0 * precision * recall / (precision + recall + 1e-8)


def _sentences(text: str) -> list[list[str]]:
    """Return the words of every non-empty piece between dots; blanks alone are one empty word."""
    return [" ".join(piece.split()).split(" ") for piece in text.split(".") if piece]


def _common_words(gold: Sequence[str], guess: Sequence[str]) -> set[str]:
    """Return the words of one longest common subsequence, the same one that the package picks.

    ``length[i][j]`` is that of ``gold[:i]`` and ``guess[:j]``; the walk back prefers dropping the
    last guessed word on ties. O(len(gold) * len(guess)) time and memory.
    """
    length = [[0] * (len(guess) + 1)]
    for word in gold:
        above, row = length[-1], [0]
        for j, other in enumerate(guess):
            row.append(above[j] + 1 if word == other else max(above[j + 1], row[j]))
        length.append(row)
    common: set[str] = set()
    i, j = len(gold), len(guess)
    while i and j:
        if gold[i - 1] == guess[j - 1]:
            common.add(gold[i - 1])
            i, j = i - 1, j - 1
        elif length[i - 1][j] > length[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return common
