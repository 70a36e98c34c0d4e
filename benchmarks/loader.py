"""Times loaders: the first batch of new workers, which is the cost of starting them, and batches.

    python benchmarks/loader.py [--rounds 5] [--only REGEX]

See ``harness.py`` for what a line says.
"""

import warnings
from importlib import import_module

import harness
from harness import Case


class Squares:
    """A dataset for both libraries: each makes its own tensors."""

    def __init__(self, lib, n=2000, size=16):
        self.lib, self.n, self.size = lib.__name__, n, size

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return import_module(self.lib).full((self.size,), float(i)), i


def first_batch(workers, method):
    def build(lib):
        data = import_module(f"{lib.__name__}.utils.data")
        loader = data.DataLoader(
            Squares(lib), 8, num_workers=workers, multiprocessing_context=method
        )

        def first():
            next(iter(loader))

        return first

    return build


def passes(workers, batch, size, shuffle=True, **options):
    def build(lib):
        data = import_module(f"{lib.__name__}.utils.data")
        if workers:
            options.update(persistent_workers=True)
        loader = data.DataLoader(
            Squares(lib, 1000, size), batch, shuffle, num_workers=workers, **options
        )

        def whole():
            for _ in loader:
                pass

        return whole

    return build


def cases():
    yield Case("first_batch_4_fork", first_batch(4, "fork"))
    yield Case("first_batch_4_spawn", first_batch(4, "spawn"))
    yield Case("pass_0_workers", passes(0, 32, 16))
    yield Case("pass_2_workers_small", passes(2, 32, 16))
    yield Case("pass_2_workers_images", passes(2, 32, 3 * 64 * 64))


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "This DataLoader will create")
    harness.measure(cases(), harness.parser(__doc__).parse_args())
