"""Dtypes without loops: each record refuses them by name, or moves them as bytes."""

import pytest

from flambeau.ops.record import ALL, load
from tests.faults.child import run

PROGRAM = """
    import flambeau as torch
    from flambeau.ops.record import load
    from flambeau.ops.samples import DType, Given, Values

    UNUSUAL = getattr(torch, DTYPE)
    REFUSALS = (RuntimeError, TypeError, ValueError, IndexError)  # NotImplementedError is one
    SAYS = ("not implemented for", "elements of", "number cannot", "accumulation", "has no")

    def built(x, dtype):
        if isinstance(x, Values):
            own = x.dtype or dtype
            t = torch.empty(x.shape, dtype=getattr(torch, own))
            return t if own == DTYPE else t.zero_()
        if isinstance(x, Given):
            return torch.tensor(x.data, dtype=getattr(torch, x.dtype))
        if isinstance(x, DType):
            return getattr(torch, dtype if x.name == "same" else "float32")
        if isinstance(x, (list, tuple)):
            return type(x)(built(i, dtype) for i in x)
        return x

    def attempt(schema, case, dtype, more):
        f = getattr(getattr(torch.ops.aten, schema.name), schema.overload or "default")
        kwargs = {k: built(v, dtype) for k, v in case.kwargs.items()}
        try:
            f(*built(list(case.args), dtype), **{**kwargs, **more})
        except NotImplementedError as e:
            assert any(words in str(e) for words in SAYS), (schema.full_name, str(e))
        except REFUSALS:
            pass

    for record in load():
        if KIND not in (record.kind, "rest" if record.kind in ("view", "composite") else ""):
            continue
        for case in record.cases():
            for schema in record.schemas():
                outs = {a.name: torch.empty(0, dtype=UNUSUAL) for a in schema.outs}
                attempt(schema, case, DTYPE, outs)
                attempt(schema, case, "float32", outs)
                for a in schema.args:
                    if a.type == "ScalarType" and not outs:
                        attempt(schema, case, "float32", {a.name: UNUSUAL})
    print("done")
"""

WITHOUT_LOOPS = (
    "complex32 qint8 quint8 qint32 quint4x2 quint2x4 bits1x8 bits2x4 bits4x2 bits8 bits16 "
    "float8_e5m2 float8_e4m3fn float8_e5m2fnuz float8_e4m3fnuz"
).split()


@pytest.mark.parametrize("kind", ["pointwise", "structured", "native", "rest"])
@pytest.mark.parametrize("dtype", WITHOUT_LOOPS)
def test_every_record_survives_a_dtype_without_loops(dtype, kind):
    program = PROGRAM.replace("DTYPE", repr(dtype)).replace("KIND", repr(kind))
    assert run(program, seconds=300) == "done"


def built(x, dtype):
    """A sample's argument, with 1 for every value."""
    import flambeau as torch
    from flambeau.ops.samples import DType, Given, Values

    if isinstance(x, Values):
        return torch.ones(x.shape, dtype=getattr(torch, x.dtype or dtype))
    if isinstance(x, Given):
        return torch.tensor(x.data, dtype=getattr(torch, x.dtype))
    if isinstance(x, DType):
        return getattr(torch, dtype if x.name == "same" else "float32")
    if isinstance(x, dict):
        return {k: built(v, dtype) for k, v in x.items()}
    return type(x)(built(i, dtype) for i in x) if isinstance(x, (list, tuple)) else x


def test_the_list_is_what_records_leave_out():
    import flambeau as torch

    named = {str(v)[6:] for v in vars(torch).values() if isinstance(v, torch.dtype)}
    assert named - ALL == set(WITHOUT_LOOPS)
    assert all(r.kind in ("structured", "native", "view") for r in load() if r.opaque)
