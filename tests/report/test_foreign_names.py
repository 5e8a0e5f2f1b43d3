"""Names that others gave go through every file of a report, and nothing of them acts."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import yaml
from markdown_it import MarkdownIt
from nasty import PIECES
from terminal import mpt

from mpt.config import BackboneConfig
from mpt.files.escaping import is_formula, name
from mpt.report.figures.style import png, svg
from mpt.report.figures.tasks import task_figure
from mpt.report.findings import Curve, Findings, UnitLine
from mpt.report.page import write_report
from mpt.report.preset_page import write_grid
from mpt.report.tables.grid import Grid
from mpt.report.tables.results_table import read_scores
from mpt.search.trial import Trial
from mpt.serve.peft_adapter import card
from mpt.stats.scores import Score, gains

pytestmark = pytest.mark.slow

# a table of scores is read with blanks taken off the ends of names, and holds no NUL
GIVEN = list(dict.fromkeys(piece.strip().replace("\x00", "") for piece in PIECES))
GIVEN.remove("")


def findings_with(given: list[str]) -> Findings:
    """A report in which every name is one of others."""
    names = iter(given)
    settings, methods, tasks = (list(islice(names, n)) for n in (2, 3, 4))
    rest = " ".join(names) or "x"
    scores = tuple(
        Score(setting, method, task, seed, 0.5, 0.3 + 0.1 * at + 0.01 * seed + 0.05 * place, 0.1)
        for setting in settings
        for at, method in enumerate(("PT", *methods))
        for place, task in enumerate(tasks)
        for seed in (1, 2)
    )
    unit = UnitLine(
        digest="aa", kind="cell", setting=settings[0], method=methods[0], task=tasks[0],
        state="failed", reason=rest,
    )  # fmt: skip
    return Findings(
        title=rest,
        gains=tuple(gains(scores, resamples=100)),
        scores=scores,
        command=rest,
        backbone=rest,
        study=rest,
        trials=(Trial(0, {rest: rest}, "complete", "aa", 1.5, 0.0, 2.0, reason=rest),),
        units=(unit,),
        curves=(Curve(rest, (1, 2), (2.0, 1.0), rest),),
        config={rest: rest},
        software={rest: rest},
        notes=(rest,),
        cautions=(rest,),
    )


class Elements(HTMLParser):
    """What a page holds: its elements with the names of their attributes, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[tuple[str, ...]] = set()
        self.links: set[str] = set()
        self.comments: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.add((tag, *sorted(key for key, _ in attrs)))
        self.links |= {str(value) for key, value in attrs if key in ("href", "src")}

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.comments.append(data)


TWO = (["模型", "d", "e", "f"], ["数据", "d", "e", "f"])
CHUNKS = [GIVEN[at : at + 14] for at in range(0, len(GIVEN) - 9, 14)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Elements:
    folder = tmp_path_factory.mktemp("plain") / "report"
    page = write_report(findings_with([f"n{at}" for at in range(14)]), folder)
    return Elements(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "given",
    [*CHUNKS[:2], *(pytest.param(names, marks=pytest.mark.slow) for names in CHUNKS[2:])],
    ids=range(len(CHUNKS)),
)
def test_a_report_shows_foreign_names_as_texts(given, plain, tmp_path):
    findings = findings_with(given)
    page = write_report(findings, tmp_path / "report")
    folder, source = page.parent, page.read_text(encoding="utf-8")
    assert source.replace("\n", "").isprintable()
    found = Elements(source)
    assert found.tags <= plain.tags
    assert found.links <= plain.links
    assert not [comment for comment in found.comments if "DOCTYPE" in comment]
    for score in findings.scores:
        assert name(score.task) in found.text
        assert name(score.method) in found.text
    for drawing in (folder / "figures").glob("*.svg"):
        text = "".join(ElementTree.fromstring(drawing.read_text(encoding="utf-8")).itertext())
        assert text.replace("\n", "").isprintable()
    _markdown(folder, findings)
    _csv(folder, findings)


def _markdown(folder: Path, findings: Findings) -> None:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    for file in folder.glob("*.md"):
        text = file.read_text(encoding="utf-8")
        assert text.replace("\n", "").isprintable()
        tokens = parser.parse(text)
        assert not {token.type for token in tokens} & {"html_block", "fence", "code_block", "hr"}
        inner = [child for token in tokens for child in token.children or []]
        assert not {child.type for child in inner} & {"html_inline", "link_open", "code_inline"}
        pictures = [str(child.attrs["src"]) for child in inner if child.type == "image"]
        assert all(picture.startswith("figures/") for picture in pictures)
        assert all((folder / picture).is_file() for picture in pictures)
    whole = parser.parse((folder / "scores.md").read_text(encoding="utf-8"))
    texts = {"".join(c.content for c in t.children or []) for t in whole if t.type == "inline"}
    shown = {text.replace("\xa0", " ") for text in texts}
    assert {name(score.task) for score in findings.scores} <= shown


def _csv(folder: Path, findings: Findings) -> None:
    for file in folder.glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            assert not [cell for row in csv.reader(lines) for cell in row if is_formula(cell)]
    read = read_scores(folder / "scores.csv")
    assert [(s.setting, s.method, s.task) for s in read] == [
        (s.setting, s.method, s.task) for s in findings.scores
    ]


def test_two_settings_never_share_a_figure(tmp_path):
    findings = findings_with(["a/b", "a b", *"cdefghi"])
    folder = write_report(findings, tmp_path / "report").parent
    assert len(list((folder / "figures").glob("tasks-*.svg"))) == 2
    long = findings_with(["x" * 400, "X" * 400, *"cdefghi"])
    folder = write_report(long, tmp_path / "report").parent
    assert len(list((folder / "figures").glob("tasks-*.svg"))) == 2


def test_a_picture_writes_out_what_its_font_cannot_draw():
    """Two names in a script that the font lacks would be rows of the same boxes."""
    one, other = (task_figure(findings_with(["s", "t", *"abc", *tasks]).gains[:3]) for tasks in TWO)
    assert "模型" in svg(one, "x")
    assert "\\u" not in svg(other, "x")
    pictures = png(one), png(other)
    labels = [
        [tick.get_text() for tick in figure.axes[0].get_yticklabels()] for figure in (one, other)
    ]
    assert labels[0] == ["\\u6a21\\u578b", "d", "e", "f"]
    assert labels[1] == ["\\u6570\\u636e", "d", "e", "f"]
    assert pictures[0] != pictures[1]


def test_methods_that_differ_in_case_have_their_own_rows_on_a_page(tmp_path):
    page = write_report(findings_with(["s", "t", "maml", "MAML", *"cdefg"]), tmp_path / "report")
    found = Elements(page.read_text(encoding="utf-8"))
    assert "maml gain %" in found.text
    assert "MAML gain %" in found.text
    arg = (page.parent / "arg.md").read_text(encoding="utf-8")
    assert "| maml |" in arg.replace("**", "")
    assert "| MAML |" in arg.replace("**", "")


def test_a_grid_beside_a_page_holds_no_formula(tmp_path):
    row = ("=1+1", "+11.14 [-4.1, +12.0]", "-12.90")
    write_grid(Grid(("Variant", "a", "b"), (row,), "lrr"), tmp_path, "answer", "title")
    text = (tmp_path / "answer.csv").read_text(encoding="utf-8")
    assert text == "Variant,a,b\n'=1+1,\"'+11.14 [-4.1, +12.0]\",-12.90\n"


def test_the_readme_of_an_adapter_names_its_base_as_a_text():
    base = "/models/<script>x</script>|`a`\n# b"
    kept = SimpleNamespace(eos_token_id=1, pad_token_id=0)
    model = SimpleNamespace(
        config=SimpleNamespace(is_encoder_decoder=False), generation_config=kept
    )
    told = card(
        SimpleNamespace(model=model, weights="w"), BackboneConfig(prompt_tokens=2), base, "aa"
    )
    tokens = MarkdownIt("commonmark", {"html": True}).parse(told.partition("\n---\n")[2])
    assert "html_block" not in {token.type for token in tokens}
    inner = {child.type for token in tokens for child in token.children or []}
    assert "html_inline" not in inner
    assert yaml.safe_load(told.split("---")[1])["base_model"] == base
    program = told.partition("```python\n")[2].partition("```")[0]
    assert f"BASE = {base!r}" in program
    compile(program, "README.md", "exec")


def test_names_of_formulas_go_through_mpt_report_and_back(tmp_path):
    """The table that ``mpt report`` wrote gives the gains of the one that it read."""
    table = tmp_path / "own.csv"
    lines = [
        f'"{method}","{task}",{seed},0.5,{0.4 + 0.1 * at + 0.01 * seed}'
        for at, method in enumerate(("PT", "=cmd|' /C calc'!A0", "'=x", "-lr"))
        for task in ("@sum", "+b", "c")
        for seed in (1, 2)
    ]
    table.write_text("\n".join(["method,task,seed,dev,test", *lines]) + "\n", encoding="utf-8")
    home = tmp_path / "home"
    report = tmp_path / "report"
    said = mpt("report", "--results", table, "--out", report, home=home)
    assert said.code == 0, said.err
    first = mpt("arg", table, home=home)
    again = mpt("arg", report / "scores.csv", home=home)
    assert (first.code, again.code) == (0, 0)
    assert first.out == again.out
    assert "'=x" in first.out
