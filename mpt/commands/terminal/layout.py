"""How help pages are laid out: paragraphs that wrap at any width, commands in groups."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class _Command(TyperCommand):
    """A command whose help has short types."""

    def get_params(self, ctx: Any) -> list[Any]:
        """See ``TyperCommand.get_params``."""
        return _short_types(super().get_params(ctx))


class CommandGroup(TyperGroup):
    """A group of commands whose help has short types."""

    def get_params(self, ctx: Any) -> list[Any]:
        """See ``TyperGroup.get_params``."""
        return _short_types(super().get_params(ctx))


def lay_out(app: typer.Typer, panels: Mapping[str, Sequence[str]]) -> None:
    """Prepare the help of an app, and of the groups in it.

    Args:
        app: with all of its commands.
        panels: the names of commands and groups under the title of each panel.
    """
    panel_of = {name: title for title, names in panels.items() for name in names}
    for command in app.registered_commands:
        assert command.callback is not None
        command.cls = _Command
        command.help = unwrapped(inspect.getdoc(command.callback) or "")
        command.rich_help_panel = panel_of.get(command.name or "")
    for group in app.registered_groups:
        group.cls, group.rich_help_panel = CommandGroup, panel_of.get(str(group.name))
        if group.typer_instance is not None:
            lay_out(group.typer_instance, {})


def unwrapped(text: str) -> str:
    """Join the lines of every paragraph, which the width of a source file broke."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text)


def _short_types(params: list[Any]) -> list[Any]:
    """Name no type for a switch, and leave the range of a number to what Typer prints beside it."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
        elif {getattr(param, "min", None), getattr(param, "max", None)} != {None}:
            param.metavar = "<int>"
    return params
