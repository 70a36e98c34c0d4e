"""Train a small convolutional network on handwritten digits, and check all that comes out.

The digits are 1,797 scans of 8x8 pixels that come with scikit-learn. A fifth of them is held out:
the network never sees it in training, and is measured on it.
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import flambeau as torch
from flambeau import nn
from flambeau.utils.data import DataLoader, TensorDataset

SPLIT_SEED = 0  # the same pictures are held out whatever seed a run has
BATCH_SIZE = 64
PEAK_LEARNING_RATE = 3e-3
WARM_UP = 0.1  # share of the steps over which the learning rate rises

EPOCHS, QUICK_EPOCHS = 25, 3
ACCURACY, QUICK_ACCURACY = 0.985, 0.9
TIME_LIMIT = 30.0  # seconds of training


class Digits(NamedTuple):
    images: torch.Tensor  # (count, 1, 8, 8), from 0 for paper to 1 for ink
    labels: torch.Tensor  # (count,)


class Epoch(NamedTuple):
    losses: list[float]  # of each step
    accuracy: float  # on the held-out digits


def load_digits() -> tuple[Digits, Digits]:
    """The digits to train on, and those held out."""
    from sklearn import datasets

    scans = datasets.load_digits()
    images = torch.tensor(scans.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(scans.target)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SPLIT_SEED))
    held_out = order[-(len(order) // 5) :]
    training = order[: len(order) - len(held_out)]
    return Digits(images[training], labels[training]), Digits(images[held_out], labels[held_out])


class Net(nn.Sequential):
    """Three convolutions, then two linear layers."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 4 * 4, 128),
            nn.LayerNorm(128),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(128, 10),
        )


def build_model() -> nn.Module:
    return Net()


def shifted(images: torch.Tensor) -> torch.Tensor:
    """Each image moved by up to one pixel across and up or down, differently every time."""
    count, _, height, width = images.shape
    padded = images.new_zeros(count, height + 2, width + 2)
    padded[:, 1:-1, 1:-1] = images[:, 0]
    image = torch.arange(count).reshape(-1, 1, 1)
    row = torch.randint(3, (count, 1, 1)) + torch.arange(height).reshape(1, -1, 1)
    column = torch.randint(3, (count, 1, 1)) + torch.arange(width).reshape(1, 1, -1)
    return padded[image, row, column].unsqueeze(1)


def learning_rate(progress: float) -> float:
    """Up in a straight line, then down along a cosine; ``progress`` goes from 0 to 1."""
    if progress < WARM_UP:
        return PEAK_LEARNING_RATE * progress / WARM_UP
    return PEAK_LEARNING_RATE * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


def train(
    model: nn.Module, training: Digits, held_out: Digits, epochs: int, writer: Any = None
) -> list[Epoch]:
    """Train ``model`` and return what happened in each epoch; ``writer`` gets the curves."""
    from tqdm import tqdm

    batches = DataLoader(TensorDataset(*training), batch_size=BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters())
    loss_function = nn.CrossEntropyLoss()
    steps = epochs * len(batches)
    history: list[Epoch] = []
    step = 0
    drawn = sys.stdout.isatty() and sys.stderr.isatty()  # a bar in a file is one endless line
    progress = tqdm(range(epochs), desc="training", unit="epoch", disable=not drawn)
    for epoch in progress:
        model.train()
        losses = []
        for images, labels in batches:
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step / steps)
            loss = loss_function(model(shifted(images)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if writer is not None:
                writer.add_scalar("loss", losses[-1], step)
                writer.add_scalar("learning rate", learning_rate(step / steps), step)
        accuracy = accuracy_of(predict(model, held_out.images), held_out.labels)
        history.append(Epoch(losses, accuracy))
        if writer is not None:
            writer.add_scalar("held out/accuracy", accuracy, step)
        state = f"loss {losses[-1]:.3f}, held out {accuracy:.1%}"
        progress.set_postfix_str(state)
        if not drawn:
            print(f"epoch {epoch + 1:>{len(str(epochs))}} of {epochs}: {state}", flush=True)
    return history


@torch.no_grad()
def predict(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The network's score for each image and digit."""
    model.eval()
    return model(images)


def accuracy_of(scores: torch.Tensor, labels: torch.Tensor) -> float:
    return (scores.argmax(1) == labels).double().mean().item()


def table(scores: torch.Tensor, labels: torch.Tensor) -> str:
    """Precision, recall and F1 of each digit, and the share of all that are right."""
    confusion = torch.zeros(10, 10, dtype=torch.float64)
    confusion.index_put_((labels, scores.argmax(1)), confusion.new_ones(()), accumulate=True)
    correct, actual, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    precision, recall = correct / predicted.clamp(min=1), correct / actual.clamp(min=1)
    f1 = 2 * correct / (predicted + actual).clamp(min=1)
    rows = torch.stack([precision, recall, f1], 1).tolist()
    lines = ["digit   count  precision   recall       F1"]
    lines += [
        f"{digit:>5}  {int(count):>6}  {row[0]:>9.3f}  {row[1]:>7.3f}  {row[2]:>7.3f}"
        for digit, (count, row) in enumerate(zip(actual.tolist(), rows, strict=True))
    ]
    lines.append(f"  all  {int(actual.sum()):>6}  accuracy {accuracy_of(scores, labels):.2%}")
    return "\n".join(lines)


def plot_learning_curve(history: list[Epoch], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    losses_axis, accuracy_axis = figure.subplots(1, 2)
    losses = [loss for epoch in history for loss in epoch.losses]
    losses_axis.plot(range(1, len(losses) + 1), losses, linewidth=0.8)
    losses_axis.set(title="loss on the training digits", xlabel="step", yscale="log")
    errors = [100 * (1 - epoch.accuracy) for epoch in history]
    accuracy_axis.plot(range(1, len(errors) + 1), errors, marker=".")
    accuracy_axis.set(title="errors on the held-out digits (%)", xlabel="epoch", ylim=(0, None))
    figure.savefig(path, dpi=120)


def plot_predictions(held_out: Digits, scores: torch.Tensor, path: Path) -> None:
    """The first digits with what the network reads; where it is wrong, in red."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.4), layout="constrained")
    predictions = scores.argmax(1).tolist()
    figure.suptitle("held-out digits: predicted (actual)")
    for index, axis in enumerate(figure.subplots(6, 10).flat):
        predicted, actual = predictions[index], held_out.labels[index].item()
        axis.imshow(held_out.images[index, 0].tolist(), cmap="gray_r")
        color = "black" if predicted == actual else "red"
        axis.set_title(f"{predicted} ({actual})", fontsize=8, color=color, pad=2)
        axis.axis("off")
    figure.savefig(path, dpi=120)


def reload_agrees(model: nn.Module, held_out: Digits, path: Path) -> bool:
    """Save the weights, load them into a new network, and compare every score."""
    torch.save(model.state_dict(), path)
    reloaded = build_model()
    reloaded.load_state_dict(torch.load(path))
    scores, again = predict(model, held_out.images), predict(reloaded, held_out.images)
    return bool((scores == again).all())


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="flambeau demo", description=__doc__)
    parser.add_argument("--epochs", type=int, help=f"times through the digits ({EPOCHS})")
    out = "where weights and pictures go (%(default)s)"
    parser.add_argument("--out", type=Path, default=Path("digits-demo"), metavar="DIR", help=out)
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and shifts")
    parser.add_argument("--no-plots", action="store_true", help="draw nothing")
    curves = "write curves, the graph and pictures for TensorBoard"
    parser.add_argument("--log-dir", type=Path, metavar="DIR", help=curves)
    quick = f"{QUICK_EPOCHS} epochs, content with {100 * QUICK_ACCURACY:.0f} %% right"
    parser.add_argument("--quick", action="store_true", help=quick)
    options = parser.parse_args(arguments)
    if options.epochs is None:
        options.epochs = QUICK_EPOCHS if options.quick else EPOCHS
    if options.epochs < 1:
        parser.error("--epochs must be at least 1")
    return options


def missing_packages(options: argparse.Namespace) -> list[str]:
    from importlib.util import find_spec

    needed = {"sklearn": "scikit-learn", "tqdm": "tqdm"}
    if not options.no_plots:
        needed["matplotlib"] = "matplotlib"
    if options.log_dir:
        needed |= {"tensorboard": "tensorboard", "PIL": "pillow"}
    return [package for module, package in needed.items() if find_spec(module) is None]


def writer_of(folder: Path | None) -> Any:
    """What writes for TensorBoard, as a context; of None where nothing is to be written."""
    if folder is None:
        return nullcontext()
    from flambeau.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if missing := missing_packages(options):
        extras = "demo,tensorboard" if options.log_dir else "demo"
        print(f"flambeau demo needs {', '.join(missing)}: pip install 'flambeau[{extras}]'")
        return 2
    options.out.mkdir(parents=True, exist_ok=True)

    training, held_out = load_digits()
    print(f"{len(training.labels)} digits to train on, {len(held_out.labels)} held out")
    torch.manual_seed(options.seed)
    model = build_model()
    start = time.perf_counter()
    with writer_of(options.log_dir) as writer:
        history = train(model, training, held_out, options.epochs, writer)
        seconds = time.perf_counter() - start
        if writer is not None:
            writer.add_graph(model, held_out.images[:1])
            writer.add_images("held out", held_out.images[:32])
    print(f"{options.epochs} epochs in {seconds:.1f} s\n")

    scores = predict(model, held_out.images)
    print(table(scores, held_out.labels), end="\n\n")
    if not options.no_plots:
        plot_learning_curve(history, options.out / "learning_curve.png")
        plot_predictions(held_out, scores, options.out / "predictions.png")
    goal = QUICK_ACCURACY if options.quick else ACCURACY
    checks: dict[str, Any] = {
        f"at least {goal:.1%} right": accuracy_of(scores, held_out.labels) >= goal,
        f"trained within {TIME_LIMIT:.0f} s": seconds <= TIME_LIMIT,
        "weights saved, loaded, same scores": reload_agrees(
            model, held_out, options.out / "digits.pt"
        ),
    }
    for check, held in checks.items():
        print(f"{'ok    ' if held else 'FAILED'}  {check}")
    print(f"\nfiles in {options.out}: {', '.join(sorted(p.name for p in options.out.iterdir()))}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
