"""A proof is made once for all that it depends on, and again when any of that is another."""

from __future__ import annotations

from pathlib import Path

import pytest
from folders import change, refused, save

from mpt.backbone import load as loading
from mpt.backbone import proved
from mpt.backbone.load import load_backbone
from mpt.config import BackboneConfig


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mpt" / "proofs"


@pytest.fixture
def proofs(monkeypatch):
    """The names of backbones that were proved, in order."""
    made = []
    plain = loading.prove
    monkeypatch.setattr(
        loading, "prove", lambda name, loaded: (plain(name, loaded), made.append(1))
    )
    return made


def load(folder, **options):
    sizes = {"prompt_tokens": 3, "max_input": 8, "max_target": 4}
    anew = options.pop("prove_anew", False)
    return load_backbone(
        BackboneConfig(name=str(folder), **sizes, **options), "cpu", prove_anew=anew
    )


def test_a_model_is_proved_once_and_anew_when_asked(tmp_path, cache, proofs):
    save(tmp_path / "model", "gpt2")
    load(tmp_path / "model")
    load(tmp_path / "model")
    assert len(proofs) == len(list(cache.iterdir())) == 1
    load(tmp_path / "model", prove_anew=True)
    assert len(proofs) == 2


@pytest.mark.parametrize(
    "alter",
    [
        lambda folder, _: change(folder / "config.json", layer_norm_epsilon=1e-3),
        lambda folder, _: save(folder, "llama"),
        lambda _, patch: patch.setattr(proved, "version", lambda name: "9.9"),
        lambda _, patch: patch.setattr(proved, "_code", lambda: "other code"),
    ],
    ids=["configuration", "weights", "software", "code"],
)
def test_what_a_proof_depends_on_makes_another(alter, tmp_path, cache, proofs, monkeypatch):
    save(tmp_path, "gpt2")
    load(tmp_path)
    alter(tmp_path, monkeypatch)
    load(tmp_path)
    assert len(proofs) == 2


def test_places_and_precisions_are_proved_apart(tmp_path, cache, proofs):
    save(tmp_path / "model", "gpt2")
    for options in ({}, {"prompt_position": "after"}, {"precision": "bf16"}):
        load(tmp_path / "model", **options)
    assert len(proofs) == 3


def test_what_was_refused_is_refused_again(tmp_path, cache):
    save(tmp_path / "model", "llama")
    change(tmp_path / "model" / "config.json", expert_capacity=4)
    assert refused(tmp_path / "model") == refused(tmp_path / "model")
    assert not cache.exists()


def test_without_a_place_to_keep_it_every_load_proves(tmp_path, proofs, monkeypatch):
    save(tmp_path / "model", "gpt2")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    load(tmp_path / "model")
    monkeypatch.delenv("XDG_CACHE_HOME")
    # what it is for a user without a home
    monkeypatch.setattr(proved, "user_cache_path", lambda name: Path("~/.cache") / name)
    load(tmp_path / "model")
    assert len(proofs) == 2
