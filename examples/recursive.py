"""A network with another graph for each sample: it reads arithmetic as the tree that it is.

    python examples/recursive.py [--quick]

A sample is a tree such as `(3 + (1 - 4)) * 2`, counted modulo 5. Each leaf is a vector, each
operation a small layer that makes one vector out of two, so a tree is read by a network of its own
shape, and Python's recursion builds it. The score is the accuracy on trees that were kept back; who
always says the most common result is right for one tree in four.
"""

import argparse
import random
import sys

import flambeau as torch
from flambeau import nn

WANTED = 0.9  # of the trees that were kept back
MODULUS = 5
OPERATIONS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}


def make_tree(choice: random.Random, depth: int):
    """A number, or (operation, left, right)."""
    if depth == 0 or choice.random() < 0.25:
        return choice.randrange(MODULUS)
    parts = make_tree(choice, depth - 1), make_tree(choice, depth - 1)
    return (choice.choice(list(OPERATIONS)), *parts)


def value(tree) -> int:
    if isinstance(tree, int):
        return tree
    operation, left, right = tree
    return OPERATIONS[operation](value(left), value(right)) % MODULUS


def text(tree) -> str:
    if isinstance(tree, int):
        return str(tree)
    return f"({text(tree[1])} {tree[0]} {text(tree[2])})"


class TreeNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.leaves = nn.Embedding(MODULUS, width)
        self.operations = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(2 * width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
                )
                for name in ("add", "sub", "mul")
            }
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, MODULUS)

    def read(self, tree):
        if isinstance(tree, int):
            return self.leaves.weight[tree]
        name = {"+": "add", "-": "sub", "*": "mul"}[tree[0]]
        both = torch.cat([self.read(tree[1]), self.read(tree[2])])
        return self.norm(self.operations[name](both))

    def forward(self, trees):
        return self.head(torch.stack([self.read(tree) for tree in trees]))


def train(net, trees, steps: int, batch: int, choice: random.Random, report: int = 0):
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses = []
    for step in range(steps):
        samples = choice.sample(trees, batch)
        optimizer.zero_grad()
        labels = torch.tensor([value(tree) for tree in samples])
        loss = nn.functional.cross_entropy(net(samples), labels)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if report and (step + 1) % report == 0:
            print(f"step {step + 1}  loss {losses[-1]:.4f}", flush=True)
    return losses


def curve(steps: int) -> list[float]:
    """The losses of the first steps, for a comparison."""
    torch.manual_seed(0)
    choice = random.Random(0)
    trees = [make_tree(choice, 3) for _ in range(100)]
    return train(TreeNet(32), trees, steps, 8, choice)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller trees, for some seconds")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    choice = random.Random(0)
    depth, steps = (2, 1000) if options.quick else (3, 3000)
    trees = sorted({make_tree(choice, depth) for _ in range(8000)}, key=str)
    choice.shuffle(trees)
    training, kept_back = trees[:-300], trees[-300:]
    net = TreeNet(32)
    train(net, training, steps, 32, choice, steps // 5)

    with torch.no_grad():
        said = net(kept_back).argmax(1).tolist()
    for tree, number in zip(kept_back[:3], said):
        print(f"{text(tree)} = {number} modulo {MODULUS}  (it is {value(tree)})")
    accuracy = sum(s == value(t) for s, t in zip(said, kept_back)) / len(kept_back)
    print(f"accuracy {accuracy:.3f}")
    return 0 if accuracy >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
