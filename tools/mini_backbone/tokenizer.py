"""The mini backbone's tokenizer: the world's words as pieces, any other text byte by byte.

A unigram model as T5's, over bytes written as printable characters (GPT-2's table), so that every
text has pieces and comes back exactly: unknown words, emoji, tabs, double blanks. A blank is put
before each text and taken off in decoding, which gives a word one piece wherever it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import log
from typing import Any

SPECIALS = ("<pad>", "</s>", "<unk>")
"""Ids 0, 1, 2, as T5 has them."""


def word_tokenizer(texts: Iterable[str], *, extra: Iterable[str], sentinels: int) -> Any:
    """A ``tokenizers.Tokenizer`` with a piece for every blank-separated word.

    Ids fall in order of frequency: specials, words, bytes, sentinels.

    Args:
        texts: what the word frequencies are counted on.
        extra: words that get a piece even if no text holds them.
        sentinels: how many ``<extra_id_i>`` stand at the end.
    """
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import ByteLevel, Sequence, Strip
    from tokenizers.models import Unigram
    from tokenizers.normalizers import Prepend
    from tokenizers.pre_tokenizers import ByteLevel as Bytes
    from tokenizers.processors import TemplateProcessing

    marks = [f"<extra_id_{i}>" for i in range(sentinels)]
    counts = Counter(word for text in texts for word in text.split(" "))
    counts.update(set(extra) - counts.keys())
    split = Bytes(add_prefix_space=False, use_regex=False)
    rows = [(mark, 0.0) for mark in SPECIALS]
    total = counts.total()
    for word, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        if word and word not in marks:
            rows.append((split.pre_tokenize_str(f" {word}")[0][0], log(count / total)))
    known = {piece for piece, _ in rows}
    rows += [(byte, -20.0) for byte in sorted(Bytes.alphabet()) if byte not in known]
    tokenizer = Tokenizer(Unigram(rows, unk_id=2, byte_fallback=False))
    tokenizer.normalizer = Prepend(" ")
    tokenizer.pre_tokenizer = Bytes(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = Sequence([ByteLevel(), Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in (*SPECIALS, *marks)])
    tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer
