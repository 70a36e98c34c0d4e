"""Which page a sentence comes from: a bag of word pieces learns the Python reference by topic.

    python examples/text_classification.py [--quick]

The sentences are those of `pydoc_data.topics`, which every Python carries; the classes are its
longest pages. A sentence is a bag of its words and of the pairs of neighbours, each hashed into
a table. The score is the F1 of sentences that were kept back, averaged over the classes.
"""

import argparse
import re
import sys
import zlib

import flambeau as torch
from flambeau import nn
from flambeau.utils.data import DataLoader

WANTED = 0.6  # F1; who guesses by chance reaches an eighth
BUCKETS = 8192


def load_sentences(classes: int):
    """The names of the classes, and pairs of a sentence and the number of its class."""
    from pydoc_data.topics import topics

    longest = sorted(topics, key=lambda name: (-len(topics[name]), name))
    names, samples, known = [], [], set()
    for name in longest:
        sentences = re.split(r"(?<=[.:])\s+|\n\n+", topics[name])
        new = [" ".join(s.split()) for s in sentences if len(s.split()) >= 6]
        new = [s for s in dict.fromkeys(new) if s not in known]
        if len(new) < 60:
            continue  # a page that repeats another one, or a short one
        known.update(new)
        samples += [(sentence, len(names)) for sentence in new[:250]]
        names.append(name)
        if len(names) == classes:
            break
    return names, samples


def pieces(sentence: str) -> list[int]:
    words = re.findall(r"[a-z_]+|\S", sentence.lower())
    pairs = [f"{a} {b}" for a, b in zip(words, words[1:])]
    return [zlib.crc32(piece.encode()) % BUCKETS for piece in words + pairs]


def collate(samples):
    """All pieces in a row, where each sentence starts, and the classes."""
    bags = [pieces(sentence) for sentence, _ in samples]
    starts = [0]
    for bag in bags[:-1]:
        starts.append(starts[-1] + len(bag))
    row = torch.tensor([piece for bag in bags for piece in bag])
    return row, torch.tensor(starts), torch.tensor([label for _, label in samples])


class Classifier(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(BUCKETS, width, mode="mean")
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(width, classes)

    def forward(self, row, starts):
        return self.head(self.drop(self.bag(row, starts)))


def train(net, loader, epochs: int, report: bool = True) -> list[float]:
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    losses = []
    for epoch in range(epochs):
        for row, starts, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(row, starts), labels, label_smoothing=0.05)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if report:
            print(f"epoch {epoch + 1}  loss {losses[-1]:.4f}", flush=True)
    return losses


def curve(steps: int) -> list[float]:
    """The losses of the first steps, for a comparison."""
    torch.manual_seed(0)
    names, samples = load_sentences(4)
    loader = DataLoader(samples[: 16 * steps], 16, shuffle=True, collate_fn=collate)
    epochs = -(-steps // len(loader))
    return train(Classifier(16, len(names)), loader, epochs, report=False)[:steps]


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer epochs, for some seconds")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    names, samples = load_sentences(8)
    order = torch.randperm(len(samples)).tolist()
    border = len(samples) // 5
    kept_back = [samples[i] for i in order[:border]]
    training = [samples[i] for i in order[border:]]
    net = Classifier(64, len(names))
    train(net, DataLoader(training, 32, True, collate_fn=collate), 8 if options.quick else 20)

    net.eval()
    row, starts, labels = collate(kept_back)
    with torch.no_grad():
        said = net(row, starts).argmax(1)
    total = 0.0
    for i, name in enumerate(names):
        right = ((said == i) & (labels == i)).sum().item()
        precision = right / max(1, (said == i).sum().item())
        recall = right / max(1, (labels == i).sum().item())
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        total += f1 / len(names)
        print(f"precision {precision:.2f}  recall {recall:.2f}  F1 {f1:.2f}  {name}")
    print(f"accuracy {(said == labels).double().mean().item():.3f}  mean F1 {total:.3f}")
    return 0 if total >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
