"""A figure that a notebook shows by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.errors import InputError
from mpt.report.figures.style import save, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg")


@dataclass(frozen=True)
class Plot:
    """A figure of matplotlib, free of pyplot's state; a notebook shows it as the value of a cell.

    Attributes:
        figure: to be changed before it is shown or saved.
    """

    figure: Figure

    def _repr_svg_(self) -> str:
        return svg(self.figure, "plot")

    def save(self, path: str | Path) -> Path:
        """Write it as a ``.png`` or ``.svg`` file.

        Raises:
            InputError: another ending.
        """
        path = Path(path).expanduser()
        if path.suffix not in ENDINGS:
            raise InputError(
                f"{path} cannot be drawn",
                fix="give a file that ends in .png or .svg",
            )
        save(self.figure, path)
        return path
