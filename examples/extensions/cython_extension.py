"""A Cython extension on tensors without a copy: `python examples/extensions/cython_extension.py`.

`ema.pyx` is compiled when the program first runs. It needs a compiler and `pip install cython
setuptools`.
"""

import importlib.util
import pathlib
import sys
import tempfile

from smoothing import fit, function_of

import flambeau as torch

SOURCE = pathlib.Path(__file__).with_name("ema.pyx")


def build(folder: str):
    """The module, built into a folder."""
    from Cython.Build import cythonize
    from setuptools import Extension
    from setuptools.dist import Distribution

    name = "flambeau_example_ema_cython"
    modules = cythonize([Extension(name, [str(SOURCE)])], build_dir=folder, quiet=True)
    command = Distribution({"name": name, "ext_modules": modules}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = folder, folder
    command.ensure_finalized()
    command.run()
    spec = importlib.util.spec_from_file_location(name, command.get_ext_fullpath(name))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def smoother(module):
    """Its functions write into memory of ours: tensors that are made before the call."""

    def forward(x, decay):
        y = torch.empty(x.shape, dtype=x.dtype)
        module.forward(x, decay, y)
        return y

    def backward(grad, decay):
        to_x = torch.empty(grad.shape, dtype=grad.dtype)
        module.backward(grad, decay, to_x)
        return to_x

    return function_of(forward, backward)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        error = fit(smoother(build(folder)))
    print(f"share of the signal that is not explained: {error:.6f}")
    assert error < 1e-3


if __name__ == "__main__":
    main()
