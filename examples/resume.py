"""A training run that can be killed at any moment, and goes on where it was when it starts again.

    python examples/resume.py --state run.pt          # kill it, and give the same command again

Model, optimiser, schedule, loader and random numbers are one file, which `save` replaces at once,
so it is whole whenever the process ends. The last line is a digest of the weights: it is the same
however often the run was killed.
"""

import argparse
import hashlib
import pathlib
import sys

import flambeau as torch
from flambeau import nn
from flambeau.utils.data import DataLoader, Dataset

WANTED = 0.9  # of the test points


class Rings(Dataset):
    """Points on two rings, one inside of the other; each is drawn with noise, by the worker."""

    def __init__(self, length: int, noise: float) -> None:
        self.angles = torch.linspace(0, 50, length)
        self.labels = torch.arange(length) % 2
        self.noise = noise

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int):
        radius = 1.0 + self.labels[i]
        point = torch.stack([self.angles[i].cos(), self.angles[i].sin()]) * radius
        return point + self.noise * torch.randn(2), self.labels[i]


class Run:
    """All that a run consists of."""

    def __init__(self, workers: int) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 2))
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=0.02)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, 100)
        self.loader = DataLoader(Rings(320, 0.1), 32, shuffle=True, num_workers=workers)
        self.parts = {
            "net": self.net,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "loader": self.loader,
        }
        self.epoch = self.step = 0

    def save(self, path: pathlib.Path) -> None:
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"rng": torch.get_rng_state(), "epoch": self.epoch, "step": self.step}
        torch.save(state, path)

    def load(self, path: pathlib.Path) -> None:
        state = torch.load(path)
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.epoch, self.step = state["epoch"], state["step"]
        torch.set_rng_state(state["rng"])

    def train(self, epochs: int, path: pathlib.Path, every: int) -> None:
        while self.epoch < epochs:
            for points, labels in self.loader:
                self.optimizer.zero_grad()
                loss = nn.functional.cross_entropy(self.net(points), labels)
                loss.backward()
                self.optimizer.step()
                self.schedule.step()
                self.step += 1
                if self.step % every == 0:
                    self.save(path)
                    print(f"step {self.step}  loss {loss.item():.4f}", flush=True)
            self.epoch += 1
            self.save(path)

    def accuracy(self) -> float:
        self.net.eval()
        points, labels = zip(*Rings(200, 0.0))
        with torch.no_grad():
            chosen = self.net(torch.stack(points)).argmax(1)
        return (chosen == torch.stack(labels)).double().mean().item()

    def digest(self) -> str:
        digest = hashlib.sha256()
        for tensor in self.net.state_dict().values():
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()[:16]


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=pathlib.Path, default=pathlib.Path("run.pt"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--every", type=int, default=4, help="steps between saves")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)

    run = Run(options.workers)
    if options.state.exists():
        run.load(options.state)
        print(f"goes on after step {run.step}", flush=True)
    run.train(options.epochs, options.state, options.every)
    accuracy = run.accuracy()
    print(f"accuracy {accuracy:.3f}\nweights {run.digest()}")
    return 0 if accuracy >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
