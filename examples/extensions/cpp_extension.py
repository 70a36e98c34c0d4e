"""A C++ extension in a network: `python examples/extensions/cpp_extension.py`.

`ema.cpp` is compiled when the program first runs, against flambeau's headers. It needs a compiler
and pybind11: `pip install pybind11`.
"""

import pathlib

from smoothing import fit, function_of

from flambeau.utils.cpp_extension import load

SOURCE = pathlib.Path(__file__).with_name("ema.cpp")


def main() -> None:
    ema = load("flambeau_example_ema", [str(SOURCE)])
    error = fit(function_of(ema.forward, ema.backward))
    print(f"share of the signal that is not explained: {error:.6f}")
    assert error < 1e-3


if __name__ == "__main__":
    main()
