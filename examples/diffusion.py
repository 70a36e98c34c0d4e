"""A diffusion model that draws handwritten digits, and a judge that reads what it drew.

    python examples/diffusion.py [--quick]

Noise is added to scikit-learn's digits in 60 small steps; the network learns to say which noise
was added, and draws by taking it away again, step by step, from pure noise. It is told which digit
to draw. The score is the share of its drawings in which a classifier, trained on the true digits,
reads that digit. Pictures that know nothing would get one in ten.
"""

import argparse
import sys

import flambeau as torch
from flambeau import nn

WANTED = 0.9  # of the drawings
STEPS = 60


def load_digits():
    from sklearn.datasets import load_digits as load

    data = load()
    return torch.tensor(data.data / 8 - 1, dtype=torch.float32), torch.tensor(data.target)


class Denoiser(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.time = nn.Embedding(STEPS, width)
        self.digit = nn.Embedding(10, width)
        self.enter = nn.Linear(64, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
            )
            for _ in range(3)
        )
        self.leave = nn.Linear(width, 64)

    def forward(self, x, time, digit):
        known = self.time(time) + self.digit(digit)
        x = self.enter(x)
        for block in self.blocks:
            x = x + block(x + known)
        return self.leave(x)


class Diffusion:
    """How much of the picture is left after each step, and the way back."""

    def __init__(self) -> None:
        self.noise = torch.linspace(1e-3, 0.15, STEPS)
        self.left = torch.cumprod(1 - self.noise, 0)

    def loss(self, net, pictures, digits):
        time = torch.randint(STEPS, (len(pictures),))
        added = torch.randn(pictures.shape)
        left = self.left[time].unsqueeze(1)
        noisy = left.sqrt() * pictures + (1 - left).sqrt() * added
        return nn.functional.mse_loss(net(noisy, time, digits), added)

    @torch.no_grad()
    def draw(self, net, digits):
        x = torch.randn(len(digits), 64)
        for step in reversed(range(STEPS)):
            noise, left = self.noise[step], self.left[step]
            said = net(x, torch.full_like(digits, step), digits)
            x = (x - noise / (1 - left).sqrt() * said) / (1 - noise).sqrt()
            if step:
                x = x + noise.sqrt() * torch.randn(x.shape)
        return x.clamp(-1, 1)


def train(loss_of, net, count: int, steps: int, rate: float, report: int = 0) -> list[float]:
    """`loss_of` is given the numbers of the samples of a batch, out of `count`."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = loss_of(torch.randint(count, (128,)))
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if report and (step + 1) % report == 0:
            print(f"step {step + 1}  loss {losses[-1]:.4f}", flush=True)
    return losses


def train_denoiser(net, pictures, digits, steps: int, report: int = 0) -> list[float]:
    diffusion = Diffusion()

    def loss_of(i):
        return diffusion.loss(net, pictures[i], digits[i])

    return train(loss_of, net, len(digits), steps, 2e-3, report)


def curve(steps: int) -> list[float]:
    """The losses of the first steps, for a comparison."""
    torch.manual_seed(0)
    return train_denoiser(Denoiser(64), *load_digits(), steps)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small net, for some seconds")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    pictures, digits = load_digits()
    net = Denoiser(128 if options.quick else 256)
    steps = 1200 if options.quick else 8000
    train_denoiser(net, pictures, digits, steps, steps // 5)

    judge = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))

    def loss_of(i):
        return nn.functional.cross_entropy(judge(pictures[i]), digits[i])

    train(loss_of, judge, 1500, 300, 5e-3)
    judge.eval()
    with torch.no_grad():
        read = judge(pictures[1500:]).argmax(1)
    print(f"the judge reads {(read == digits[1500:]).double().mean().item():.3f} of true digits")

    wanted = torch.arange(200) % 10
    drawn = Diffusion().draw(net, wanted)
    for rows in drawn[:10].view(10, 8, 8).transpose(0, 1).tolist():
        print("  ".join("".join(" .:-=+*#%@"[round((v + 1) * 4.5)] for v in row) for row in rows))
    with torch.no_grad():
        accuracy = (judge(drawn).argmax(1) == wanted).double().mean().item()
    print(f"accuracy {accuracy:.3f} of the drawings are read as the digit that was asked for")
    return 0 if accuracy >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
