"""What a user writes: a network, a data set, a loop. Every line must pass ``mypy --strict``."""

from collections.abc import Iterator

from typing_extensions import assert_type

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn, optim
from flambeau.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, random_split


class Squares(Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.full((2,), float(index)), index**2


class Numbers(Dataset[int]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        return index


class Countdown(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        yield from (3, 2, 1)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2, width)
        self.body = nn.Sequential(nn.ReLU(), nn.Dropout(0.1), nn.LayerNorm(width))
        self.out = nn.Linear(width, 3, bias=False)
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, x: torch.Tensor, twice: bool = False) -> torch.Tensor:
        y: torch.Tensor = self.body(self.hidden(x))
        y = F.silu(F.relu(F.dropout(y, 0.5, self.training)))
        y = self.out(y) * self.scale
        return F.softmax(y, dim=-1) if twice else y


class Pair(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.sigmoid(a), F.sigmoid(b) + F.tanh(a)


def train(device: str = "cuda" if torch.cuda.is_available() else "cpu") -> float:
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    data = Squares(10)
    assert_type(data[0], tuple[torch.Tensor, int])
    first, rest = random_split(data, [2, 8])
    loader = DataLoader(data, batch_size=5, shuffle=True)
    numbers: DataLoader[int] = DataLoader(Numbers())
    both = TensorDataset(torch.ones(3, 2), torch.ones(3))
    net = Net(4).to(device)
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    schedule = optim.lr_scheduler.StepLR(optimizer, step_size=1)
    criterion = nn.CrossEntropyLoss()
    total = 0.0
    net.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y % 3)
        loss.backward()
        optimizer.step()
        total += loss.item()
    schedule.step()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.mul_(0.5)
            assert_type(name, str)
    net.eval()
    torch.save(net.state_dict(), "net.pt")
    net.load_state_dict(torch.load("net.pt"))
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return total + len(first) + len(rest) + len(loader) + len(both) + len(list(numbers))


@torch.no_grad()
def predict(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = net(x)
    return result.argmax(dim=1)


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, g: torch.Tensor) -> torch.Tensor:
        return g * 2
