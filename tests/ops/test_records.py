"""Every record in every variant, from the samples and the reference that it states.

Nothing here is written for one op: what a variant does not fit stands in the lists below, with the
reason.
"""

import operator
import re

import numpy as np
import pytest
from ops.record_calls import (
    RECORDS,
    TESTED,
    UNINITIALISED,
    Call,
    as_array,
    assert_same,
    calls,
    dtypes_of,
    fits_in_place,
    full_name,
    leaves,
    of_layout,
    overload,
    parametrised,
    takes_dtype,
)

import flambeau
from flambeau import _C
from flambeau._recorder import record as record_graph
from flambeau.ops.generator import tables
from flambeau.ops.record import ALL, composite
from flambeau.utils import _pytree as pytree

EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52, "bfloat16": 2.0**-7, "float16": 2.0**-10}
EPSILON |= {"complex64": EPSILON["float32"], "complex128": EPSILON["float64"]}

# A view is made of memory as it lies, and random fills go in the order of memory.
LAYOUT = {"view", "view.dtype", "view_as", "view_as_complex", "_reshape_alias", "_unsafe_view"}
LAYOUT |= {"as_strided"}
LAYOUT |= {full_name(r) for r in RECORDS if "random" in r.tags}

# Gradients that differences cannot check, each with its reason.
GRADIENT = {
    "native_layer_norm": "gradients of its mean and deviation are not propagated",
    "native_batch_norm": "gradients of its mean and deviation are not propagated",
    "_native_batch_norm_legit.no_stats": "gradients of its mean and deviation are not propagated",
    "native_group_norm": "gradients of its mean and deviation are not propagated",
    "_fused_rms_norm": "gradients of its second result are not propagated",
    "_scaled_dot_product_flash_attention_for_cpu": "gradients of logsumexp are not propagated",
    "_standard_gamma": "draws keep their share of what is below, not the numbers they came from",
    "_grid_sampler_double_backward": "refused",
    "_ctc_loss": "it is that of scores behind a log_softmax",
    "_ctc_loss_backward": "refused",
    "_linalg_eigh": "vectors are known up to a factor of size 1: tests/ops/linalg",
    "_linalg_svd": "vectors are known up to a factor of size 1: tests/ops/linalg",
    "linalg_eig": "vectors are known up to a factor of size 1: tests/ops/linalg",
    "cholesky_inverse": "it is that of a triangle, also beside it: tests/ops/linalg",
    "geqrf": "refused",
    "_sparse_softmax_backward_data": "refused",
    "_sparse_log_softmax_backward_data": "refused",
    "native_layer_norm_backward": "its mean and deviation have to be those of its input",
    "native_batch_norm_backward": "its mean and deviation have to be those of its input",
    "native_group_norm_backward": "its mean and deviation have to be those of its input",
    "_fused_rms_norm_backward": "its mean square has to be that of its input",
    "_scaled_dot_product_flash_attention_for_cpu_backward": "out has to be what it gives",
}

# Writes no element.
KEEPS_VERSION = {"detach_"}

# `as_subclass` gives a view, which this refuses.
NO_VIEW = {"detach_"}

# Second gradients that do not exist.
SECOND = {
    "_sparse_softmax": "the gradient of its derivative is refused",
    "_sparse_softmax.int": "the gradient of its derivative is refused",
    "_sparse_log_softmax": "the gradient of its derivative is refused",
    "_sparse_log_softmax.int": "the gradient of its derivative is refused",
    "grid_sampler_2d_backward": "third derivatives of grid_sampler are refused",
    "grid_sampler_3d_backward": "third derivatives of grid_sampler are refused",
}

# Their last tensor may have any shape.
ANY_SHAPE = {"equal", "to.other", "type_as", "embedding", "embedding_renorm_", "take"}
# A tolerance is broadcast.
ANY_SHAPE |= {"linalg_matrix_rank.tol_tensor", "linalg_pinv.rcond_tensor"}
# What says where maxima come from is not read where there are none.
ANY_SHAPE |= {"_embedding_bag_backward", "_embedding_bag_dense_backward"}

# `item`, under which this runs, has PyTorch's text without a name.
NAMELESS = {"_local_scalar_dense"}

# Ops that run another one, under whose name they refuse.
FILLS = {"native_dropout", "rand_like", "randn_like", "randint_like", "normal", "bernoulli_"}


# ---- comparing


def peak(array) -> float:
    return np.abs(array).max(initial=0)


def assert_close(record, got, expected, scale: float) -> None:
    """Within the record's units in the last place: of each element of a pointwise op, else of the
    largest number that went in or came out."""
    assert isinstance(got, flambeau.Tensor) or isinstance(expected, type(got) | np.generic)
    if not isinstance(got, flambeau.Tensor):
        assert got == expected
        return
    expected = np.asarray(expected)
    assert tuple(got.shape) == expected.shape
    epsilon = EPSILON.get(str(got.dtype).split(".")[1])
    with np.errstate(all="ignore"):
        if epsilon is None:
            np.testing.assert_array_equal(as_array(got), expected.astype(as_array(got).dtype))
            return
    got = as_array(got).astype("complex128" if expected.dtype.kind == "c" else "float64")
    with np.errstate(all="ignore"):
        size = np.abs(expected) if record.kind == "pointwise" else max(scale, peak(expected))
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        close = np.abs(got - expected) <= record.tolerance * epsilon * size
    assert (same | close).all(), (got, expected)


# ---- the variants


PYTHON_NAMES = tables.python_names(RECORDS)


def names_of(record) -> list:
    """Where Python finds the functional form (or the only one) of a record."""
    return [n for n in PYTHON_NAMES if record.schema in n.schemas]


def method(name: str, place: int):
    """A method as a function of the op's arguments, of which it belongs to one."""

    def function(*args, **kwargs):
        return getattr(args[place], name)(*args[:place], *args[place + 1 :], **kwargs)

    return function


def functions(record):
    """Every callable with the op's arguments that stands for it."""
    for n in names_of(record):
        if n.where == "function":
            yield n.name, getattr(getattr(_C, n.module) if n.module else flambeau, n.name)
        elif n.is_property:
            yield n.name, operator.attrgetter(n.name)
        elif not n.slot:
            yield n.name, method(n.name, [a.name for a in record.schema.args].index("self"))


def operators(record, name: str):
    """A slot as a function of the op's operands."""
    reflected = name.startswith("__r") and f"__{name[3:]}" in record.slots
    if reflected:
        return lambda self, other: getattr(other, name)(self)
    return lambda self, *others: getattr(self, name)(*others)


@parametrised(RECORDS)
def test_has_samples(record):
    assert record.cases()


# Their functions give back what the ops do not (tests/ops/test_foreach.py).
LISTS = {full_name(r) for r in RECORDS if r.each and r.inplace_only}


@parametrised([r for r in RECORDS if names_of(r) and full_name(r) not in LISTS])
def test_functions_and_methods_are_the_op(record):
    for call in calls(record, limit=2):
        expected = call()
        for _, function in functions(record):
            assert_same(record, call(function), expected)


@parametrised([r for r in RECORDS if r.slots])
def test_operators_are_the_op(record):
    tried = set()
    for call in calls(record, ("float32", "int32", "bool"), limit=2):
        args, kwargs = call.tensors()
        if kwargs or len(args) != sum(a.default is None for a in record.schema.args):
            continue
        expected = call()
        for name in record.slots:
            augmented = name.startswith("__i") and name != "__invert__"
            if not augmented or fits_in_place(record, expected, args[0]):
                tried.add(name)
                assert_same(record, call(operators(record, name)), expected, strides=not augmented)
    assert tried == set(record.slots)


@parametrised([r for r in RECORDS if r.inplace])
def test_in_place_gives_the_same_and_counts(record):
    inplace = overload(record.schema.as_inplace(record.inplace_overload))
    fitted = 0
    for call in calls(record, limit=3):
        expected, (args, kwargs) = call(), call.tensors()
        before = args[0]._version
        if fits_in_place(record, expected, args[0]):
            fitted += 1
            assert inplace(*args, **kwargs) is args[0]
            assert args[0]._version > before
            assert_same(record, args[0], expected.to(args[0].dtype), strides=False)
        else:
            with pytest.raises(RuntimeError, match=f"^{record.name}"):
                inplace(*args, **kwargs)
    assert fitted


@parametrised([r for r in RECORDS if r.inplace_only])
def test_what_is_only_in_place_returns_its_first_argument(record):
    for call in calls(record, limit=2):
        args, kwargs = call.tensors()
        listed = isinstance(args[0], list)  # a step of an optimiser, which returns nothing
        written = args[0] if listed else [args[0]]
        before = [t._version for t in written]
        got = overload(record.schema)(*args, **kwargs)
        assert got is (None if listed else args[0])
        after = [t._version for t in written]
        assert all(map(operator.gt, after, before)) or record.name in KEEPS_VERSION


@parametrised([r for r in RECORDS if r.out])
def test_out_takes_the_result_and_is_resized(record):
    schema = record.schema.as_out(record.out_overload)
    for call in calls(record, limit=2):
        expected = call()
        for shape_of in (lambda t: t.shape, lambda t: (0,)):
            outs = [flambeau.empty(shape_of(t), dtype=t.dtype) for t in leaves(expected)]
            names = [a.name for a in schema.outs]
            args, kwargs = call.tensors()
            kwargs |= dict(zip(names, outs))
            flambeau.manual_seed(0)
            got = overload(schema)(*args, **kwargs)
            assert [a is b for a, b in zip(leaves(got), outs)] == [True] * len(outs)
            assert_same(record, got, expected, strides=False)


def with_gaps(tensor):
    """The same elements, transposed in memory and with gaps between them."""
    strides, step = [], 2
    for size in tensor.shape:
        strides.append(step)
        step *= max(size, 1)
    return flambeau.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)


@parametrised([r for r in RECORDS if full_name(r) not in LAYOUT])
def test_layout_does_not_matter(record):
    """Up to the order in which elements are added."""
    for call in calls(record, limit=2):
        got, expected = leaves(call(change=with_gaps)), leaves(call())
        assert len(got) == len(expected)
        for a, b in zip(got, expected):
            if not isinstance(b, flambeau.Tensor):
                assert a == b
                continue
            assert a.dtype is b.dtype and a.shape == b.shape
            if record.name not in UNINITIALISED:
                flambeau.testing.assert_close(a, b, rtol=2e-6, atol=2e-6, equal_nan=True)


@parametrised([r for r in RECORDS if r.reference])
def test_values_are_the_reference(record):
    for call in calls(record):
        got = call()
        out = leaves(got)[0]
        floating = isinstance(out, flambeau.Tensor) and (
            out.dtype.is_floating_point or out.dtype.is_complex
        )
        args, kwargs = call.arrays(floating)
        with np.errstate(all="ignore"):
            expected = record.reference(*args, **kwargs)
        expected = expected if isinstance(got, (tuple, list)) else [expected]
        assert len(leaves(got)) == len(expected)
        arrays = [a for a in pytree.tree_leaves(args) if isinstance(a, np.ndarray)]
        scale = max((peak(a) for a in arrays if a.dtype.kind in "fc"), default=0)
        for a, b in zip(leaves(got), expected):
            assert_close(record, a, b, scale)


# ---- gradients


def over_tensors(record, call):
    """The op as a function of the tensors among its arguments, and those."""
    flat, spec = pytree.tree_flatten(call.tensors())
    places = [i for i, v in enumerate(flat) if isinstance(v, flambeau.Tensor)]
    hermitian = call.hermitian()

    def function(*tensors):
        given = list(flat)
        for i, t, together in zip(places, tensors, hermitian):
            t = of_layout(t, flat[i].layout, flat[i].sparse_dim())
            given[i] = (t + t.mH) / 2 if together else t
        args, kwargs = pytree.tree_unflatten(given, spec)
        flambeau.manual_seed(0)
        return overload(record.schema)(*args, **kwargs)

    return function, [flat[i].to_dense() for i in places]


def differentiable(record, call):
    """The op as a function of what gradients flow to, and that; None where they flow nowhere."""
    whole, tensors = over_tensors(record, call)
    places = [
        i
        for i, (t, constant) in enumerate(zip(tensors, call.constants()))
        if not constant and (t.is_floating_point() or t.is_complex())
    ]
    inputs = [tensors[i].requires_grad_() for i in places]

    def function(*chosen):
        given = list(tensors)
        for i, t in zip(places, chosen):
            given[i] = t
        if record.inplace_only:
            given[0] = given[0].clone()
        out = leaves(whole(*given))
        wanted = [t for t in out if isinstance(t, flambeau.Tensor) and t.requires_grad]
        return tuple(t.to_dense() for t in wanted)

    return (function, inputs) if inputs and function(*inputs) else None


GRADIENTS = [
    r
    for r in RECORDS
    if (r.gradient is not None or r.kind == "composite") and full_name(r) not in GRADIENT
]


@parametrised(GRADIENTS)
def test_gradients_are_finite_differences(record):
    found = False
    for call in calls(record, ("float64", "complex128")):
        case = differentiable(record, call)
        if case is not None:
            found = True
            assert flambeau.autograd.gradcheck(*case, fast_mode=False)
            if full_name(record) not in SECOND:
                assert flambeau.autograd.gradgradcheck(*case, fast_mode=True)
    assert found or record.gradient is None


# ---- the layers


class Tagged(flambeau.Tensor):
    seen: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen.append(func)
        return super().__torch_function__(func, types, args, kwargs or {})


@parametrised([r for r in RECORDS if names_of(r) and full_name(r) not in NO_VIEW | LISTS])
def test_a_subclass_sees_the_function_and_gets_the_same(record):
    for call in calls(record, limit=1):
        expected = call()
        if not any(isinstance(v, flambeau.Tensor) for v in pytree.tree_leaves(call.tensors())):
            continue
        for name, function in functions(record):
            Tagged.seen.clear()
            got = call(function, change=lambda t: t.as_subclass(Tagged))
            assert Tagged.seen, name
            plain = [
                v.as_subclass(flambeau.Tensor) if isinstance(v, Tagged) else v for v in leaves(got)
            ]
            assert_same(record, plain, expected)


@parametrised(RECORDS)
def test_a_recorded_graph_gives_the_same(record):
    for call in calls(record, limit=1):
        function, tensors = over_tensors(record, call)
        graph = record_graph(function, *(t.clone() for t in tensors))
        flambeau.manual_seed(0)
        assert_same(record, graph(*(t.clone() for t in tensors)), call())
        ops = [str(node.op) for node in graph.nodes]
        assert str(overload(record.schema)) in ops or record.kind == "composite"


# ---- errors


def arguments(record, place: int, change):
    """The first call's, with one changed."""
    args, kwargs = calls(record, limit=1)[0].tensors()
    if place < len(args):
        args[place] = change(args[place])
    else:
        name = record.schema.args[place].name
        kwargs[name] = change(kwargs.get(name))
    return args, kwargs


@parametrised([r for r in RECORDS if any(a.is_tensor for a in r.schema.args)])
def test_what_is_no_tensor_is_refused_by_name(record):
    place = next(i for i, a in enumerate(record.schema.args) if a.is_tensor)
    args, kwargs = arguments(record, place, lambda _: "no tensor")
    with pytest.raises(RuntimeError, match=rf"^aten::{record.name}\(\): argument "):
        overload(record.schema)(*args, **kwargs)


def names_itself(record, text: str) -> bool:
    """Whether an error starts with the op, or the family or part of it that refused."""
    head = re.match(r"([\w./]+)(\(\))?: ", text)
    if head is None or record.kind == "composite" or record.name in FILLS:
        return head is not None
    parts = [p.strip("_") for p in re.split("[./]", head[1])]
    return any(p in record.name or record.name in p for p in parts)


@parametrised([r for r in RECORDS if takes_dtype(r) and dtypes_of(r, frozenset.union) != ALL])
def test_other_dtypes_are_refused_by_name(record):
    refused = set(TESTED) - dtypes_of(record, frozenset.union)
    if any(a.type == "Scalar" for a in record.schema.args):
        refused -= {"bool"}  # a number promotes it
    for dtype in sorted(refused):
        with pytest.raises((RuntimeError, TypeError, ValueError)) as caught:
            Call(record, 0, dtype)()
        assert names_itself(record, str(caught.value)), str(caught.value)


def tensor_places(record) -> list[int]:
    """Where tensors stand among the arguments."""
    return [i for i, a in enumerate(record.schema.args) if a.is_tensor and not a.optional]


@parametrised([r for r in RECORDS if len(tensor_places(r)) > 1 and full_name(r) not in ANY_SHAPE])
def test_shapes_that_do_not_fit_are_refused_by_name(record):
    args, kwargs = calls(record, limit=1)[0].tensors()
    place = tensor_places(record)[-1]
    args[place] = flambeau.zeros(7, 1, 1, 1, 5, dtype=args[place].dtype)
    with pytest.raises((RuntimeError, IndexError, ValueError)) as caught:
        overload(record.schema)(*args, **kwargs)
    assert names_itself(record, str(caught.value)), str(caught.value)


@parametrised([r for r in RECORDS if tensor_places(r)])
def test_an_empty_tensor_in_any_place_is_answered_or_refused_with_an_op(record):
    for place in tensor_places(record):
        args, kwargs = arguments(record, place, lambda t: flambeau.zeros(0, dtype=t.dtype))
        try:
            overload(record.schema)(*args, **kwargs)
        except (RuntimeError, IndexError, ValueError) as error:
            named = re.match(r"[\w./]+(\(\))?: ", str(error))
            assert named or record.name in NAMELESS, error


def test_methods_belong_to_the_tensor_that_is_called_self():
    def made(schema):
        def whiten(ops):
            """Nothing."""

        return composite(schema)(whiten).records[0]

    assert made("whiten(Tensor self, Tensor[] tensors) -> Tensor").method
    assert not made("whiten(Tensor[] tensors, float eps=0.1) -> Tensor[]").method
    assert not made("whiten(Tensor[] tensors, Tensor weight) -> Tensor").method
