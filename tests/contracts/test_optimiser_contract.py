"""Per-run optimisers: equal to their references run by run, and packing is invisible."""

from __future__ import annotations

import pytest
import torch

from mpt.engine.optim import OPTIMISERS

R, P, H, STEPS = 3, 5, 7, 25
RATES = [0.5, 0.2, 0.03]


def reference(name: str, parameter: torch.Tensor, rate: float) -> torch.optim.Optimizer:
    if name == "adafactor":
        # late, as it brings peft along
        from transformers.optimization import Adafactor

        return Adafactor(
            [parameter],
            lr=rate,
            scale_parameter=False,
            relative_step=False,
            clip_threshold=1.0,
            decay_rate=-0.8,
            weight_decay=1e-5,
        )
    if name == "adamw":
        return torch.optim.AdamW([parameter], lr=rate)
    return torch.optim.SGD([parameter], lr=rate)


@pytest.fixture
def given():
    draws = torch.Generator().manual_seed(0)
    theta = torch.randn(R, P, H, generator=draws, dtype=torch.float64)
    gradients = torch.randn(STEPS, R, P, H, generator=draws, dtype=torch.float64)
    # runs of very different scale, so that a clip shared over the pack would show
    return theta, gradients * torch.tensor([1e-6, 1.0, 1e4], dtype=torch.float64)[:, None, None]


@pytest.mark.parametrize("name", OPTIMISERS)
class TestOptimiserContract:
    def test_equals_the_reference_run_by_run(self, name, given):
        theta, gradients = given
        optimiser = OPTIMISERS[name]
        rate = torch.tensor(RATES, dtype=torch.float64)[:, None, None]
        packed, state = theta, optimiser.init(theta)
        for gradient in gradients:
            packed, state = optimiser.step(packed, gradient, state, rate)
        for r in range(R):
            alone = theta[r].clone().requires_grad_()
            stepper = reference(name, alone, RATES[r])
            for gradient in gradients:
                alone.grad = gradient[r].clone()
                stepper.step()
            torch.testing.assert_close(packed[r], alone.detach(), rtol=1e-9, atol=1e-12)

    def test_a_run_may_leave_the_pack(self, name, given):
        theta, gradients = given
        optimiser = OPTIMISERS[name]
        rate = torch.tensor(RATES, dtype=torch.float64)[:, None, None]
        stays, state = theta, optimiser.init(theta)
        whole, whole_state = theta, optimiser.init(theta)
        for t, gradient in enumerate(gradients):
            whole, whole_state = optimiser.step(whole, gradient, whole_state, rate)
            if t == 10:
                stays, state = stays[1:], {k: v[1:] for k, v in state.items()}
                rate_here = rate[1:]
            kept = gradient if t < 10 else gradient[1:]
            stays, state = optimiser.step(stays, kept, state, rate if t < 10 else rate_here)
        torch.testing.assert_close(stays, whole[1:], rtol=0, atol=1e-12)

    def test_touches_nothing_it_was_given(self, name, given):
        theta, gradients = given
        optimiser = OPTIMISERS[name]
        state = optimiser.init(theta)
        before = {k: v.clone() for k, v in state.items()}
        kept = theta.clone()
        optimiser.step(theta, gradients[0], state, theta.new_full((R, 1, 1), 0.1))
        assert torch.equal(theta, kept)
        assert all(torch.equal(before[k], state[k]) for k in state)
