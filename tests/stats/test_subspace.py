"""Subspaces with closed forms: the same, nested, at an angle, at right angles."""

from __future__ import annotations

from math import cos, pi, sin, sqrt

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from mpt.errors import DataError
from mpt.stats.subspace import by_chance, correlation, input_subspace


def random(rows: int, width: int = 40, seed: int = 0):
    return np.random.default_rng(seed).normal(size=(rows, width))


def test_a_prompt_lies_in_its_own_subspace():
    for energy in (0.5, 0.9, 1.0):
        own = input_subspace(random(8), energy)
        assert correlation(own, own) == pytest.approx(1, abs=1e-12)


def test_scale_and_order_of_rows_do_not_matter():
    prompt, other = random(6), input_subspace(random(6, seed=1))
    moved = input_subspace(-7 * prompt[::-1])
    assert correlation(moved, other) == pytest.approx(correlation(input_subspace(prompt), other))
    assert correlation(moved, input_subspace(prompt)) == pytest.approx(1)


@pytest.mark.parametrize("angle", [0.0, 0.3, pi / 4, pi / 2])
def test_single_directions_correlate_by_the_cosine_both_ways(angle):
    one, other = input_subspace([[2.0, 0.0]]), input_subspace([[cos(angle), sin(angle)]])
    assert correlation(one, other) == pytest.approx(abs(cos(angle)), abs=1e-12)
    assert correlation(other, one) == pytest.approx(abs(cos(angle)), abs=1e-12)


def test_a_narrow_prompt_lies_in_a_broad_one_but_not_the_other_way_round():
    narrow, broad = input_subspace([[3.0, 0, 0]]), input_subspace(np.diag([3.0, 4.0, 0]))
    assert correlation(narrow, broad) == pytest.approx(1)
    assert correlation(broad, narrow) == pytest.approx(3 / 5)


def test_equal_singular_values_make_it_symmetric_and_known_from_the_principal_angles():
    one, other = (np.linalg.qr(random(4, 12, seed).T)[0].T for seed in (1, 2))
    wanted = sqrt(np.mean(np.cos(subspace_angles(one.T, other.T)) ** 2))
    ways = (input_subspace(one, 1.0), input_subspace(other, 1.0))
    assert correlation(*ways) == pytest.approx(wanted)
    assert correlation(*ways[::-1]) == pytest.approx(wanted)


def test_the_subspace_holds_the_energy_asked_for_and_no_direction_more():
    prompt = np.diag([8.0, 5.0, 3.0, 1.0, 1.0])  # squares: 64, 25, 9, 1, 1
    for energy, rank in ((0.64, 1), (0.65, 2), (0.89, 2), (0.98, 3), (1.0, 5)):
        assert len(input_subspace(prompt, energy).values) == rank


def test_random_prompts_correlate_as_chance_says():
    found, wanted = [], []
    for seed in range(50):
        one, other = (input_subspace(random(10, 200, 2 * seed + at)) for at in (0, 1))
        found.append(correlation(one, other))
        wanted.append(by_chance(other))
    assert np.mean(found) == pytest.approx(np.mean(wanted), rel=0.05)


@pytest.mark.parametrize("prompt", [np.zeros((2, 3)), [[np.nan, 1.0]], [[np.inf, 1.0]]])
def test_a_prompt_without_directions_is_refused(prompt):
    with pytest.raises(DataError, match="spans no subspace"):
        input_subspace(prompt)
