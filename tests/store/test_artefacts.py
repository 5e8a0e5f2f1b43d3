from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save_file

from mpt.errors import DataError, StoreError
from mpt.files.tensor_file import notes_of, tensor_bytes
from mpt.store.artefacts import load_prompt, prompt_path, read_prompt, save_prompt
from mpt.store.home import Home

DIGEST = "0123456789ab"


@pytest.fixture
def home(tmp_path):
    return Home.find({"MPT_HOME": str(tmp_path)}).open()


def test_a_prompt_comes_back_bit_for_bit(home):
    prompt = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).T
    path = save_prompt(home, DIGEST, prompt, {"digest": DIGEST})
    assert path == prompt_path(DIGEST) == f"prompts/{DIGEST}.safetensors"
    assert torch.equal(load_prompt(home, path), prompt)
    assert [file.name for file in home.prompts.iterdir()] == [f"{DIGEST}.safetensors"]


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", "ABCDEF012345", "0123/4567"])
def test_only_a_digest_becomes_a_path(digest):
    with pytest.raises(DataError, match="is not a digest; give 8 to 64 hexadecimal digits"):
        prompt_path(digest)


def test_a_path_cannot_leave_the_home_folder(home):
    with pytest.raises(DataError, match="leads out of"):
        load_prompt(home, "prompts/../../secret.safetensors")


def test_a_missing_prompt_says_what_to_do(home):
    with pytest.raises(DataError, match=r"is missing; restore it .* or forget its unit"):
        load_prompt(home, prompt_path(DIGEST))


def test_a_damaged_prompt_says_what_to_do(home):
    path = save_prompt(home, DIGEST, torch.zeros(2, 2), {})
    whole = (home.root / path).read_bytes()
    for part in (whole[:-3], whole[:4], b""):
        (home.root / path).write_bytes(part)
        with pytest.raises(DataError, match=r"is damaged .* or forget its unit"):
            load_prompt(home, path)


@pytest.mark.parametrize(
    ("prompt", "notes", "ways", "why"),
    [
        (torch.full((2, 2), float("nan")), {}, {}, "it holds NaN or infinity"),
        (torch.zeros(2, 2, dtype=torch.int64), {}, {}, "it is of type torch.int64"),
        (torch.zeros(0, 2), {}, {}, "its tensor has shape"),
        (torch.zeros(2, 2), {"digest": "ba9876543210"}, {}, "it is the prompt of ba9876543210"),
        (torch.zeros(2, 2), {}, {"tokens": 3}, "it has 2 tokens, its unit 3"),
        (torch.zeros(2, 2), {}, {"sha256": "ab" * 32}, "its SHA-256 is .*, the ledger has abab"),
    ],
)
def test_what_is_not_this_prompt_is_refused(home, prompt, notes, ways, why):
    path = home.root / save_prompt(home, DIGEST, prompt, notes)
    with pytest.raises(DataError, match=rf"is damaged \({why}.*`mpt studies forget {DIGEST}`"):
        read_prompt(path, digest=DIGEST, **ways)


def test_equal_prompts_are_equal_bytes_in_every_process(home):
    """Whatever order safetensors writes its notes in: else a hash would tell processes apart."""
    notes = {name: name for name in "zyxabc"}
    bytes_ = tensor_bytes({"prompt": torch.eye(3)}, notes)
    header = bytes_[8 : 8 + int.from_bytes(bytes_[:8], "little")]
    assert header.startswith(b'{"__metadata__":{"a":"a","b":"b","c":"c","x":"x","y":"y","z":"z"}')
    assert len(header) % 8 == 0
    assert notes_of(bytes_) == notes
    assert torch.equal(load(bytes_)["prompt"], torch.eye(3))


def test_other_tensors_are_no_prompt(home):
    where = home.prompts / f"{DIGEST}.safetensors"
    save_file({"weight": torch.zeros(2, 2)}, where)
    with pytest.raises(DataError, match="holds the tensors weight, not one named 'prompt'"):
        load_prompt(home, prompt_path(DIGEST))
    save_file({"prompt": torch.zeros(2)}, where)
    with pytest.raises(DataError, match=r"shape \[2\], not \[tokens, width\]"):
        load_prompt(home, prompt_path(DIGEST))


def test_a_full_disk_says_what_to_do(home, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match=r"No space left on device\); make room"):
        save_prompt(home, DIGEST, torch.zeros(2, 2), {})
    assert not (home.root / prompt_path(DIGEST)).exists()
