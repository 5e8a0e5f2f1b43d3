"""What every method promises, on a loss with curvature."""

from __future__ import annotations

import pytest
import torch

from mpt.errors import UnknownName
from mpt.methods import METHODS, method
from mpt.methods.by_higher import maml_by_higher
from mpt.methods.maml import maml_by_recursion

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


GRADIENTS = {
    **{name: known.gradient for name, known in METHODS.items()},
    "maml by recursion": maml_by_recursion,
    "maml by higher": maml_by_higher,
}


@pytest.mark.parametrize("name", GRADIENTS)
class TestMethodContract:
    def test_keeps_shapes(self, name, given):
        phi, support, query, alpha = given
        found = GRADIENTS[name](phi, support, query, rough, alpha)
        assert found.direction.shape == (R, P, H)
        assert found.losses.shape == (R,)
        assert not found.direction.requires_grad
        assert not found.losses.requires_grad

    def test_packing_is_invisible(self, name, given):
        phi, support, query, alpha = given
        together = GRADIENTS[name](phi, support, query, rough, alpha)
        for r in range(R):
            one = slice(r, r + 1)
            alone = GRADIENTS[name](
                phi[one], [s[one] for s in support], query[one], rough, alpha[one]
            )
            torch.testing.assert_close(together.direction[one], alone.direction, rtol=0, atol=1e-12)
            torch.testing.assert_close(together.losses[one], alone.losses, rtol=0, atol=1e-12)

    def test_micro_batches_are_invisible(self, name, given):
        """Pieces whose losses add up to the whole batch's."""
        phi, support, query, alpha = given

        def shared(theta, piece):
            share, batch = piece
            return share * rough(theta, batch)

        def cut(batch):
            return ((0.25, batch), (0.75, batch))

        whole = GRADIENTS[name](phi, support, query, rough, alpha)
        pieces = GRADIENTS[name](phi, [cut(b) for b in support], cut(query), shared, alpha)
        torch.testing.assert_close(pieces.direction, whole.direction, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(pieces.losses, whole.losses, rtol=1e-9, atol=1e-12)

    def test_touches_nothing_it_was_given(self, name, given):
        phi, support, query, alpha = given
        before = [t.clone() for t in (phi, *support, query, alpha)]
        GRADIENTS[name](phi, support, query, rough, alpha)
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


def test_a_slip_in_the_name_gets_the_right_name_back():
    with pytest.raises(UnknownName, match="unknown method 'fomalm' - did you mean 'fomaml'"):
        method("fomalm")
