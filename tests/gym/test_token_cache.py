"""Token ids kept on disk: the same ids, tokenised once, whatever happens to the files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpt.gym.splits import PARTS, Example, FewShotSplit
from mpt.gym.token_cache import TokenCache
from mpt.gym.tokens import TokenSplit

TRAIN = (Example("a cat", ("yes",)), Example("", ("no", "not at all", "")))
TEST = (Example("tab\there", ("x",)), Example("\ud800 😀", ("é",)))
SPLIT = FewShotSplit("task", "EM", 13, TRAIN, (), TEST)


class Tokenizer:
    """Bytes and an end; counts the texts that it was given."""

    def __init__(self):
        self.texts = 0

    def __call__(self, texts, limit, role):
        self.texts += len(texts)
        coded = [text.encode("utf-8", "surrogatepass") for text in texts]
        return [np.array([*data[: limit - 1], 1], np.int64) for data in coded]


def tokens(split, tokenizer, cache=None, max_input=32):
    made = TokenSplit(split, tokenizer, max_input, 8, cache)
    return {
        part: [
            (example.input.tolist(), [target.tolist() for target in example.targets])
            for example in getattr(made, part)
        ]
        for part in PARTS
    }


def test_a_second_start_tokenises_nothing_and_has_the_same_ids(tmp_path):
    plain = tokens(SPLIT, Tokenizer())
    first, second = Tokenizer(), Tokenizer()
    assert tokens(SPLIT, first, TokenCache(tmp_path, "bytes")) == plain
    assert first.texts == 10
    assert tokens(SPLIT, second, TokenCache(tmp_path, "bytes")) == plain
    assert second.texts == 0


def test_a_folder_is_not_made_by_looking_at_rows_and_what_was_read_is_kept_once_it_is_there(
    tmp_path,
):
    cache, plain = TokenCache(tmp_path / "new", "bytes"), tokens(SPLIT, Tokenizer())
    assert tokens(SPLIT, Tokenizer(), cache) == plain
    cache.keep()
    assert not cache.folder.exists()
    cache.folder.mkdir()
    cache.keep()
    tokenizer = Tokenizer()
    assert tokens(SPLIT, tokenizer, TokenCache(cache.folder, "bytes")) == plain
    assert tokenizer.texts == 0


def test_ids_are_mapped_and_cannot_be_written_to(tmp_path):
    cache = TokenCache(tmp_path, "bytes")
    tokens(SPLIT, Tokenizer(), cache)
    row = TokenSplit(SPLIT, Tokenizer(), 32, 8, cache).train[0].input
    assert row.dtype == np.int32
    with pytest.raises(ValueError, match="read-only"):
        row[0] = 3


def test_seeds_share_a_test_set_and_nothing_else_is_shared(tmp_path):
    cache, tokenizer = TokenCache(tmp_path, "bytes"), Tokenizer()
    tokens(SPLIT, tokenizer, cache)
    before = tokenizer.texts
    tokens(FewShotSplit("task", "EM", 21, TRAIN[:1], (), TEST), tokenizer, cache)
    assert tokenizer.texts == before + 2
    for other in (TokenCache(tmp_path, "other"), cache):
        limit = 32 if other != cache else 31
        assert tokens(SPLIT, tokenizer, other, limit) == tokens(SPLIT, Tokenizer(), None, limit)
    assert tokenizer.texts == before + 2 + 2 * 10


texts = st.lists(st.text(max_size=5), max_size=3)


@settings(max_examples=200)
@given(texts, st.integers(1, 3), texts, st.integers(1, 3))
def test_a_key_stands_for_one_list_of_texts(a, first, b, second):
    cache = TokenCache(None, "x")  # type: ignore[arg-type]
    assert (cache.key((a, first)) == cache.key((b, second))) == ((a, first) == (b, second))
    assert cache.key((a, first), (b, second)) != cache.key((a + b, first))


@pytest.mark.parametrize("damage", ["cut", "odd", "empty", "flipped", "grown", "folder"])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    cache, tokenizer = TokenCache(tmp_path, "bytes"), Tokenizer()
    plain = tokens(SPLIT, tokenizer, cache)
    draws = Random(damage)
    for path in tmp_path.iterdir():
        data = bytearray(path.read_bytes())
        if damage == "flipped":
            data[draws.randrange(len(data))] ^= 1 << draws.randrange(8)
        changed = {
            "cut": data[:-4],
            "odd": data[:-3],
            "empty": b"",
            "grown": data + data,
            "text": b"hello",
        }
        if damage == "folder":
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(changed.get(damage, data))
    for texts in (10, 10 if damage == "folder" else 0):
        tokenizer.texts = 0
        assert tokens(SPLIT, tokenizer, cache) == plain
        assert tokenizer.texts == texts


def test_any_flipped_bit_is_noticed_or_harmless(tmp_path):
    cache = TokenCache(tmp_path, "bytes")
    ids = [np.arange(5), np.arange(3)]
    cache.write("k", ids)
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    for place in range(len(data) * 8):
        broken = bytearray(data)
        broken[place // 8] ^= 1 << place % 8
        path.write_bytes(broken)
        found = cache.read("k")
        assert found is None or [row.tolist() for row in found] == [row.tolist() for row in ids]


def test_a_cache_that_cannot_be_written_is_passed_over(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = TokenCache(tmp_path / "file" / "tokens", "bytes")
    assert tokens(SPLIT, Tokenizer(), cache) == tokens(SPLIT, Tokenizer())


def test_writers_side_by_side_end_in_one_whole_file(tmp_path):
    cache, ids = TokenCache(tmp_path, "bytes"), [np.arange(1000), np.arange(7)]

    def write_and_read(_):
        cache.write("k", ids)
        return [row.tolist() for row in cache.read("k") or []]

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(write_and_read, range(40)):
            assert found == [row.tolist() for row in ids]
    assert [path.name for path in tmp_path.iterdir()] == ["k.i32"]


def test_every_input_is_read_behind_what_stands_before_it():
    named = TokenSplit(SPLIT, Tokenizer(), 32, 8, before=" [task] ")
    for found, example in zip(named.train, SPLIT.train, strict=True):
        wanted = f" [task] {example.input}".encode("utf-8", "surrogatepass")[:31]
        assert bytes(found.input[:-1].astype("u1")) == wanted


def test_two_files_that_were_swapped_are_made_again(tmp_path):
    cache, tokenizer = TokenCache(tmp_path, "bytes"), Tokenizer()
    plain = tokens(SPLIT, tokenizer, cache)
    first, second, *_ = sorted(tmp_path.iterdir())
    data = first.read_bytes(), second.read_bytes()
    assert data[0] != data[1]
    first.write_bytes(data[1])
    second.write_bytes(data[0])
    assert tokens(SPLIT, tokenizer, cache) == plain
    assert (first.read_bytes(), second.read_bytes()) == data
