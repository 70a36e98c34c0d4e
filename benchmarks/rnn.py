"""Times recurrent layers, forward and with their gradients, and a loop of LSTMCell.

    python benchmarks/rnn.py [--threads 2] [--rounds 5] [--only REGEX]

See ``harness.py`` for what a line says.
"""

import harness
from harness import Case


def layer(kind, units, batch, steps, train):
    def build(lib):
        lib.manual_seed(0)
        net, x = getattr(lib.nn, kind)(units, units), lib.randn(steps, batch, units)

        def forward():
            with lib.no_grad():
                net(x)

        def step():
            net(x)[0].sum().backward()

        return step if train else forward

    return build


def cells(lib):
    lib.manual_seed(0)
    cell, x = lib.nn.LSTMCell(32, 64), lib.randn(50, 4, 32)

    def step():
        h, c = lib.zeros(4, 64), lib.zeros(4, 64)
        for t in range(50):
            h, c = cell(x[t], (h, c))
        h.sum().backward()

    return step


def cases():
    yield Case("LSTMCell_loop", cells)
    for kind in ("LSTM", "GRU", "RNN"):
        for units, batch, steps in ((16, 32, 50), (64, 1, 50), (128, 16, 64), (512, 16, 64)):
            for name, train in (("fwd", False), ("train", True)):
                yield Case(
                    f"{kind}_{units}x{batch}x{steps}_{name}",
                    layer(kind, units, batch, steps, train),
                )


if __name__ == "__main__":
    harness.measure(cases(), harness.parser(__doc__).parse_args())
