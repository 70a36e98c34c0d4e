"""A character-level GPT that reads the Python reference, then writes more of it.

    python examples/gpt.py             # some minutes
    python examples/gpt.py --quick     # some seconds: a small one, which spells but makes no sense

The text is `pydoc_data.topics`, which every Python carries. The score is the perplexity on a part
of the text that was kept back: among how many letters the network still wavers, on average, when
it says the next one. Guessing each letter as often as it occurs wavers among some twenty.
"""

import argparse
import math
import sys

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

WANTED = {"quick": 9.0, "full": 4.5}  # perplexity at most


def load_text(length: int) -> str:
    from pydoc_data.topics import topics

    text = " ".join(" ".join(topics[name].split()) for name in sorted(topics))
    return "".join(c for c in text if 32 <= ord(c) < 127)[:length]


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.before_inner = nn.LayerNorm(width)
        self.inner = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def attend(self, x):
        batch, length, width = x.shape
        parts = self.queries_keys_values(x).view(batch, length, 3, self.heads, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.mix(seen.transpose(1, 2).reshape(batch, length, width))

    def forward(self, x):
        x = x + self.attend(self.before_attention(x))
        return x + self.inner(self.before_inner(x))


class GPT(nn.Module):
    def __init__(self, letters: int, width: int, heads: int, layers: int, context: int) -> None:
        super().__init__()
        self.context = context
        self.letter = nn.Embedding(letters, width)
        self.place = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, letters)

    def forward(self, codes):
        x = self.letter(codes) + self.place(torch.arange(codes.shape[1]))
        return self.head(self.norm(self.blocks(x)))

    @torch.no_grad()
    def write(self, codes, length: int, temperature: float = 0.8):
        for _ in range(length):
            scores = self(codes[:, -self.context :])[:, -1] / temperature
            codes = torch.cat([codes, torch.multinomial(scores.softmax(-1), 1)], dim=1)
        return codes


def loss_of(net, codes):
    """`codes` has one letter more than the context: each is said from those before it."""
    return F.cross_entropy(net(codes[:, :-1]).flatten(0, 1), codes[:, 1:].flatten())


def train(net, codes, steps: int, batch: int, rate: float, report: int = 0) -> list[float]:
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    window, losses = torch.arange(net.context + 1), []
    for step in range(steps):
        starts = torch.randint(len(codes) - net.context, (batch, 1))
        optimizer.zero_grad()
        loss = loss_of(net, codes[starts + window])
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if report and (step + 1) % report == 0:
            print(f"step {step + 1}  perplexity in training {math.exp(losses[-1]):.2f}", flush=True)
    return losses


@torch.no_grad()
def perplexity(net, codes) -> float:
    rows = len(codes) // (net.context + 1)
    return math.exp(loss_of(net, codes[: rows * (net.context + 1)].view(rows, -1)).item())


def build(text: str, quick: bool):
    """The network, the text as numbers, and the letters that the numbers stand for."""
    letters = sorted(set(text))
    codes = torch.tensor([letters.index(c) for c in text])
    size = (48, 4, 2, 48) if quick else (128, 4, 4, 128)
    return GPT(len(letters), *size), codes, letters


def curve(steps: int) -> list[float]:
    """The losses of the first steps, for a comparison."""
    torch.manual_seed(0)
    net, codes, _ = build(load_text(20_000), quick=True)
    return train(net, codes, steps, 8, 3e-3)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small net, for some seconds")
    parser.add_argument("--steps", type=int, help="steps of training")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    net, codes, letters = build(load_text(100_000 if options.quick else 400_000), options.quick)
    kept_back = len(codes) // 20
    steps = options.steps or (700 if options.quick else 2000)
    train(net, codes[:-kept_back], steps, 16 if options.quick else 32, 4e-3, steps // 5)

    net.eval()
    score = perplexity(net, codes[-kept_back:][:5000])
    start = torch.tensor([[letters.index(c) for c in "The statement "]])
    print("".join(letters[i] for i in net.write(start, 200)[0].tolist()))
    print(f"perplexity {score:.2f}")
    return 0 if score <= WANTED["quick" if options.quick else "full"] else 1


if __name__ == "__main__":
    sys.exit(main())
