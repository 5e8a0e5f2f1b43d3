"""`docs/cli.md` is the help of the commands, as Typer writes it down."""

from __future__ import annotations

from typer.cli import app as typer_app
from typer.testing import CliRunner


def test_the_page_is_the_help_of_today(repository, tmp_path):
    page = tmp_path / "cli.md"
    words = ["mpt.commands.app", "utils", "docs", "--name", "mpt", "--output", str(page)]
    result = CliRunner().invoke(typer_app, words)
    assert result.exit_code == 0, result.output
    written = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == page.read_text(encoding="utf-8"), "run `nox --session cli_page`"
