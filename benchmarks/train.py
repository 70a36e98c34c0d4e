"""Times whole training steps of small networks.

    python benchmarks/train.py [--threads 2] [--rounds 5] [--only REGEX]

See ``harness.py`` for what a line says.
"""

import harness
from harness import Case


def training(build_model, x_shape, classes, optimizer):
    def build(lib):
        lib.manual_seed(0)
        model = build_model(lib.nn)
        optim = getattr(lib.optim, optimizer)(model.parameters(), lr=1e-3)
        x, y = lib.randn(*x_shape), lib.randint(0, classes, (x_shape[0],))

        def step():
            optim.zero_grad()
            loss = lib.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optim.step()

        return step

    return build


def tiny(nn):
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))


def mlp(nn):
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )


def lenet(nn):
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def cases():
    for optimizer in ("SGD", "Adam", "AdamW"):
        yield Case(f"tiny_{optimizer}", training(tiny, (8, 16), 4, optimizer), calls=20)
    yield Case("mlp", training(mlp, (128, 784), 10, "AdamW"))
    yield Case("lenet", training(lenet, (64, 1, 28, 28), 10, "Adam"))


if __name__ == "__main__":
    harness.measure(cases(), harness.parser(__doc__).parse_args())
