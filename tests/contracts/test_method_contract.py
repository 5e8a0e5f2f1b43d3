"""What every method promises, on a loss with curvature."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from equations import EQUATIONS, bound

from mpt.errors import UnknownName
from mpt.methods import METHODS, method
from mpt.study.space import LogRange
from mpt.study.study_file import resolve

R, P, H = 3, 2, 4


def rough(theta, batch):
    """A non-quadratic loss per run: every derivative differs from run to run."""
    return (theta * batch).sin().exp().sum((-1, -2))


@pytest.fixture
def given():
    draws = torch.Generator().manual_seed(1)
    tensors = [torch.randn(R, P, H, generator=draws, dtype=torch.float64) for _ in range(4)]
    alpha = torch.tensor([0.01, 0.05, 0.2], dtype=torch.float64)[:, None, None]
    return tensors[0], tensors[1:3], tensors[3], alpha


@pytest.mark.parametrize("name", EQUATIONS)
class TestMethodContract:
    def test_keeps_shapes(self, name, given):
        phi, support, query, alpha = given
        found = EQUATIONS[name](phi, support, query, rough, alpha)
        assert found.direction.shape == (R, P, H)
        assert found.losses.shape == (R,)
        assert not found.direction.requires_grad
        assert not found.losses.requires_grad
        for beside in found.learned.values():
            assert len(beside) == R
            assert not beside.requires_grad

    def test_packing_is_invisible(self, name, given):
        phi, support, query, alpha = given
        together = EQUATIONS[name](phi, support, query, rough, alpha)
        for r in range(R):
            one = slice(r, r + 1)
            alone = EQUATIONS[name](
                phi[one], [s[one] for s in support], query[one], rough, alpha[one]
            )
            torch.testing.assert_close(together.direction[one], alone.direction, rtol=0, atol=1e-12)
            torch.testing.assert_close(together.losses[one], alone.losses, rtol=0, atol=1e-12)
            for key, beside in together.learned.items():
                torch.testing.assert_close(beside[one], alone.learned[key], rtol=0, atol=1e-12)

    def test_micro_batches_are_invisible(self, name, given):
        """Pieces whose losses add up to the whole batch's."""
        phi, support, query, alpha = given

        def shared(theta, piece):
            share, batch = piece
            return share * rough(theta, batch)

        def cut(batch):
            return ((0.25, batch), (0.75, batch))

        whole = EQUATIONS[name](phi, support, query, rough, alpha)
        pieces = EQUATIONS[name](phi, [cut(b) for b in support], cut(query), shared, alpha)
        torch.testing.assert_close(pieces.direction, whole.direction, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(pieces.losses, whole.losses, rtol=1e-9, atol=1e-12)

    def test_touches_nothing_it_was_given(self, name, given):
        phi, support, query, alpha = given
        before = [t.clone() for t in (phi, *support, query, alpha)]
        EQUATIONS[name](phi, support, query, rough, alpha)
        for old, new in zip(before, (phi, *support, query, alpha), strict=True):
            assert torch.equal(old, new)
        assert not phi.requires_grad


def test_maml_is_the_derivative_of_the_adapted_loss(given):
    phi, support, query, alpha = given

    def adapted_loss(initial):
        for batch in support:
            (gradient,) = torch.autograd.grad(
                rough(initial, batch).sum(), initial, create_graph=True
            )
            initial = initial - alpha * gradient
        return rough(initial, query).sum()

    found = METHODS["maml"].gradient(phi, support, query, rough, alpha).direction
    eps = 1e-6
    for index in [(0, 0, 0), (1, 1, 2), (2, 0, 3)]:
        nudge = torch.zeros_like(phi)
        nudge[index] = eps
        up, down = ((phi + s * nudge).requires_grad_() for s in (1, -1))
        numeric = (adapted_loss(up) - adapted_loss(down)) / (2 * eps)
        assert found[index].item() == pytest.approx(numeric.item(), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", METHODS)
class TestRowContract:
    def test_engines_have_the_same_direction(self, name, given):
        """All are exact, so that which one computed a run is no part of its identity."""
        known = METHODS[name]
        expected = bound(known)(*given[:3], rough, given[3])
        for engine in known.engines:
            found = bound(known, engine)(*given[:3], rough, given[3])
            torch.testing.assert_close(found.direction, expected.direction, rtol=1e-9, atol=1e-9)
            for key, beside in expected.learned.items():
                torch.testing.assert_close(found.learned[key], beside, rtol=1e-9, atol=1e-9)

    def test_an_engine_that_keeps_the_graph_falls_back_on_one_that_does_not(self, name):
        engines = METHODS[name].engines
        for engine in engines.values():
            if engine.fallback:
                assert engine.keeps_graph
                assert not engines[engine.fallback].keeps_graph

    def test_what_is_learned_beside_the_prompt_has_a_direction_of_its_shape(self, name, given):
        known, phi = METHODS[name], given[0]
        beside = known.begin(phi)
        directions = bound(known)(*given[:3], rough, given[3]).learned
        assert beside.keys() == directions.keys()
        for key, tensor in beside.items():
            assert tensor.shape == directions[key].shape
            assert tensor.dtype == phi.dtype

    def test_a_study_of_it_can_be_made_without_a_file(self, name):
        study = resolve(None, {"method": name})
        dimensions = study.space.dimensions(name)
        assert "outer_lr" in dimensions
        assert ("inner_lr" in dimensions) == METHODS[name].support
        lowest = {
            key: of.low if isinstance(of, LogRange) else of[0] for key, of in dimensions.items()
        }
        run = study.run(lowest, sources=("a",), weights="w", data="d")
        assert run.outer.lr == lowest["outer_lr"]
        assert set(run.method_args or {}) == set(METHODS[name].args)
        assert not {"inner_lr", "inner_steps", "outer_lr", "outer_steps"} & set(METHODS[name].args)


def test_the_table_is_read_without_torch():
    code = "import sys, mpt.methods, mpt.commands.app; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_slip_in_the_name_gets_the_right_name_back():
    with pytest.raises(UnknownName, match="unknown method 'fomalm' - did you mean 'fomaml'"):
        method("fomalm")
