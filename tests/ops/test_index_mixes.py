"""Mixes of masks, lists, numbers, slices, None and ... in one index, against NumPy."""

import random

import numpy as np
import pytest

import flambeau
from flambeau import func

SIZES = {"mask1": [3], "mask2": [2, 3], "mask3": [2, 2, 2], "list": [3], "bools": [2], "grid": [4]}
SIZES |= {"int": [2], "zero_dim": [2], "all": [2], "part": [3], "none": [], "true": [], "false": []}


def item(kind, choose):
    match kind:
        case "mask1":
            return np.array([True, False, True])
        case "mask2" | "mask3":
            made = np.zeros(SIZES[kind], bool)
            made.flat[choose.sample(range(made.size), 2)] = True
            return made
        case "list":
            return choose.choice([[0, 2], [1], [-1, 0]])
        case "bools":
            return [True, False]
        case "grid":
            return np.array(choose.choice([[[3, 1], [0, 2]], [[3], [0]]]))
        case "int":
            return choose.choice([0, -1])
        case "zero_dim":
            return np.array(1)
        case "all":
            return slice(None)
        case "part":
            return slice(1, None)
        case "none":
            return None
        case "true" | "false":
            return kind == "true"


def mixes(count):
    """Shapes and indices for them; an ellipsis stands for nothing, or for what is left."""
    choose = random.Random(5)
    while count:
        kinds = choose.choices([*SIZES, "mask2"], k=choose.randint(1, 4))
        shape = [n for kind in kinds for n in SIZES[kind]]
        index = [item(kind, choose) for kind in kinds]
        if choose.random() < 0.3:
            at = choose.randint(0, len(index))
            before = sum(len(SIZES[kind]) for kind in kinds[:at])
            shape[before:before] = choose.choice([[], [2], [1, 2]])
            index.insert(at, ...)
        shape += choose.choice([[], [2], [3, 1]])
        if len(shape) <= 8:
            count -= 1
            yield shape, index


def picked(array, index):
    """Numbers first, as views are made, and then tensors: they do not stand beside arrays."""
    view, rest = [], []
    for i in index:
        if isinstance(i, bool):
            view.append(None)
            rest.append(np.array([i]))
        elif i is None or isinstance(i, (int, slice)) or (i is not ... and np.ndim(i) == 0):
            view.append(int(i) if isinstance(i, np.ndarray) else i)
            rest += [] if isinstance(i, (int, np.ndarray)) else [slice(None)]
        elif i is ...:
            view.append(...)
            rest.append(...)
        else:
            many = np.ndim(i) if np.asarray(i).dtype == bool else 1
            view += [slice(None)] * many
            rest.append(np.asarray(i))
    return array[tuple(view)][tuple(rest)]


def expected(shape, index):
    places = np.arange(int(np.prod(shape))).reshape(shape)
    try:
        return picked(places, index)
    except IndexError:
        return None


def ours(index, byte=False):
    def convert(i):
        if not isinstance(i, np.ndarray):
            return i
        made = flambeau.tensor(i)
        return made.to(flambeau.uint8) if byte and i.dtype == bool else made

    return tuple(map(convert, index))


MIXES = list(mixes(600))


def test_the_mixes_are_many_of_each_kind():
    read = [expected(*mix) for mix in MIXES]
    assert sum(r is not None for r in read) > 300 and sum(r is None for r in read) > 20
    after = 0
    for _, index in MIXES:
        first = [n for n, i in enumerate(index) if isinstance(i, np.ndarray) and i.dtype == bool]
        wide = [n for n in first if index[n].ndim > 1]
        after += any(isinstance(i, (list, np.ndarray)) for n in wide for i in index[n + 1 :])
    assert after > 100


def tried(byte, use):
    """The mixes that NumPy takes, each with a tensor and its places; the others are refused."""
    for shape, index in MIXES:
        places = expected(shape, index)
        x = flambeau.arange(float(np.prod(shape)), dtype=flambeau.float64).view(shape)
        if places is None:
            with pytest.raises(IndexError):
                use(x, ours(index, byte))
        else:
            yield shape, index, x, places


@pytest.mark.parametrize("byte", [False, True])
def test_reading_and_its_gradients(byte):
    for shape, index, x, places in tried(byte, lambda x, i: x[i]):
        x.requires_grad_()
        made = x[ours(index, byte)]
        said = f"{shape} {index}"
        np.testing.assert_array_equal(made.detach().numpy(), places, said)
        weight = np.arange(1.0, places.size + 1).reshape(places.shape)
        (g,) = flambeau.autograd.grad((made * flambeau.tensor(weight)).sum(), x)
        wanted = np.bincount(places.ravel(), weight.ravel(), int(np.prod(shape)))
        np.testing.assert_array_equal(g.numpy().ravel(), wanted, said)


@pytest.mark.parametrize("byte", [False, True])
def test_writing_and_its_gradients(byte):
    for shape, index, x, places in tried(byte, lambda x, i: x.__setitem__(i, 1.0)):
        said = f"{shape} {index}"
        x.requires_grad_()
        value = flambeau.tensor(-1.0, dtype=flambeau.float64, requires_grad=True)
        y = x * 1
        y[ours(index, byte)] = value
        wanted = np.arange(float(np.prod(shape)))
        wanted[places.ravel()] = -1
        np.testing.assert_array_equal(y.detach().numpy().ravel(), wanted, said)
        weight = flambeau.arange(1.0, y.numel() + 1, dtype=flambeau.float64).view(shape)
        left = np.arange(1.0, y.numel() + 1)
        left[places.ravel()] = 0
        g, h = flambeau.autograd.grad((y * weight).sum(), (x, value))
        np.testing.assert_array_equal(g.numpy().ravel(), left, said)
        if np.unique(places).size == places.size:
            assert h.item() == weight.sum().item() - left.sum(), said


def test_transforms_of_a_mask_and_an_index():
    m, x = flambeau.ones(2, 3, dtype=flambeau.bool), flambeau.randn(2, 3, 2, 5)
    g = func.grad(lambda t: t[m, [1]].sum())(x)
    assert g[:, :, 1].eq(1).all() and g[:, :, 0].eq(0).all()
    value, tangent = func.jvp(lambda t: t[m, [1]], (x,), (2 * x,))
    assert value.shape == (6, 5) and tangent.equal(2 * value)
    rows = flambeau.tensor([1, 0, 1])
    many = func.vmap(lambda i: x[m, i])(rows)
    assert many.equal(flambeau.stack([x[m, i] for i in [1, 0, 1]]))
    many = func.vmap(lambda t, i: t[m, i], in_dims=(None, 0))(x, rows)
    assert many.equal(flambeau.stack([x[m, i] for i in [1, 0, 1]]))
    each = func.vmap(lambda t: t[:, [0, 1, 2], [1, 0, 0]])(flambeau.stack([x, -x]))
    assert each[1].equal(-x[:, [0, 1, 2], [1, 0, 0]])
