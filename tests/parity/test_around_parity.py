"""What stands around training is PyTorch's: schemas, counts of operations, tables of times."""

import importlib

import pytest

torch = pytest.importorskip("torch")

import flambeau  # noqa: E402


def on_both(program):
    """What a function of the library gives on each."""
    ours, theirs = program(flambeau), program(torch)
    assert ours == theirs


def submodule(library, name):
    return importlib.import_module(f"{library.__name__}.{name}")


def test_names_of_the_library_and_schemas():
    assert flambeau.library.__all__ == torch.library.__all__
    assert [t.name for t in flambeau.Tag] == list(torch.Tag.__members__)

    def schemas(library):
        from collections.abc import Sequence
        from typing import Optional

        T, types = library.Tensor, library.dtype

        def f(
            x: T,
            n: int,
            r: float = 0.5,
            y: Optional[T] = None,  # noqa: UP045
            *,
            zs: Sequence[T],
            k: list[int] | None = None,
            d: types = library.float32,
            dev: library.device = library.device("cpu"),  # noqa: B008
            s: str = "s",
        ) -> tuple[T, list[T], int]: ...

        def g(x: T) -> None: ...

        infer = library.library.infer_schema
        return [infer(f, mutates_args=m) for m in ((), {"x", "zs"}, "unknown")] + [
            infer(g, mutates_args=(), op_name="g")
        ]

    on_both(schemas)


@pytest.mark.parametrize("text", [
    "f(float a=0.1, float b=3, float? c=1e-05, float[] d=[1.0,2.5], Scalar e=0.5, str s='x') -> ()",
    "f.o(Tensor(a!) x, Tensor(b!)[] y, *, int[2] n=1, bool k=True) -> (Tensor(a!), int)",
])  # fmt: skip
def test_schemas_print_alike(text):
    from flambeau._schema import parse

    assert str(parse(text)) == str(torch._C.parse_schema(text))


NETWORKS = {
    "mlp": lambda nn: (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), (5, 4)),
    "conv": lambda nn: (
        nn.Sequential(nn.Conv2d(2, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(1)),
        (2, 2, 9, 8),
    ),
    "transposed": lambda nn: (nn.ConvTranspose1d(3, 5, 4, stride=2), (2, 3, 6)),
    "transformer": lambda nn: (nn.TransformerEncoderLayer(8, 2, 16), (3, 2, 8)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_operations_are_counted_alike(name):
    def counts(library):
        net, shape = NETWORKS[name](library.nn)
        with submodule(library, "utils.flop_counter").FlopCounterMode(display=False) as counter:
            x = library.ones(*shape, requires_grad=True)
            net(x).sum().backward()
        return counter.get_total_flops(), {
            module: {str(op): n for op, n in ops.items()}
            for module, ops in counter.get_flop_counts().items()
        }

    on_both(counts)


@pytest.mark.parametrize("trim", [False, True])
@pytest.mark.parametrize("rowwise", [None, False, True])
def test_tables_of_times_are_alike(trim, rowwise):
    def tables(library):
        B = submodule(library, "utils.benchmark")
        made = [
            B.Measurement(
                10,
                [1e-5 * scale * (1 + 0.01 * spread * k) for k in range(7)],
                B.TaskSpec(stmt, "pass", "", label, sub, f"n={n}", None, threads),
            )
            for label, spread in (("add", 1), ("mul", 9))
            for stmt, sub in (("f(x)", "float"), ("g(x)", None))
            for threads in (1, 2)
            for n, scale in ((1, 1.5 + len(stmt) / threads), (1000, 173.1 * threads))
        ]
        table = B.Compare(made)
        if trim:
            table.trim_significant_figures()
            table.highlight_warnings()
        if rowwise is not None:
            table.colorize(rowwise)
        shown = [repr(m).partition("\n")[2] for m in made]
        return str(table), shown, [m.significant_figures for m in made]

    on_both(tables)


def test_the_fuzzer_draws_alike():
    def draws(library):
        B = submodule(library, "utils.benchmark")
        P = B.FuzzedParameter
        fuzzer = B.Fuzzer(
            [
                P("n", 4, 64, distribution="loguniform"),
                P("d", 1, 2, distribution="uniform", strict=True),
                P("s", 1, 3, distribution="uniform"),
            ],
            [B.FuzzedTensor("x", ("n", 8), ("s", 2), 0.3, 30, 400, dim_parameter="d")],
            seed=3,
        )
        return [
            (t["x"].tolist(), t["x"].stride(), p["x"]["numel"], q) for t, p, q in fuzzer.take(5)
        ], fuzzer.rejection_rate

    on_both(draws)
