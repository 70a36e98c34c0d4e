"""What __torch_function__ is told of an operator: PyTorch's name, and the tensor first."""

import operator

import pytest

import flambeau

SEEN = []


class Spy(flambeau.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        SEEN.append((func.__name__, args))
        return super().__torch_function__(func, types, args, kwargs or {})


def spy():
    return flambeau.tensor([1, 2, 3]).as_subclass(Spy)


def told(f):
    SEEN.clear()
    result = f()
    name, args = SEEN[0]
    assert isinstance(args[0], Spy)
    return name, result


FORWARD = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "__floordiv__",
    "mod": "remainder", "pow": "pow", "matmul": "matmul", "lshift": "__lshift__",
    "rshift": "__rshift__", "and_": "__and__", "or_": "__or__", "xor": "__xor__", "lt": "lt",
    "le": "le", "eq": "__eq__", "ne": "ne", "gt": "gt", "ge": "ge", "iadd": "add_",
    "isub": "sub_", "imul": "mul_", "ifloordiv": "floor_divide_", "imod": "remainder_",
    "ipow": "pow_", "ilshift": "__ilshift__", "irshift": "__irshift__", "iand": "__iand__",
    "ior": "__ior__", "ixor": "__ixor__",
}  # fmt: skip


@pytest.mark.parametrize("name", FORWARD)
def test_tensor_first(name):
    f, other = getattr(operator, name), flambeau.tensor([2, 2, 2])
    seen, result = told(lambda: f(spy(), other))
    assert seen == FORWARD[name]
    plain = f(flambeau.tensor([1, 2, 3]), other)
    assert flambeau.equal(result.as_subclass(flambeau.Tensor), plain)


REFLECTED = {
    "add": "add", "sub": "__rsub__", "mul": "mul", "truediv": "__rdiv__",
    "floordiv": "__rfloordiv__", "mod": "__rmod__", "pow": "__rpow__", "lshift": "__rlshift__",
    "rshift": "__rrshift__", "and_": "bitwise_and", "or_": "bitwise_or", "xor": "bitwise_xor",
    "lt": "gt", "le": "ge", "eq": "__eq__", "ne": "ne", "gt": "lt", "ge": "le",
}  # fmt: skip


@pytest.mark.parametrize("name", REFLECTED)
def test_number_first(name):
    f = getattr(operator, name)
    seen, result = told(lambda: f(7, spy()))
    assert seen == REFLECTED[name]
    plain = f(7, flambeau.tensor([1, 2, 3]))
    assert flambeau.equal(result.as_subclass(flambeau.Tensor), plain)


def test_unary_operators_and_len():
    for f, name in ((operator.neg, "neg"), (abs, "abs"), (operator.invert, "__invert__")):
        assert told(lambda f=f: f(spy()))[0] == name
    assert told(lambda: len(spy())) == ("__len__", 3)


def test_what_len_raises():
    with pytest.raises(TypeError, match="0-d"):
        len(spy().sum())

    class Long(flambeau.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return 7 if func.__name__ == "__len__" else NotImplemented

    assert len(flambeau.ones(2).as_subclass(Long)) == 7
