"""What both extensions are used for: a layer that smooths, trained through."""

import flambeau as torch


def function_of(forward, backward):
    """An ``autograd.Function`` of two functions of a tensor and a decay."""

    class Smooth(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, decay):
            ctx.decay = decay
            return forward(x.detach(), decay)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad):
            return backward(grad, ctx.decay), None

    return Smooth.apply


def fit(smooth, steps: int = 200, decay: float = 0.8) -> float:
    """Learns the mixture of three signals whose smoothed sum is given; gives the error's share of
    the signal."""
    torch.manual_seed(0)
    signals = torch.randn(3, 256)
    mixture = torch.tensor([[0.5, -1.0, 2.0]])
    wanted = smooth(mixture @ signals, decay)
    weight = torch.zeros(1, 3, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.1)
    for _ in range(steps):
        loss = (smooth(weight @ signals, decay) - wanted).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (loss / wanted.pow(2).mean()).item()
