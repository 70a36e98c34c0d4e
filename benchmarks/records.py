"""Times the calls that records name for it (their slot ``benchmark``).

    python benchmarks/records.py [--threads 2] [--rounds 5] [--only REGEX]

See ``harness.py`` for what a line says.
"""

import harness
from harness import Case

from flambeau.ops.record import load
from flambeau.ops.samples import DType, Given, Values


def argument(lib, described):
    """What a description in a record stands for; of the dtype under test, float32."""
    if isinstance(described, Values):
        made = lib.empty(described.shape).uniform_(described.low, described.high)
        return made.to(getattr(lib, described.dtype or "float32"))
    if isinstance(described, Given):
        return lib.tensor(described.data, dtype=getattr(lib, described.dtype))
    if isinstance(described, DType):
        return getattr(lib, {"same": "float32"}.get(described.name, described.name))
    if isinstance(described, (list, tuple)):
        return [argument(lib, d) for d in described]
    return described


def timed(record, sample):
    """The overload itself, so that one name serves both libraries."""

    def build(lib):
        op = getattr(getattr(lib.ops.aten, record.name), record.schema.overload or "default")
        args = [argument(lib, a) for a in sample.args]
        kwargs = {name: argument(lib, a) for name, a in sample.kwargs.items()}
        return lambda: op(*args, **kwargs)

    return build


def cases():
    for record in load():
        for sample in record.benchmark if isinstance(record.benchmark, tuple) else ():
            yield Case(f"{record.schema.full_name} {sample}", timed(record, sample))


if __name__ == "__main__":
    harness.measure(cases(), harness.parser(__doc__).parse_args())
