"""Every body and gradient both ways: as printed C++, and as it stands in Python."""

import re

import pytest
from drills import trials
from ops.record_calls import is_sparse

import flambeau
from flambeau import _C
from flambeau.ops.record import load

BODIES = [r for r in load() if r.has_body and not is_sparse(r)]
RANDOM = {r.schema.full_name for r in BODIES if "random" in r.tags}


def name_of(record):
    return record.schema.full_name


def plain(made):
    """Results as text that compares: geometry and elements."""
    if isinstance(made, flambeau.Tensor):
        values = [] if made.is_meta else made.detach().cpu().tolist()
        return (tuple(made.shape), str(made.dtype), str(made.device), str(values))
    if isinstance(made, (list, tuple)):
        return [plain(m) for m in made]
    return made


def both(record, found, copy):
    """What both give, each on tensors of its own: a body may write."""
    op = _C._find_op(f"aten::{record.schema.full_name}")

    def outcome(run):
        flambeau.manual_seed(0)
        mine = copy()
        made = trials.outcome(lambda: run(mine))
        if isinstance(made, tuple) and made and isinstance(made[0], type):
            # Python calls each op, and so tells which; C++ tells the whole.
            return made[0], re.sub(r"^\w+: (?=a tensor was asked)", "", made[1])
        if record.inplace_only:
            made = [mine[a.name] for a in record.schema.args if a.mutated]
        return plain(made)

    return outcome(lambda mine: op(**mine)), outcome(
        lambda mine: trials.body_in_python(record, mine)
    )


@pytest.mark.parametrize("record", BODIES, ids=name_of)
def test_a_body_gives_the_same_in_python_and_in_cxx(record):
    for sample in record.cases():
        cxx, python = both(record, None, lambda sample=sample: trials.arguments(record, sample))
        assert cxx == python, f"{name_of(record)}: {sample}"


@pytest.mark.parametrize("record", BODIES, ids=name_of)
def test_a_body_refuses_the_same_in_python_and_in_cxx(record):
    """On sizes at the edges, of tensors without memory."""
    for sample in record.cases():
        found = trials.arguments(record, sample, "meta")
        if "device" in found:
            found["device"] = flambeau.device("meta")
        for call in trials.edge_trials(record, found):
            cxx, python = both(record, call, lambda call=call: dict(call))
            assert cxx == python, f"{name_of(record)}: {call}"
