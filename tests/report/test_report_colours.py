"""Methods are told apart by shape, and by colour too whatever kind of colour vision reads them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from mpt import methods
from mpt.report.figures.style import Look, looks

METHODS = (*methods.METHODS, "FT")

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
VISION = {
    "trichromat": np.eye(3),
    "protanope": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranope": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanope": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def seen(colour: str, vision: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of a colour as this vision sees it."""
    parts = TO_XYZ @ np.clip(vision @ linear(colour), 0, 1) / WHITE
    x, y, z = np.where(parts > 0.008856, np.cbrt(parts), 7.787 * parts + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("kind", VISION)
def test_colours_of_two_methods_differ_for_every_kind_of_vision(kind):
    shown = looks(METHODS)
    for one, other in combinations(METHODS, 2):
        colours = [seen(shown[method].colour, VISION[kind]) for method in (one, other)]
        # a difference of about 2 is just seen
        assert np.linalg.norm(colours[0] - colours[1]) > 10, f"{one} and {other}"


def test_shapes_differ_too_and_colours_are_dark_enough_on_white():
    shown = looks((*METHODS, "mine", "theirs", "another", "last"))
    assert len({look.marker for look in shown.values()}) == len(shown)
    for method in METHODS:
        luminance = (TO_XYZ @ linear(shown[method].colour))[1]
        assert 1.05 / (luminance + 0.05) > 3, method  # WCAG 2.2, 1.4.11: graphics


def test_the_paper_s_methods_always_look_the_same():
    assert looks(["x", "maml"])["maml"] == looks(["MAML"])["MAML"] == Look("#0072B2", "o")
