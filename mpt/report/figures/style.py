"""How figures look: colours that the colour-blind can tell apart, and a marker for each as well."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mpt.errors import InputError
from mpt.files.atomic import write_whole
from mpt.files.escaping import name, written_out
from mpt.methods import METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, GRID, BAND = "#1b1f24", "#6a737d", "#e4e7eb", "#c9d1d9"

BEST, LOST = "#0072B2", "#B3261E"
"""Of the best trial so far, and of trials without an ARG."""


@dataclass(frozen=True, slots=True)
class Look:
    """A method's colour (Okabe and Ito 2008, and a brown) and matplotlib marker."""

    colour: str
    marker: str


_KNOWN = {name: Look(known.colour, known.marker) for name, known in METHODS.items()}
_KNOWN |= {name: Look("#6F4E37", "v") for name in ("fine-tuning", "ft")}
_OTHERS = (Look("#56B4E9", "P"), Look("#000000", "X"), Look("#E69F00", "*"), Look("#882255", "h"))

_MARKERS = "<>d8"
"""Once the looks of others are used up, their colours come back with these."""


LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6F4E37", "#56B4E9", "#000000")
"""Colours of unnamed lines; past the last one the markers change."""


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """A look for each method; the paper's methods always have the same one.

    Of names that differ in case alone the first one is the paper's.
    """
    known: dict[str, str] = {}
    for method in methods:
        if (folded := method.lower()) in _KNOWN:
            known.setdefault(folded, method)
    others = [method for method in dict.fromkeys(methods) if method not in known.values()]
    spare = {method: _other(at) for at, method in enumerate(others)}
    return {method: spare.get(method) or _KNOWN[method.lower()] for method in methods}


def _other(at: int) -> Look:
    """Of the method at this place among those that the paper does not know."""
    look = _OTHERS[at % len(_OTHERS)]
    again = at // len(_OTHERS)
    return Look(look.colour, _MARKERS[(again - 1) % len(_MARKERS)]) if again else look


LONGEST = 48
"""Signs in a line of a label; more would leave no room for the figure."""


def label(text: str) -> str:
    """The text for a figure, where a dollar would begin a formula.

    A line whose label begins with an underscore would not stand in a legend.
    """
    shown = name(text)
    lines = [shown[at : at + LONGEST] for at in range(0, len(shown), LONGEST)]
    written = "\n".join(lines).replace("$", r"\$")
    return f" {written}" if written.startswith("_") else written


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches and its axes, without pyplot's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, bare(figure.add_subplot())


def panels(count: int, width: float, *, across: int = 4) -> tuple[Figure, list[Axes]]:
    """A figure ``width`` inches wide of small panels on the same axes, so many in a row at most."""
    from matplotlib.figure import Figure

    columns = min(count, across)
    rows = -(-count // columns)
    figure = Figure(figsize=(width, (0.7 if count > 1 else 1.3) + 1.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    made = [bare(axes) for axes in grid]
    for axes in made[count:]:
        axes.set_visible(False)
    for axes in made[max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)
    return figure, made[:count]


def bare(axes: Axes) -> Axes:
    """The axes with nothing around them but a faint line below."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(length=0, colors=INK, labelsize=9)
    axes.set_axisbelow(True)
    return axes


def svg(figure: Figure, salt: str) -> str:
    """The figure as an SVG element with real text, the same bytes every time."""
    import matplotlib

    held = io.StringIO()
    # it salts the ids of clip paths, so that figures can share one page
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}),
        warnings.catch_warnings(),
    ):
        # the reader's fonts draw the text
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None})
    text = held.getvalue()
    return text[text.index("<svg") :]


def png(figure: Figure) -> bytes:
    """The figure as a PNG, for readers that show no SVG.

    Signs that its font lacks, which would all be the same box, are written out in it from then on.
    """
    from matplotlib.text import Text

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks = [tick.get_text() for tick in axis.get_ticklabels()]
            if (drawn := [_drawable(tick) for tick in ticks]) != ticks:
                axis.set_ticks(list(axis.get_ticklocs()), drawn)
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(_drawable(text.get_text()))
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=144, metadata={"Software": None})
    return held.getvalue()


def _drawable(text: str) -> str:
    known = _signs()
    return written_out(text, lambda sign: sign == "\n" or ord(sign) in known)


@cache
def _signs() -> frozenset[int]:
    """What the fonts of figures can draw."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties, findfont, get_font

    families = (FontProperties(family=[family]) for family in rcParams["font.family"])
    fonts = (get_font(findfont(family)) for family in families)
    return frozenset(sign for font in fonts for sign in font.get_charmap())


def save(figure: Figure, path: Path) -> None:
    """Write a picture, whole or not at all: SVG if its name ends so, else PNG.

    Raises:
        InputError: the file cannot be written.
    """
    drawn = svg(figure, path.stem).encode() if path.suffix == ".svg" else png(figure)
    try:
        write_whole(path, drawn)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); name another file"
        ) from None
