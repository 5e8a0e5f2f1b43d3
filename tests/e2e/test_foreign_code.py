"""Code that comes with a model is run by no command, whatever is typed: no module, no pickle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from folders import change
from forked import Forked
from terminal import study_file, world

pytestmark = pytest.mark.slow


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def with_code(folder, mark):
    """Classes of the folder's own for everything that transformers makes of it."""
    names = ("AutoConfig", "AutoModelForSeq2SeqLM", "AutoModelForCausalLM", "AutoTokenizer")
    code = f"from pathlib import Path\nPath({str(mark)!r}).touch()\nclass Own: pass\n"
    (folder / "modeling.py").write_text(code)
    (folder / "custom_generate").mkdir(exist_ok=True)
    (folder / "custom_generate" / "generate.py").write_text(code)
    for file in ("config.json", "tokenizer_config.json"):
        change(folder / file, auto_map=dict.fromkeys(names[:3], "modeling.Own"))
    change(folder / "tokenizer_config.json", auto_map={names[3]: ["modeling.Own", "modeling.Own"]})


def of_an_unknown_kind(folder, mark):
    with_code(folder, mark)
    change(folder / "config.json", model_type="own")


def with_a_pickle(folder, mark):
    torch.save(Trap(mark), folder / "pytorch_model.bin")


def with_both_beside_its_own(folder, mark):
    with_code(folder, mark)
    with_a_pickle(folder, mark)


def with_a_pickle_instead(folder, mark):
    with_a_pickle(folder, mark)
    (folder / "model.safetensors").unlink()


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A backbone, a home in which a prompt was learned on it, its digest, and a way to ask mpt."""
    root = tmp_path_factory.mktemp("foreign")
    shutil.copytree(world().backbone, root / "model")
    sizes = {"prompt_tokens": 3, "max_input": 16, "max_target": 4}
    study = study_file(
        root / "study.yaml", {"backbone": {"name": str(root / "model"), **sizes}, "trials": 1}
    )

    def ask(*words):
        process = Forked(words, {"MPT_HOME": str(root / "home")}, typed="y\n" * 9)
        out, err = process.communicate(timeout=200)
        return process.returncode, out, err

    code, out, err = ask("run", "--study", str(study), "--json")
    assert code == 0, err
    return root, study, json.loads(out)["digest"], ask


def test_the_trap_works(tmp_path):
    with_a_pickle(tmp_path, tmp_path / "ran")
    torch.load(tmp_path / "pytorch_model.bin", weights_only=False)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("plant", "is_harmless"),
    [
        (with_both_beside_its_own, True),
        (of_an_unknown_kind, False),
        (with_a_pickle_instead, False),
    ],
)
def test_what_is_planted_in_a_model_folder_never_runs(stage, tmp_path, plant, is_harmless):
    root, study, digest, ask = stage
    folder, mark = root / "model", tmp_path / "ran"
    shutil.rmtree(folder)
    shutil.copytree(world().backbone, folder)
    plant(folder, mark)
    commands = [
        ("doctor", "--backbone", str(folder), "--json"),
        ("run", "--study", str(study), "--seed", "7"),
        ("sweep", "--study", str(study), "--dry-run"),
        ("predict", digest, "a text"),
    ]
    for words in commands:
        code, out, err = ask(*words)
        assert not mark.exists(), words
        assert "Traceback" not in err, err
        if words[0] == "doctor":
            (found,) = (one for one in json.loads(out) if one["name"] == "backbone")
            assert found["state"] == ("ok" if is_harmless else "fail"), found
        elif words[0] != "predict":
            assert code == (0 if is_harmless else 2), (words, err)
