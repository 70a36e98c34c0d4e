"""A 0-dim tensor has dimension 0 and -1, as if it were one element long."""

import pytest

import flambeau
from flambeau.ops.record import load

FAMILIES = ("reduce", "scan", "norm", "order")
HAS_ROWS = {"unique_dim", "unique_consecutive"}  # of which one has to be there


def along(record):
    """The name of the argument that says the dimension, where all others have defaults or none."""
    args = record.schema.args
    first, *rest = [a for a in args if not a.out]
    named = [a.name for a in rest if a.name in ("dim", "dims")]
    needed = [a.name for a in rest if a.default is None and a.name not in named]
    plain = first.name == "self" and not needed and record.kind != "pointwise"
    return named[0] if named and plain else None


RECORDS = {
    r.schema.full_name: (r, along(r))
    for r in load()
    if r.function.__module__.split(".")[2] in FAMILIES and along(r) and r.name not in HAS_ROWS
}


def flat(result):
    return result if isinstance(result, (tuple, list)) else [result]


@pytest.mark.parametrize("dim", [0, -1])
@pytest.mark.parametrize("name", RECORDS)
def test_a_dimension_of_a_0_dim_tensor(name, dim):
    record, argument = RECORDS[name]
    base, _, overload = name.partition(".")
    op = getattr(getattr(flambeau.ops.aten, base), overload or "default")
    is_list = next(a for a in record.schema.args if a.name == argument).list
    given = {argument: [dim] if is_list else dim}
    for keepdim in (False, True) if any(a.name == "keepdim" for a in record.schema.args) else (0,):
        options = {**given, "keepdim": True} if keepdim else given
        got = flat(op(flambeau.tensor(2.5), **options))
        want = flat(op(flambeau.tensor([2.5]), **options))
        for g, w in zip(got, want, strict=True):
            assert g.shape == () and g.dtype == w.dtype
            flambeau.testing.assert_close(g, w.reshape(()), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", RECORDS)
def test_it_has_no_other(name):
    record, argument = RECORDS[name]
    base, _, overload = name.partition(".")
    op = getattr(getattr(flambeau.ops.aten, base), overload or "default")
    is_list = next(a for a in record.schema.args if a.name == argument).list
    with pytest.raises(IndexError, match="[Dd]imension out of range"):
        op(flambeau.tensor(2.5), **{argument: [1] if is_list else 1})
