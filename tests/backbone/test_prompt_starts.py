"""Where prompts begin."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from tiny import TINY, tiny_t5

from mpt.backbone.prompt import begin
from mpt.config import PROMPT_INITS, BackboneConfig
from mpt.errors import ConfigError, UnknownName

P = 5


@pytest.fixture(scope="module")
def t5():
    return tiny_t5()


def row(t5, word):
    return t5.words([word])[0][0]


@pytest.mark.parametrize("kind", TINY)
@pytest.mark.parametrize("how", ["vocabulary", "tasks", "random", "text:the cat"])
def test_every_start_has_the_shape_and_depends_on_its_stream_alone(kind, how):
    backbone = TINY[kind]()
    names = ["good_cat", "red-dog"]
    first = begin(backbone, how, P, "a", 1, tasks=names)
    assert first.shape == (P, 16)
    assert first.isfinite().all()
    assert torch.equal(first, begin(backbone, how, P, "a", 1, tasks=names))
    if not how.startswith("text"):
        assert not torch.equal(first, begin(backbone, how, P, "a", 2, tasks=names))


def test_task_names_give_the_mean_of_their_words_then_vocabulary_rows(t5):
    found = begin(t5, "tasks", P, "s", tasks=["good_cat", "red-dog"])
    torch.testing.assert_close(found[0], (row(t5, "good") + row(t5, "cat")) / 2)
    torch.testing.assert_close(found[1], (row(t5, "red") + row(t5, "dog")) / 2)
    assert torch.equal(found[2:], begin(t5, "vocabulary", P, "s")[: P - 2])


def test_more_task_names_than_rows_stop_at_the_last_row(t5):
    found = begin(t5, "tasks", 2, "s", tasks=["cat", "dog", "mat"])
    assert torch.equal(found, torch.stack([row(t5, "cat"), row(t5, "dog")]))


def test_labels_give_a_row_each_once_then_vocabulary_rows(t5):
    labels = ["not_good", "bad", "not_good"]
    found = begin(t5, "labels", P, "s", labels=lambda: labels)
    torch.testing.assert_close(found[0], (row(t5, "not") + row(t5, "good")) / 2)
    assert torch.equal(found[1], row(t5, "bad"))
    common = begin(t5, "vocabulary", P, "s")
    assert torch.equal(found[2:], common[: P - 2])
    assert torch.equal(begin(t5, "labels", P, "s"), common)


def test_a_text_is_repeated_until_all_rows_are_filled(t5):
    cat, sat = row(t5, "cat"), row(t5, "sat")
    expected = torch.stack([cat, sat, cat, sat, cat])
    assert torch.equal(begin(t5, "text:cat sat", P, "s"), expected)


def test_scaled_embeddings_are_scaled_in_prompts_too():
    bart = TINY["bart"]()
    raw = bart.embed.weight[bart.tokenizer.convert_tokens_to_ids("cat")]
    torch.testing.assert_close(row(bart, "cat"), raw * 4.0)


def test_another_prompt_is_taken_as_it_is_or_refused(t5):
    learned = torch.ones(P, 16, dtype=torch.float64)
    assert torch.equal(begin(t5, "prompt:0123456789ab", P, "s", saved=lambda _: learned), learned)
    with pytest.raises(ConfigError, match=r"is \[5, 16\], but this study's prompts are \[4, 16\]"):
        begin(t5, "prompt:0123456789ab", 4, "s", saved=lambda _: learned)


def test_unknown_starts_are_refused_with_the_known_ones(t5):
    with pytest.raises(UnknownName, match="did you mean 'vocabulary'"):
        begin(t5, "vocabluary", P, "s")
    with pytest.raises(ConfigError, match="holds no words"):
        begin(t5, "text: ", P, "s")
    for wrong in ("vocab", "text:", "prompt:xyz"):
        with pytest.raises(ValidationError, match="prompt_init"):
            BackboneConfig(prompt_init=wrong)
    assert "tasks" in PROMPT_INITS
