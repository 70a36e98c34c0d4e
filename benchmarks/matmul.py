"""Times matrix products on flambeau and, where it is installed, on PyTorch, beside the peak.

    python benchmarks/matmul.py [--threads 2] [--rounds 5] [--only REGEX]

The peak is that of fused multiply-adds between registers, by a loop in C++ that is compiled and
run before and after the products, with as many threads. See ``harness.py`` for what a line says.
"""

import pathlib
import subprocess
import tempfile

import harness
from harness import Case

SHAPES = [
    (64, 64, 64),
    (256, 256, 256),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (512, 3072, 768),
    (8, 1024, 1024),
    (1, 4096, 4096),
    (333, 517, 259),
]
DTYPES = ("float32", "float64", "bfloat16", "complex64")


def product(lib, m, n, k, dtype):
    a, b = (lib.randn(*s).to(getattr(lib, dtype)) for s in ((m, k), (k, n)))
    return lambda: a @ b


def cases():
    for m, n, k in SHAPES:
        for dtype in DTYPES:
            flops = 2 * m * n * k * (4 if dtype.startswith("complex") else 1)
            yield Case(
                f"{m}x{n}x{k}_{dtype}",
                lambda lib, a=(m, n, k, dtype): product(lib, *a),
                flops,
                max(1, 20_000_000 // (m * n * k)),
            )


def peak(program: pathlib.Path, threads: int) -> float:
    """The fastest of ten runs, in float32 GFLOP/s."""
    runs = (
        subprocess.run([program, str(threads)], capture_output=True, text=True, check=True).stdout
        for _ in range(10)
    )
    return max(float(r) for r in runs)


def main():
    args = harness.parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "fma_peak"
        source = pathlib.Path(__file__).with_name("fma_peak.cpp")
        subprocess.run(
            [
                "c++",
                "-std=c++20",
                "-O2",
                "-ffp-contract=fast",
                "-march=native",
                "-pthread",
                source,
                "-o",
                program,
            ],
            check=True,
        )
        before = peak(program, args.threads)
        taken = harness.measure(cases(), args)
        highest = max(before, peak(program, args.threads))
    print(f"\npeak of float32 multiply-adds, {args.threads} threads: {highest:.1f} GFLOP/s")
    for case in cases():
        if case.name in taken and case.name.endswith("float32"):
            share = case.flops / taken[case.name][0] / 1e9 / highest
            print(f"{case.name:36} {share:6.1%} of it")


if __name__ == "__main__":
    main()
