"""Random tensors under random print options print as PyTorch prints them."""

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")

REAL = ["float16", "bfloat16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
EXACT = ["bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0]
EMPTY = [(0,), (3, 0), (2, 0, 3)]
SMALL = [(), (1,), (7,), (1, 1), (4, 9), (12, 1), (3, 8, 2), (9, 2, 7), (2, 1, 3, 4)]
LARGE = [(1001,), (40, 40), (3, 400), (11, 13, 9), (7, 8, 7, 1), (1, 9, 2, 7, 9)]
SHAPES = EMPTY + SMALL * 2 + LARGE


def random_floats(rng, size):
    """Values of one of the kinds that steer notation and width."""
    values = rng.standard_normal(size)
    kind = rng.integers(8)
    if kind == 0:
        values = np.round(values * 20)
    elif kind == 1:
        values = values * 10.0 ** rng.uniform(-9, 12)
    elif kind == 2:
        values = values * 10.0 ** rng.uniform(-6, 9, size)
    elif kind == 3:
        values = np.zeros(size)
    elif kind == 4:
        values = np.abs(values) + 0.5
    elif kind == 5:
        values = np.round(values) * 10.0 ** float(rng.integers(0, 10))
    if rng.random() < 0.35:
        spots = rng.random(size) < rng.choice([0.1, 0.5, 1.0])
        values = np.where(spots, rng.choice(SPECIAL, size), values)
    return values


def random_array(rng, dtype, shape):
    """A NumPy array which both libraries turn into ``dtype`` by themselves."""
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype in EXACT:
        info = np.iinfo(dtype)
        bound = int(rng.choice([3, 100, 2**15, 2**62]))
        low, high = max(info.min, -bound), min(info.max, bound)
        return rng.integers(low, high, shape, dtype=dtype, endpoint=True)
    if dtype in COMPLEX:
        parts = random_floats(rng, shape), random_floats(rng, shape)
        array = np.empty(shape, dtype)
        array.real, array.imag = parts
        return array
    with np.errstate(over="ignore"):
        return random_floats(rng, shape).astype("float32" if dtype == "bfloat16" else dtype)


def random_options(rng):
    return {
        "precision": int(rng.choice([0, 1, 2, 4, 4, 4, 7])),
        "threshold": rng.choice([0, 5, 20, 1000, 1000, np.inf]),
        "edgeitems": int(rng.choice([0, 1, 2, 3, 3, 3, 4])),
        "linewidth": int(rng.choice([1, 20, 60, 80, 80, 132])),
        "sci_mode": [None, None, None, True, False][rng.integers(5)],
    }


def build(library, array, dtype, steps):
    """The same tensor in either library: cast, then views and autograd as ``steps`` say."""
    # The copy keeps in-place steps of one library from showing in the other.
    tensor = library.as_tensor(np.array(array)).to(getattr(library, dtype))
    if "meta" in steps:
        tensor = tensor.to("meta")
    if "grad" in steps:
        tensor.requires_grad_()
    if "node" in steps:
        tensor = tensor * 1
    if "strided" in steps and tensor.dim():
        tensor = tensor.transpose(0, -1)[..., ::2]
    if "conj" in steps:
        tensor = tensor.conj()
    if "neg" in steps:
        tensor = tensor.conj().imag
    return tensor


def random_steps(rng, dtype):
    steps = [name for name, share in [("strided", 0.2), ("meta", 0.05)] if rng.random() < share]
    if dtype in REAL + COMPLEX:
        steps += [name for name in ("grad", "node") if rng.random() < 0.2]
    if dtype in COMPLEX:
        steps += [name for name in ("conj", "neg") if rng.random() < 0.25]
    return steps


@pytest.mark.parametrize("dtype", REAL + COMPLEX + EXACT)
def test_random_tensors(dtype):
    rng = np.random.default_rng(sum(dtype.encode()))
    for _ in range(300):
        shape = SHAPES[rng.integers(len(SHAPES))]
        array = random_array(rng, dtype, shape)
        steps = random_steps(rng, dtype)
        options = random_options(rng) if rng.random() < 0.5 else {}
        theirs, ours = (build(library, array, dtype, steps) for library in (torch, flambeau))
        with torch._tensor_str.printoptions(**options), flambeau.printoptions(**options):
            expected = torch._tensor_str._str(theirs)
            assert repr(ours) == expected, (shape, steps, options)


@pytest.mark.parametrize("default", ["float32", "float64"])
def test_dtype_suffix_follows_the_default(default):
    before = flambeau.get_default_dtype(), torch.get_default_dtype()
    flambeau.set_default_dtype(getattr(flambeau, default))
    torch.set_default_dtype(getattr(torch, default))
    try:
        for dtype in REAL + COMPLEX + EXACT:
            for shape in [(), (0,), (2, 0), (2,)]:
                ours = flambeau.ones(shape, dtype=getattr(flambeau, dtype))
                theirs = torch.ones(shape, dtype=getattr(torch, dtype))
                assert repr(ours) == torch._tensor_str._str(theirs)
    finally:
        flambeau.set_default_dtype(before[0])
        torch.set_default_dtype(before[1])


def test_subclasses_and_parameters():
    def texts(library):
        class Marked(library.Tensor):
            pass

        class Weight(library.nn.Parameter):
            pass

        values = library.tensor([[0.5, 1.5], [2.5, 1e6]])
        yield repr(values.as_subclass(Marked))
        yield repr(Weight(values))
        yield repr(library.nn.Parameter(values))
        yield values.as_subclass(Marked).__repr__(tensor_contents="contents")

    assert list(texts(flambeau)) == list(texts(torch))
