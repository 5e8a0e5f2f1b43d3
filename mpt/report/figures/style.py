"""Style of figures: colours that colour-blind readers can distinguish, each with a marker."""

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
"""Colours of the best trial so far, and of trials without an ARG."""


@dataclass(frozen=True, slots=True)
class Look:
    """Hold a method's colour (Okabe and Ito 2008, and a brown) and matplotlib marker."""

    colour: str
    marker: str


_KNOWN = {name: Look(known.colour, known.marker) for name, known in METHODS.items()}
_KNOWN |= {name: Look("#6F4E37", "v") for name in ("fine-tuning", "ft")}
_OTHERS = (Look("#56B4E9", "P"), Look("#000000", "X"), Look("#E69F00", "*"), Look("#882255", "h"))

_MARKERS = "<>d8"
"""Markers with which the colours of other methods are reused once all are taken."""


LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#6F4E37", "#56B4E9", "#000000")
"""Colours of lines without a method; more lines than these take theirs from a colour map."""


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """Choose a style for each method; the paper's methods always have the same one.

    Of names that differ only in case, the first is taken as the paper's.
    """
    of_paper: dict[str, str] = {}
    for method in methods:
        if (folded := method.lower()) in _KNOWN:
            of_paper.setdefault(folded, method)
    others = [method for method in dict.fromkeys(methods) if method not in of_paper.values()]
    spare = {method: _other(at) for at, method in enumerate(others)}
    return {method: spare.get(method) or _KNOWN[method.lower()] for method in methods}


def _other(at: int) -> Look:
    """Return the style of the n-th method that is not one of the paper's."""
    look = _OTHERS[at % len(_OTHERS)]
    repeat = at // len(_OTHERS)
    return Look(look.colour, _MARKERS[(repeat - 1) % len(_MARKERS)]) if repeat else look


LONGEST = 48
"""Characters in a line of a label at most; more would leave no room for the figure."""


def label(text: str) -> str:
    """Escape a text for a figure, in which a dollar sign would begin a formula.

    A leading space is added to a label that begins with an underscore, as matplotlib leaves such
    labels out of legends.
    """
    shown = name(text)
    lines = [shown[at : at + LONGEST] for at in range(0, len(shown), LONGEST)]
    written = "\n".join(lines).replace("$", r"\$")
    return f" {written}" if written.startswith("_") else written


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Create a figure of the given size in inches and its axes, without pyplot's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, bare(figure.add_subplot())


def panels(count: int, width: float, *, across: int = 4) -> tuple[Figure, list[Axes]]:
    """Create a figure ``width`` inches wide of panels with common axes, ``across`` in a row."""
    from matplotlib.figure import Figure

    columns = min(count, across)
    rows = -(-count // columns)
    figure = Figure(figsize=(width, (0.7 if count > 1 else 1.3) + 1.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    axes_list = [bare(axes) for axes in grid]
    for axes in axes_list[count:]:
        axes.set_visible(False)
    for axes in axes_list[max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)
    return figure, axes_list[:count]


def bare(axes: Axes) -> Axes:
    """Remove everything around the axes but a faint line below."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(length=0, colors=INK, labelsize=9)
    axes.set_axisbelow(True)
    return axes


def svg(figure: Figure, salt: str) -> str:
    """Render the figure as an SVG element with real text, the same bytes every time."""
    import matplotlib

    buffer = io.StringIO()
    # the salt makes ids of clip paths unique, so that figures can share one page
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}),
        warnings.catch_warnings(),
    ):
        # the fonts of the viewer draw the text, not matplotlib's
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def png(figure: Figure) -> bytes:
    """Render the figure as a PNG, for viewers without SVG.

    Characters that its fonts lack, which would all be drawn as the same box, are spelled out; this
    changes the figure.
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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    return buffer.getvalue()


def _drawable(text: str) -> str:
    drawable = _signs()
    return written_out(text, lambda sign: sign == "\n" or ord(sign) in drawable)


@cache
def _signs() -> frozenset[int]:
    """Return the code points that the fonts of figures can draw."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties, findfont, get_font

    families = (FontProperties(family=[family]) for family in rcParams["font.family"])
    fonts = (get_font(findfont(family)) for family in families)
    return frozenset(sign for font in fonts for sign in font.get_charmap())


def save(figure: Figure, path: Path) -> None:
    """Write a figure atomically: as SVG if the file name ends in ``.svg``, else as PNG.

    Raises:
        InputError: the file cannot be written.
    """
    drawn = svg(figure, path.stem).encode() if path.suffix == ".svg" else png(figure)
    try:
        write_whole(path, drawn)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror})",
            fix="name another file",
        ) from None
