"""What of a task's rows can be read and written: counts, lines and refusals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpt.errors import DataError
from mpt.gym.metrics import METRICS, answer_value, score
from mpt.gym.reach import Reach, reach_lines, reach_sum
from mpt.gym.splits import Example, FewShotSplit
from mpt.gym.token_cache import TokenCache
from mpt.gym.tokens import TokenSplit

END = 1


class Words:
    """A tokenizer of one id a word, the closing id last; words with a ``*`` have none."""

    def __init__(self) -> None:
        self.words = ["<unk>", "</s>"]
        self.asked = 0

    def encode(self, texts: Sequence[str], limit: int, role: str) -> list[np.ndarray]:
        self.asked += len(texts)
        ids = [[*map(self._id, text.split())][: limit - 1] for text in texts]
        return [np.array([*row, END]) for row in ids]

    def decode(self, ids: Sequence[np.ndarray]) -> list[str]:
        return [" ".join(self.words[i] for i in row if i != END) for row in ids]

    def _id(self, word: str) -> int:
        if "*" in word:
            return 0
        if word not in self.words:
            self.words.append(word)
        return self.words.index(word)


def reach(
    *answers: Sequence[str],
    metric: str = "ACC",
    inputs: Sequence[str] = ("one two", "one two three"),
    cache: TokenCache | None = None,
    words: Words | None = None,
    max_target: int = 4,
) -> Reach:
    """The reach of rows with these answers: 4 input tokens and ``max_target`` are kept."""
    rows = tuple(Example(inputs[at % len(inputs)], tuple(own)) for at, own in enumerate(answers))
    split, words = FewShotSplit("task", metric, 13, rows, rows, rows), words or Words()
    tokens = TokenSplit(split, words.encode, 4, max_target, cache)
    return tokens.reach("test", words.decode)


def test_cut_inputs_are_those_with_more_tokens_than_are_kept():
    inputs = ("a b", "a b c", "a b c d")
    assert (reach(*[["x"]] * 3, inputs=inputs).cut, reach(*[["x"]] * 3).cut) == (1, 0)


@pytest.mark.parametrize(
    ("metric", "answers", "lost", "worthless"),
    [
        ("ACC", [["yes"], ["No"], ["a b c"]], 0, 0),
        ("ACC", [["a b c d"], ["a  b"], ["a*"], ["yes", "a b c d"]], 4, 4),
        ("EM", [["a  b"], ["The b!"], ["b c d e"], ["the"], ["..."]], 3, 3),
        ("QA-F1", [["b c d e"], ["the"]], 2, 1),
        ("Rouge-L", [["b c d e"], ["b c"], ["b* b*"]], 2, 1),
        ("Classification-F1", [["yes"], ["a  b"], ["a", "b*"]], 1, 1),
        ("Matthew-Correlation", [["acceptable"], ["un*"], ["a b c d e"]], 0, 0),
        ("Matthew-Correlation", [["not really quite acceptable"]], 0, 0),
        ("Pearson-Correlation", [["1.5"], ["-2e3"]], 0, 0),
    ],
)
def test_answers_that_come_back_as_something_worth_less(metric, answers, lost, worthless):
    found = reach(*answers, metric=metric)
    assert (found.lost, found.worthless) == (lost, worthless)


def test_an_answer_is_shown_beside_what_it_comes_back_as():
    found = reach(["yes"], ["fear of all things"])
    assert found.shown == ("fear of all things", "fear of all")
    assert found.example == "e.g. 'fear of all things' comes back as 'fear of all'"
    assert reach(["yes"]).example == ""


def test_gold_answers_that_are_no_numbers_are_refused_before_anything_is_scored():
    for wrong in ("good", "nan", "inf"):
        with pytest.raises(
            DataError, match=f"row 1 has the gold answer '{wrong}', which is no num"
        ):
            reach(["1"], [wrong], metric="Pearson-Correlation")


def test_it_is_looked_at_once_for_all(tmp_path):
    plain, words = reach(["yes"], ["a b c d"]), Words()
    (tmp_path / "tokens").mkdir()
    cache = TokenCache(tmp_path / "tokens", "words")
    assert reach(["yes"], ["a b c d"], cache=cache, words=words) == plain
    words.asked = 0
    assert reach(["yes"], ["a b c d"], cache=cache, words=words) == plain
    assert words.asked == 1  # the one that is shown
    assert reach(["yes"], ["a b c d"], cache=cache, metric="Matthew-Correlation").lost == 0
    assert reach(["yes"], ["a b c d"], cache=cache, max_target=5).lost == 0


def test_a_task_without_any_answer_that_can_be_met_is_refused():
    message = (
        r"task: none of its 2 test answers can be written with max_target 4 \(e.g. 'a b c d' comes "
        r"back as 'a b c'\), so that every score would be 0; raise the backbone's max_target"
    )
    with pytest.raises(DataError, match=message):
        reach(["a b c d"], ["b c d e"]).refuse_hopeless()
    reach(["a b c d"], ["b c d e"], max_target=5).refuse_hopeless()  # the cure
    reach(["a b c d"], ["b c d"]).refuse_hopeless()
    reach(["a b c d"], ["b c d e"], metric="Rouge-L").refuse_hopeless()


def found(task: str, lost: int, cut: int) -> Reach:
    shown = ("gold", "gol") if lost else None
    return Reach(task, "test", 60, cut, 60, lost, 0, 64, 16, shown)


def test_a_line_a_task_the_worst_first_and_a_sum_of_the_others():
    assert reach_lines([found("a", 0, 0)]) == ()
    tasks = [found(f"t{at}", at, 60 - at) for at in range(1, 8)]
    lines = reach_lines([*tasks, found("fine", 0, 0), found("cut", 0, 60)])
    assert len(lines) == 6
    assert lines[0] == (
        "t7: test 7 of 60 answers cannot be written within max_target 16 (e.g. 'gold' comes back "
        "as 'gol'); test 53 of 60 inputs are cut at max_input 64"
    )
    assert lines[-1].startswith("3 more tasks: test 3 of 180 answers cannot be written within")
    assert lines[-1].endswith("; test 177 of 180 inputs are cut at max_input 64")
    assert reach_sum([found("a", 0, 6), found("b", 0, 0)]) == (
        "1 of 2 tasks: test 6 of 120 inputs are cut at max_input 64"
    )


@given(st.sampled_from([*METRICS]), st.text(max_size=6), st.text(max_size=6))
def test_worth_is_what_the_metric_gives(metric, written, gold):
    """From 0 to 1; 1 for the gold answer itself, unless silence would be worth as much."""
    if metric in ("ACC", "QA-F1", "Rouge-L"):
        assert answer_value(metric, written, gold) == pytest.approx(
            score(metric, [written], [[gold]])
        )
    if metric == "EM" and answer_value(metric, gold, gold) == 0:
        assert score("EM", [""], [[gold]]) == 1
    assert 0 <= answer_value(metric, written, gold) <= 1
