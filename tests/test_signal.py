"""Windows, against SciPy's."""

import numpy as np
import pytest
from scipy.signal import windows as reference

import flambeau
from flambeau.signal import windows

OPTIONS = {
    "bartlett": ({}, {}),
    "blackman": ({}, {}),
    "cosine": ({}, {}),
    "exponential": ({"tau": 3.0}, {"tau": 3.0}),
    "gaussian": ({"std": 2.5}, {"std": 2.5}),
    "general_cosine": ({"a": [0.5, 0.3, 0.2]}, {"a": [0.5, 0.3, 0.2]}),
    "general_hamming": ({"alpha": 0.6}, {"alpha": 0.6}),
    "hamming": ({}, {}),
    "hann": ({}, {}),
    "kaiser": ({"beta": 7.0}, {"beta": 7.0}),
    "nuttall": ({}, {}),
}


def test_all_are_tried():
    assert sorted(windows.__all__) == sorted(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("sym", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 33])
def test_windows_are_scipys(name, sym, count):
    ours, theirs = OPTIONS[name]
    window = getattr(windows, name)(count, sym=sym, dtype=flambeau.float64, **ours)
    expected = getattr(reference, name)(count, sym=sym, **theirs)
    np.testing.assert_allclose(window.numpy(), expected, atol=1e-7)
    single = getattr(windows, name)(count, sym=sym, **ours)
    assert single.dtype == flambeau.float32
    np.testing.assert_allclose(single.numpy(), expected, atol=1e-6)


def test_options():
    assert windows.hann(4, requires_grad=True).requires_grad
    assert windows.hann(4, device="meta").shape == (4,)
    moved = windows.exponential(4, center=1.0, sym=False)
    np.testing.assert_allclose(moved.numpy(), np.exp(-np.abs(np.arange(4) - 1.0)), rtol=1e-6)


@pytest.mark.parametrize(
    "name, arguments, error, words",
    [
        ("hann", {"M": -1}, ValueError, "non-negative window length"),
        ("hann", {"M": 2.5}, TypeError, "must be an int"),
        ("hann", {"M": 3, "dtype": flambeau.float16}, ValueError, "float32 or float64"),
        ("hann", {"M": 3, "layout": flambeau.sparse_coo}, ValueError, "strided tensors only"),
        ("gaussian", {"M": 3, "std": 0}, ValueError, "must be positive"),
        ("exponential", {"M": 3, "tau": 0}, ValueError, "must be positive"),
        ("exponential", {"M": 3, "center": 1.0}, ValueError, "must be None"),
        ("kaiser", {"M": 3, "beta": -1}, ValueError, "non-negative"),
        ("general_cosine", {"M": 3, "a": []}, ValueError, "cannot be empty"),
        ("general_cosine", {"M": 3, "a": 1}, TypeError, "list/tuple"),
    ],
)
def test_what_is_no_window(name, arguments, error, words):
    with pytest.raises(error, match=f"{name}: .*{words}"):
        getattr(windows, name)(**arguments)
