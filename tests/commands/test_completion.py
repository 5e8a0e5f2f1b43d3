"""What a shell offers after `mpt ...`: names that exist, and nothing where they cannot be read."""

from __future__ import annotations

import pytest
from terminal import mpt, study_file


def offered(*words: str, home) -> list[str]:
    """What bash is told for a line whose last word is being typed."""
    line = " ".join(["mpt", *words])
    told = {"_MPT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    said = mpt(home=home, **told)
    assert (said.code, said.err) == (0, "")
    return said.out.split()


NAMES = {
    "a method": (["sweep", "--method", "rep"], "reptile"),
    "the second of several": (["promote", "--methods", "maml,rep"], "maml,reptile"),
    "a sampler": (["sweep", "--sampler", "gr"], "grid"),
    "a pruner": (["sweep", "--pruner", "wil"], "wilcoxon"),
    "a preset": (["campaign", "--preset", "sens"], "sensitivity"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_are_completed(case, tmp_path):
    words, name = NAMES[case]
    assert offered(*words, home=tmp_path / "never") == [name]
    assert not (tmp_path / "never").exists()


def test_tasks_are_those_of_the_gym(tmp_path):
    from mpt.gym.source import open_gym

    first = open_gym().tasks[0]
    assert first in offered("gym", "show", first[:3], home=tmp_path)
    assert offered("gym", "show", "--gym", "nowhere", first[:3], home=tmp_path) == []


def test_studies_and_trials_are_those_of_the_home(tmp_path):
    assert offered("promote", "--study", "s", home=tmp_path / "never") == []
    home = tmp_path / "home"
    study = study_file(tmp_path / "study.yaml", {"trials": 1})
    assert mpt("sweep", "--study", study, home=home).code == 0
    assert offered("promote", "--study", "s", home=home) == ["small"]
    assert offered("studies", "show", "s", home=home) == ["small"]
    assert offered("promote", "", home=home) == ["best", "0"]
    assert offered("promote", "--study", "small", "b", home=home) == ["best"]
    (home / "studies.db").write_bytes(b"damaged")
    assert offered("promote", "--study", "s", home=home) == []
