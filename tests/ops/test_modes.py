"""Every record in every mode in which an op may run: the same as when it runs by itself.

All forms of a record are tried, on its own samples. A mode that an op cannot have stands in a list
below, with the reason, or follows from what the record says.
"""

import pytest
from drills import outside, trials
from ops.record_calls import (
    DYNAMIC,
    RECORDS,
    assert_same,
    forms,
    full_name,
    geometry,
    leaves,
    overload,
    parametrised,
)

import flambeau
from flambeau import _C
from flambeau.ops.bind import bound
from flambeau.ops.derived import rule_of
from flambeau.utils._python_dispatch import TorchDispatchMode

# Their samples read elements, or move tensors, so that meta tensors are refused.
READS_META = {"allclose", "ctc_loss.Tensor", "nonzero_numpy", "one_hot", "where"}
READS_META |= {"to.device", "to_dense"}
READS_META |= {full_name(r) for r in RECORDS if r.schema.overload == "tensor_lr"}
# Numbers for the items of a list, packed in a tensor.
READS_META |= {full_name(r) for r in RECORDS if r.each and "Tensor scalars" in r.schema.text()}


@parametrised(RECORDS)
def test_eager(record):
    """All arguments by name, what the schema has as a default included."""
    for form in forms(record, limit=2):
        args, kwargs = form.arguments()
        flambeau.manual_seed(0)
        got = overload(form.schema)(**bound(form.schema, tuple(args), kwargs))
        assert_same(record, got, form())


def on_meta(form):
    args, kwargs = form.arguments(lambda t: t.to("meta"))
    placed = any(a.name == "device" for a in form.schema.args)
    if placed and not any(isinstance(a, flambeau.Tensor) for a in args):
        kwargs["device"] = "meta"
    return overload(form.schema)(*args, **kwargs)


@parametrised([r for r in RECORDS if r not in DYNAMIC and full_name(r) not in READS_META])
def test_meta(record):
    for form in forms(record, limit=2):
        got = on_meta(form)
        assert all(t.device.type == "meta" for t in leaves(got))
        assert geometry(got) == geometry(form())


@parametrised([r for r in RECORDS if r in DYNAMIC or full_name(r) in READS_META])
def test_meta_refuses_what_depends_on_data(record):
    refused = 0
    for form in forms(record, limit=1):
        try:
            got = on_meta(form)
        except (NotImplementedError, RuntimeError) as error:
            assert "meta" in str(error)
            refused += 1
        else:
            assert geometry(got) == geometry(form())
    assert refused


@pytest.fixture
def deferral():
    _C._run_notes()
    before = _C._set_deferral(False)
    yield
    _C._run_notes()
    _C._set_deferral(before)


@parametrised(RECORDS)
def test_deferred(record, deferral):
    for form in forms(record, limit=2):
        want = form()
        _C._set_deferral(True)
        got = form()
        _C._set_deferral(False)
        assert_same(record, got, want)


class Log(TorchDispatchMode):
    def __init__(self):
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(func)
        return func(*args, **(kwargs or {}))


@parametrised(RECORDS)
def test_dispatch(record):
    for form in forms(record, limit=1):
        args, kwargs = form.arguments()
        flambeau.manual_seed(0)
        with Log() as log:
            got = overload(form.schema)(*args, **kwargs)
        assert_same(record, got, form())
        assert (overload(form.schema) in log.seen) != (record.kind == "composite")


class TestBackend:
    pytestmark = outside.marks

    @parametrised(RECORDS)
    def test_backend(self, record):
        found = outside.failures("records.py").get(f"test_record[{full_name(record)}]")
        assert found == "", found or "did not run"


def described(t) -> tuple:
    return tuple(t.shape), t.dtype, t.stride(), t.storage_offset(), t.device


@parametrised([r for r in RECORDS if rule_of(r) is not None])
def test_rule(record):
    """As it stands, on integers that know nothing of memory."""
    for sample in record.cases():
        found = trials.arguments(record, sample)
        specs = trials.rule_in_python(record, found)
        made = leaves(overload(record.schema)(**found))
        if record.inplace_only:
            assert specs == []
            continue
        for t, spec in zip(made, specs, strict=True):
            given = zip(spec, described(t), strict=True)
            assert all(said is None or said == is_ for said, is_ in given), (found, spec)


@parametrised([r for r in RECORDS if r.has_body])
def test_rule_of_a_body(record):
    """What is the sum of its parts has a body in place of a rule."""
    for sample in record.cases():
        flambeau.manual_seed(0)
        want = overload(record.schema)(**trials.arguments(record, sample))
        flambeau.manual_seed(0)
        found = trials.arguments(record, sample)
        got = trials.body_in_python(record, found)
        if record.inplace_only:
            got = want if want is None else found[record.schema.args[0].name]
        assert_same(record, got, want)
