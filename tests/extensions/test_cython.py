"""A Cython extension on tensors without a copy, and the other example of ops of one's own."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import flambeau as torch

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def example(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cython(tmp_path_factory):
    folder = EXAMPLES / "extensions"
    sys.path.insert(0, str(folder))
    try:
        program = example(folder / "cython_extension.py", "cython_example")
    finally:
        sys.path.remove(str(folder))
    return program, program.build(str(tmp_path_factory.mktemp("ema")))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_reads_and_writes_the_memory_of_tensors(cython, dtype):
    _, module = cython
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(3, 5))).to(dtype)
    wide = torch.zeros(5, 6, dtype=dtype)
    y = wide.t()[::2]  # written through strides
    address = y.data_ptr()
    module.forward(x, 0.75, y)
    expected, state = np.zeros((3, 5)), np.zeros(3)
    for t in range(5):
        state = 0.75 * state + 0.25 * x.double().numpy()[:, t]
        expected[:, t] = state
    np.testing.assert_allclose(y.numpy(), expected, 1e-6)
    assert y.data_ptr() == address and wide[:, 1::2].abs().sum() == 0


def test_its_gradient_is_right(cython):
    program, module = cython
    smooth = program.smoother(module)
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: smooth(x, 0.6), (x,))


def test_a_wrong_dtype_is_refused(cython):
    _, module = cython
    x = torch.ones(2, 2, dtype=torch.int32)
    with pytest.raises((TypeError, ValueError), match="No matching signature|dtype mismatch"):
        module.forward(x, 0.5, x)


def test_it_learns_through_the_extension(cython):
    program, module = cython
    assert program.fit(program.smoother(module)) < 1e-3


def test_functions_and_ops_of_ones_own():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, EXAMPLES / "custom_ops.py"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accuracy on unseen points 0.9" in done.stdout
