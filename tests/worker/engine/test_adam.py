from __future__ import annotations

import torch
from torch import Tensor

from core.diffusion.requests import AdamState, AdamStep
from worker.engine.adam import adam_steps

SHAPE = (3, 4)


def test_stacked_steps_equal_torch_adam_with_each_rows_own_rate_and_a_row_absent_from_some_rounds() -> None:
    generator = torch.Generator().manual_seed(0)
    rates = [5e-3, 1e-1, 2e-2]
    params = [torch.randn(SHAPE, generator=generator, dtype=torch.float64) for _ in rates]
    references = [param.clone().requires_grad_() for param in params]
    optimizers = [torch.optim.Adam([param], lr=lr) for param, lr in zip(references, rates, strict=True)]
    states = [AdamState(torch.zeros_like(param), torch.zeros_like(param), 0) for param in params]
    for turn in range(40):
        present = [0, 1, 2] if turn % 3 else [0, 2]
        grads: list[Tensor] = [torch.randn(SHAPE, generator=generator, dtype=torch.float64) for _ in present]
        requests = [
            AdamStep(params[row], grad, states[row], rates[row]) for row, grad in zip(present, grads, strict=True)
        ]
        for row, grad, result in zip(present, grads, adam_steps(requests), strict=True):
            references[row].grad = grad
            optimizers[row].step()
            params[row], states[row] = result
    assert [state.step for state in states] == [40, 26, 40]
    for param, reference in zip(params, references, strict=True):
        torch.testing.assert_close(param, reference.detach(), rtol=0, atol=1e-12)


def test_a_step_writes_to_nothing_that_it_was_given_and_its_results_share_no_memory() -> None:
    param, zeros = torch.ones(SHAPE), torch.zeros(SHAPE)
    request = AdamStep(param, torch.ones(SHAPE), AdamState(zeros, zeros, 0), 0.1)
    (first, first_state), (second, _) = adam_steps([request, request])
    assert torch.equal(param, torch.ones(SHAPE))
    assert torch.equal(zeros, torch.zeros(SHAPE))
    storages = {tensor.untyped_storage().data_ptr() for tensor in (first, second, first_state.exp_avg)}
    assert len(storages) == 3
