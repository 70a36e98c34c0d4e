"""An LSTM that forecasts a series, measured against the naive forecast.

    python examples/forecaster.py [--quick]

The series is synthesised, not measured: the hourly load of a town that nobody lives in, with a day,
a week, weather that drifts, and noise. The network reads two days and says the next six hours.
Naive forecasts are "as it is now" and "as it was yesterday"; the score is the mean absolute error
as a share of that of the better one, on weeks after those of the training.
"""

import argparse
import math
import sys

import flambeau as torch
from flambeau import nn
from flambeau.utils.data import DataLoader, Dataset

WANTED = 0.75  # of the error of the better naive forecast, at most
DAY, AHEAD, PAST = 24, 6, 48


def synthesise(days: int, seed: int = 0):
    """Hourly values around 0."""
    generator = torch.Generator().manual_seed(seed)
    hours = torch.arange(days * DAY, dtype=torch.float32)
    day = torch.sin(hours * (2 * math.pi / DAY)) + 0.5 * torch.sin(hours * (4 * math.pi / DAY) + 1)
    weekend = (hours // DAY % 7 >= 5).float()
    push = 0.1 * torch.randn(len(hours), generator=generator)
    weather = [0.0]
    for change in push.tolist()[1:]:
        weather.append(0.98 * weather[-1] + change)
    noise = 0.05 * torch.randn(len(hours), generator=generator)
    return day * (1 - 0.5 * weekend) - 0.5 * weekend + torch.tensor(weather) + noise


class Windows(Dataset):
    def __init__(self, series, stride: int) -> None:
        self.series = series
        self.starts = range(0, len(series) - PAST - AHEAD + 1, stride)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, i: int):
        start = self.starts[i]
        now = start + PAST
        return self.series[start:now], self.series[now : now + AHEAD]


class Forecaster(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, width, batch_first=True)
        self.head = nn.Linear(width, AHEAD)

    def forward(self, past):
        now = past[:, -1:]  # it says by how much the series will differ from now
        states, _ = self.lstm((past - now).unsqueeze(-1))
        return now + self.head(states[:, -1])


def train(net, loader, epochs: int, report: bool = True) -> list[float]:
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-2, epochs=epochs, steps_per_epoch=len(loader)
    )
    losses = []
    for epoch in range(epochs):
        for past, future in loader:
            optimizer.zero_grad()
            loss = nn.functional.smooth_l1_loss(net(past), future)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        if report:
            print(f"epoch {epoch + 1}  loss {losses[-1]:.4f}", flush=True)
    return losses


def curve(steps: int) -> list[float]:
    """The losses of the first steps, for a comparison."""
    torch.manual_seed(0)
    windows = Windows(synthesise(40), 24)
    loader = DataLoader(windows, 8, shuffle=True)
    return train(Forecaster(16), loader, -(-steps // len(loader)), report=False)[:steps]


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer days, for some seconds")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    days, epochs = (200, 8) if options.quick else (700, 20)
    series = synthesise(days)
    border = len(series) * 4 // 5
    loader = DataLoader(Windows(series[:border], 3), 32, shuffle=True)
    net = Forecaster(32)
    train(net, loader, epochs)

    past, future = next(iter(DataLoader(Windows(series[border:], 5), 10_000)))
    with torch.no_grad():
        said = net(past)
    forecasts = {
        "network": said,
        "as it is now": past[:, -1:].expand_as(future),
        "as it was yesterday": past[:, -DAY : AHEAD - DAY],
    }
    errors = {name: (f - future).abs().mean().item() for name, f in forecasts.items()}
    for name, error in errors.items():
        print(f"mean absolute error  {error:.4f}  {name}")
    share = errors["network"] / min(errors["as it is now"], errors["as it was yesterday"])
    print(f"share {share:.3f} of the error of the naive forecast")
    return 0 if share <= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
