"""What a table says of how its tasks were scored."""

from __future__ import annotations

from mpt.report.scoring import merged_scoring, scoring_notes, scoring_words

BOTH = {"labels": ("trec", "liar"), "generation": ("samsum",)}


def test_tasks_without_labels_are_named_beside_those_with():
    assert scoring_words(BOTH) == (
        "labels (the likeliest one); generation for samsum, whose answers are free"
    )
    assert scoring_notes(BOTH) == (f"Scored by {scoring_words(BOTH)}.",)


def test_generation_alone_is_no_note_but_a_fact():
    assert scoring_words({"generation": ("trec",)}) == "generation"
    assert scoring_notes({"generation": ("trec",)}) == scoring_notes({}) == ()
    assert scoring_words({}) == ""


def test_several_tables_name_each_task_once():
    merged = merged_scoring([BOTH, {"labels": ("liar", "imdb")}])
    assert merged == {"labels": ("trec", "liar", "imdb"), "generation": ("samsum",)}
