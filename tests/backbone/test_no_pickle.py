"""No pickle is opened, whichever file of a model leads to one, and what an error says helps."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest
import torch
from folders import change, loaded, refused, save
from safetensors.torch import load_file

from mpt.backbone.load import load_backbone
from mpt.errors import ConfigError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BIN, SAFE = "pytorch_model.bin", "model.safetensors"


@pytest.fixture(autouse=True)
def _torch_load_is_not_called(monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("a pickle is opened"))


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """The Hub id acme/tiny as an offline cache holds it: the folder of its commit."""
    place = tmp_path / "cache" / "models--acme--tiny"
    save(place / "snapshots" / COMMIT)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(place.parent))
    return place / "snapshots" / COMMIT


def pickled(folder):
    """The model's weights as the pickle that they were before safetensors."""
    torch.save(load_file(folder / SAFE), folder / BIN)
    (folder / SAFE).unlink()


def refused_id():
    """The line by which the Hub id is refused."""
    with pytest.raises(ConfigError) as error:
        load_backbone("acme/tiny", "cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


def cure(line, place, **variables):
    """Run the command that ends an error; the folder that the error says it makes."""
    words = shlex.split(line[line.index("python -c ") :])
    subprocess.run(
        [sys.executable, *words[1:]],
        cwd=place,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **variables},
        check=True,
        capture_output=True,
    )
    made = line.partition("give the folder ")[2].partition(" that this makes")[0]
    return place / json.loads(made)


def test_a_folder_of_pickles_is_refused(folder):
    pickled(folder)
    line = refused(folder)
    assert f"its weights as {BIN}, a pickle, which may run code and which mpt never opens" in line
    (folder / BIN).rename(folder / "model.ckpt")
    assert "its weights as model.ckpt, which mpt does not open; load them with" in refused(folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_a_folder_of_pickles_is_mended_by_what_is_said(tmp_path, kind):
    folder = tmp_path / "it's my $model"
    save(folder, kind)
    expected = loaded(folder).model.state_dict()
    pickled(folder)
    line = refused(folder)
    found = loaded(cure(line, tmp_path)).model.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.slow
def test_a_hub_id_of_pickles_is_refused_and_the_cure_works(cached, tmp_path):
    before = load_backbone("acme/tiny", "cpu").model.state_dict()
    pickled(cached)
    line = refused_id()
    assert f"no weights as safetensors, and mpt never opens a pickle ({BIN})" in line
    made = cure(line, tmp_path, HF_HUB_CACHE=str(cached.parents[2]))
    assert made == tmp_path / "tiny-safetensors"
    found = loaded(made).model.state_dict()
    assert all(torch.equal(before[key], found[key]) for key in before)


def test_a_hub_id_that_is_said_to_have_no_safetensors_is_refused(cached):
    """As the Hub says it: the commit is there, the file is not."""
    pickled(cached)
    (cached / BIN).unlink()
    missing = cached.parents[1] / ".no_exist" / COMMIT
    missing.mkdir(parents=True)
    for name in (SAFE, f"{SAFE}.index.json"):
        (missing / name).touch()
    assert "no weights as safetensors, and mpt never opens a pickle" in refused_id()


@pytest.mark.parametrize("shard", [BIN, "../elsewhere.safetensors", "/etc/x.safetensors"])
def test_an_index_that_leads_elsewhere_is_refused(folder, shard):
    (folder / SAFE).unlink()
    index = {"weight_map": {"shared.weight": shard}}
    (folder / f"{SAFE}.index.json").write_text(json.dumps(index))
    assert f"names {shard!r}, which is no safetensors file beside it" in refused(folder)


def test_an_index_of_a_hub_id_that_leads_to_a_pickle_is_refused(cached):
    pickled(cached)
    index = {"weight_map": {"shared.weight": BIN}}
    (cached / f"{SAFE}.index.json").write_text(json.dumps(index))
    assert f"names '{BIN}', which is no safetensors file beside it" in refused_id()


@pytest.mark.parametrize("other", ["adapter_model.bin", "other.safetensors"])
def test_a_configuration_that_names_other_weights_is_refused_and_the_cure_works(folder, other):
    """transformers reads them instead, and no identity names their bytes."""
    expected = loaded(folder).weights
    (folder / SAFE).rename(folder / "other.safetensors")
    torch.save(load_file(folder / "other.safetensors"), folder / "adapter_model.bin")
    change(folder / "config.json", transformers_weights=other)
    line = refused(folder)
    assert f"has weights read from {other!r} (transformers_weights), not from {SAFE}" in line
    (folder / "other.safetensors").rename(folder / SAFE)
    change(folder / "config.json", "transformers_weights")
    assert loaded(folder).weights == expected


def test_a_hub_id_that_names_other_weights_is_refused(cached):
    pickled(cached)
    (cached / BIN).rename(cached / "adapter_model.bin")
    change(cached / "config.json", transformers_weights="adapter_model.bin")
    assert "(transformers_weights)" in refused_id()


def test_an_adapter_is_never_loaded_on_top(cached, tmp_path):
    """Of a Hub id, and beside a GGUF file; its weights may be a pickle."""
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "acme/base"}
    (cached / "adapter_config.json").write_text(json.dumps(adapter))
    torch.save({}, cached / "adapter_model.bin")
    assert "holds a PEFT adapter, or has one beside it; give a model without" in refused_id()
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapter))
    assert "holds a PEFT adapter, or has one beside it" in refused(file)


def test_a_pickle_under_the_name_of_safetensors_is_refused(folder):
    torch.save(load_file(folder / SAFE), folder / BIN)
    (folder / BIN).replace(folder / SAFE)
    assert "cannot be loaded (" in refused(folder)


def test_safetensors_are_read_beside_a_pickle(folder):
    (folder / BIN).write_bytes(b"never opened")
    assert loaded(folder)
