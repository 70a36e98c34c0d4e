"""A detector: which digits are on the canvas, and where?

    python examples/detector.py [--quick]

One to three of scikit-learn's handwritten digits lie on a canvas of 32 times 32 in various sizes.
Each of 8 times 8 cells says whether the middle of a digit is in it, its box, and which digit it is.
A box counts as found if it has the right digit and overlaps the true box by half (intersection over
union). The score is F1, of precision and recall, on canvases of digits that were kept back.
"""

import argparse
import random
import sys

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

WANTED = {"quick": 0.75, "full": 0.85}  # F1
SIZE, CELLS = 32, 8
CELL = SIZE // CELLS


def load_digits():
    from sklearn.datasets import load_digits as load

    data = load()
    return torch.tensor(data.images / 16, dtype=torch.float32), data.target.tolist()


def overlap(a, b):
    """Intersection over union of boxes (left, top, right, bottom), in the last direction."""
    corner = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    common = (corner[1] - corner[0]).clamp(min=0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).clamp(min=0).prod(-1) for box in (a, b)]
    return common / (areas[0] + areas[1] - common)


def paint(images, labels, choice: random.Random):
    """A canvas, and a list of (digit, left, top, right, bottom); the boxes do not touch."""
    canvas, objects = torch.zeros(SIZE, SIZE), []
    for _ in range(choice.randint(1, 3)):
        size, number = choice.randint(9, 14), choice.randrange(len(labels))
        left, top = choice.randint(0, SIZE - size), choice.randint(0, SIZE - size)
        right, bottom = left + size, top + size
        if any(left < r and x < right and top < b and y < bottom for _, x, y, r, b in objects):
            continue
        picture = images[number][None, None]
        picture = F.interpolate(picture, size=(size, size), mode="bilinear", align_corners=False)
        canvas[top:bottom, left:right] = picture[0, 0]
        objects.append((labels[number], left, top, right, bottom))
    return canvas, objects


def targets(objects):
    """What each cell should say: the digit (-1 for none), and the box."""
    digits, boxes = torch.full((CELLS, CELLS), -1), torch.zeros(CELLS, CELLS, 4)
    for digit, left, top, right, bottom in objects:
        row, column = (top + bottom) // 2 // CELL, (left + right) // 2 // CELL
        digits[row, column] = digit
        boxes[row, column] = torch.tensor([left, top, right, bottom], dtype=torch.float32)
    return digits, boxes


class Detector(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()

        def layer(inputs, outputs, stride=1):
            convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())

        self.layers = nn.Sequential(
            layer(1, width),
            layer(width, 2 * width, 2),
            layer(2 * width, 2 * width),
            layer(2 * width, 4 * width, 2),
            layer(4 * width, 4 * width),
            layer(4 * width, 4 * width),
        )
        self.head = nn.Conv2d(4 * width, 1 + 4 + 10, 1)
        middle = torch.arange(CELLS) * CELL + CELL / 2
        y, x = torch.meshgrid(middle, middle, indexing="ij")
        self.register_buffer("middles", torch.stack([x, y, x, y], -1))

    def forward(self, canvases):
        """For each cell the score of an object, its box in pixels, and the scores of the digits."""
        said = self.head(self.layers(canvases.unsqueeze(1))).permute(0, 2, 3, 1)
        reach = F.softplus(said[..., 1:5]) * CELL
        return said[..., 0], self.middles + reach * torch.tensor([-1, -1, 1, 1]), said[..., 5:]


def loss_of(said, digits, boxes):
    score, box, classes = said
    there = digits >= 0
    loss = F.binary_cross_entropy_with_logits(score, there.float(), reduction="sum")
    loss = loss + (1 - overlap(box[there], boxes[there])).sum()
    loss = loss + 0.1 * F.smooth_l1_loss(box[there], boxes[there], reduction="sum")
    loss = loss + F.cross_entropy(classes[there], digits[there], reduction="sum")
    return loss / there.sum()


def train(net, canvases, digits, boxes, steps: int, batch: int, report: int = 0) -> list[float]:
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    losses = []
    for step in range(steps):
        i = torch.randint(len(canvases), (batch,))
        optimizer.zero_grad()
        loss = loss_of(net(canvases[i]), digits[i], boxes[i])
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if report and (step + 1) % report == 0:
            print(f"step {step + 1}  loss {losses[-1]:.4f}", flush=True)
    return losses


@torch.no_grad()
def detect(net, canvas):
    """(digit, box) of each object, the surest first; boxes that overlap a surer one are dropped."""
    score, box, classes = (part[0].flatten(0, 1) for part in net(canvas.unsqueeze(0)))
    found = []
    for i in score.argsort(descending=True).tolist():
        if score[i] <= 0:
            break
        if all(overlap(box[i], other).item() < 0.3 for _, other in found):
            found.append((classes[i].argmax().item(), box[i]))
    return found


def measure(net, canvases, objects):
    """Precision, recall, and the mean overlap of the boxes that were found."""
    said, overlaps = 0, []
    for canvas, true in zip(canvases, objects):
        left = list(true)
        for digit, box in detect(net, canvas):
            said += 1
            for candidate in left:
                shared = overlap(box, torch.tensor(candidate[1:], dtype=torch.float32)).item()
                if candidate[0] == digit and shared >= 0.5:
                    left.remove(candidate)
                    overlaps.append(shared)
                    break
    there = sum(map(len, objects))
    return (
        len(overlaps) / max(1, said),
        len(overlaps) / there,
        sum(overlaps) / max(1, len(overlaps)),
    )


def canvases_of(images, labels, count: int, choice: random.Random):
    canvases, objects = zip(*(paint(images, labels, choice) for _ in range(count)))
    digits, boxes = zip(*(targets(true) for true in objects))
    return torch.stack(canvases), torch.stack(digits), torch.stack(boxes), objects


def curve(steps: int) -> list[float]:
    """The losses of the first steps, for a comparison."""
    torch.manual_seed(0)
    canvases, digits, boxes, _ = canvases_of(*load_digits(), 64, random.Random(0))
    return train(Detector(4), canvases, digits, boxes, steps, 8)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small net, for some seconds")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    choice = random.Random(0)
    images, labels = load_digits()
    count, steps, width = (1500, 700, 8) if options.quick else (8000, 3000, 16)
    canvases, digits, boxes, _ = canvases_of(images[:1400], labels[:1400], count, choice)
    net = Detector(width)
    train(net, canvases, digits, boxes, steps, 32, steps // 5)

    net.eval()
    canvases, _, _, objects = canvases_of(images[1400:], labels[1400:], 100, choice)
    precision, recall, shared = measure(net, canvases, objects)
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    print(f"true {objects[0]}")
    for digit, box in detect(net, canvases[0]):
        print(f"said {digit} in {[round(edge, 1) for edge in box.tolist()]}")
    print(f"precision {precision:.3f}  recall {recall:.3f}  overlap {shared:.3f}  F1 {f1:.3f}")
    return 0 if f1 >= WANTED["quick" if options.quick else "full"] else 1


if __name__ == "__main__":
    sys.exit(main())
