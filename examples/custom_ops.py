"""Functions and ops of one's own in a network: `python examples/custom_ops.py`.

`Rounded` is an `autograd.Function`: a rounding that passes gradients straight through. `soft` is a
custom op: NumPy computes it, it has a rule for shapes, a gradient and a rule for batches, and
`opcheck` tries whether these are right. Both are layers of a network whose weights are quantised
to a few values and which still learns.
"""

import argparse

import flambeau as torch
from flambeau import nn


class Rounded(torch.autograd.Function):
    """Rounds to a grid; in backward it is as if nothing had happened."""

    @staticmethod
    def forward(ctx, x, step):
        return torch.round(x / step) * step

    @staticmethod
    def backward(ctx, grad):
        return grad, None


@torch.library.custom_op("flambeau_examples::soft", mutates_args=())
def soft(x: torch.Tensor, threshold: float) -> torch.Tensor:
    """What of x is beyond a threshold, on either side."""
    import numpy as np

    a = x.numpy()
    return torch.from_numpy(np.sign(a) * np.maximum(np.abs(a) - threshold, 0).astype(a.dtype))


@soft.register_fake
def _(x, threshold):
    return torch.empty_like(x)


def _keep(ctx, inputs, output):
    x, ctx.threshold = inputs
    ctx.save_for_backward(x)


def _gradient(ctx, grad):
    (x,) = ctx.saved_tensors
    return grad * (x.abs() > ctx.threshold), None


soft.register_autograd(_gradient, setup_context=_keep)
soft.register_vmap(lambda info, in_dims, x, threshold: (soft(x, threshold), in_dims[0]))


class Layer(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x):
        return nn.functional.linear(x, Rounded.apply(self.weight, 0.125), self.bias)


def points(n: int):
    """Points in the plane, and whether they lie in a ring."""
    x = torch.randn(n, 2) * 1.5
    radius = x.norm(dim=1)
    return x, ((radius > 1) & (radius < 2.2)).long()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = Layer(2, 32), Layer(32, 32), Layer(32, 2)

    def forward(self, x):
        x = soft(self.first(x), 0.2)
        x = torch.relu(self.second(x))
        return self.last(x)


def main(steps: int = 400) -> float:
    torch.manual_seed(0)
    x = torch.randn(5, requires_grad=True)
    assert set(torch.library.opcheck(soft, (x, 0.3)).values()) == {"SUCCESS"}
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for step in range(1, steps + 1):
        inputs, labels = points(256)
        loss = nn.functional.cross_entropy(net(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}  loss {loss.item():.3f}")
    inputs, labels = points(4000)
    with torch.no_grad():
        right = (net(inputs).argmax(1) == labels).float().mean().item()
    print(f"accuracy on unseen points {right:.3f}, with weights that are multiples of 1/8")
    return right


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=400)
    assert main(parser.parse_args().steps) > 0.9
