"""The name of weights: other bytes, other name."""

from __future__ import annotations

from types import SimpleNamespace

from mpt.backbone.hub import identity

LOCAL = SimpleNamespace(_commit_hash=None)


def test_every_form_of_weights_and_tokenizer_counts(tmp_path):
    seen = {identity(str(tmp_path), LOCAL)}
    for name in ("model.safetensors", "pytorch_model.bin", "spiece.model", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"one")
        seen.add(identity(str(tmp_path), LOCAL))
        (tmp_path / name).write_bytes(b"two")
        seen.add(identity(str(tmp_path), LOCAL))
    assert len(seen) == 9
    before = identity(str(tmp_path), LOCAL)
    (tmp_path / "README.md").write_text("no part of it")
    assert identity(str(tmp_path), LOCAL) == before


def test_a_hub_model_is_named_by_its_commit():
    at = SimpleNamespace(_commit_hash="0123456789abcdef")
    assert identity("google/t5-large-lm-adapt", at) == "0123456789ab"
    assert identity("google/t5-large", LOCAL) != identity("google/t5-large-lm-adapt", LOCAL)
