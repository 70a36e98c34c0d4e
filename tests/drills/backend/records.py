"""Every record on the device from outside, run by ``tests/ops/test_modes.py``."""

import drills.backend.device  # noqa: F401
import numpy as np
import pytest
from ops import record_calls as records

import flambeau as torch
from flambeau.utils.backend_registration import set_backend_fallback

set_backend_fallback("guarded", "silent")

# Their samples say `device="cpu"`.
MOVES = {"to.device"}


def holds_tensors(call) -> bool:
    return bool(call.constants())


def same(record, there, here, device: str) -> None:
    """Kernels of the device round in their own way."""
    for a, b in zip(records.leaves(here), records.leaves(there), strict=True):
        if not isinstance(a, torch.Tensor):
            assert a == b or a != a
            continue
        assert b.shape == a.shape and b.dtype is a.dtype and b.stride() == a.stride()
        assert records.full_name(record) in MOVES or b.device.type == device
        if record.name not in records.UNINITIALISED:
            there_array, here_array = records.as_array(b.cpu()), records.as_array(a)
            np.testing.assert_allclose(there_array, here_array, rtol=2e-5, atol=1e-6)


def is_sparse(record, form) -> bool:
    tensors = [v for v in records.leaves(form()) if isinstance(v, torch.Tensor)]
    found = any(t.layout is not torch.strided for t in tensors)
    return found or form.call.has_sparse() or ".ops.sparse." in record.function.__module__


@records.parametrised(records.RECORDS)
def test_record(record):
    for form in records.forms(record, limit=2):
        if is_sparse(record, form):  # which tensors of this device are not
            with pytest.raises(NotImplementedError, match="not supported on device 'guarded:0'"):
                form(lambda t: t.to("guarded"))
            continue
        device = "guarded" if holds_tensors(form.call) or form.schema.outs else "cpu"
        same(record, form(lambda t: t.to("guarded")), form(), device)
