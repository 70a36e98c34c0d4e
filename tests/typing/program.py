"""A program whose types are checked: every line here must pass, with exactly these types."""

from typing_extensions import assert_type

import flambeau as torch


def tensors() -> torch.Tensor:
    x = torch.zeros(2, 3, dtype=torch.float32, requires_grad=True)
    assert_type(x, torch.Tensor)
    assert_type(x.shape, torch.Size)
    assert_type(x.size(0), int)
    assert_type(x.size(), torch.Size)
    assert_type(x.dtype, torch.dtype)
    assert_type(x.grad, torch.Tensor | None)
    y = 2 * x + 1 / (x / 3) - 1
    y += 1
    assert_type(y > 0, torch.Tensor)
    assert_type(y[0, 1:], torch.Tensor)
    assert_type(torch.add(x, 1, alpha=2), torch.Tensor)
    assert_type(x.view(3, 2).view((6,)).to(torch.float64), torch.Tensor)
    assert_type(torch.equal(x, y), bool)
    return y


def several(x: torch.Tensor) -> None:
    values, indices = x.max(dim=1)
    assert_type(values, torch.Tensor)
    assert_type(x.max(dim=1).indices, torch.Tensor)
    assert_type(x.max(), torch.Tensor)
    assert_type(torch.chunk(x, 2), tuple[torch.Tensor, ...])
    assert_type(x.unbind(), tuple[torch.Tensor, ...])
    assert_type(torch.var_mean(x), tuple[torch.Tensor, torch.Tensor])
    torch.sum(x, 1, keepdim=True, out=torch.empty(0))


def wrong(x: torch.Tensor) -> None:
    torch.add(x, "1")  # type: ignore[arg-type]
    x.view(1.5)  # type: ignore[call-overload]
    x.no_such_method()  # type: ignore[attr-defined]
    x.shape = (1, 2)  # type: ignore[misc, assignment]
