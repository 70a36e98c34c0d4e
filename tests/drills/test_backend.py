"""A device from outside: a library that knows the public headers alone brings memory and kernels.

Its memory is pages that the host must not touch, so a kernel or a copy that goes around the
backend ends the process. The checks stand in ``backend/checks.py``.
"""

import ast

import pytest
from drills import outside

pytestmark = outside.marks


def check_names() -> list[str]:
    tree = ast.parse((outside.FOLDER / "checks.py").read_text())
    return [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name[:5] == "test_"]


@pytest.mark.parametrize("name", check_names())
def test_outside_backend(name):
    found = outside.failures("checks.py")
    mine = {case: text for case, text in found.items() if case.partition("[")[0] == name}
    assert mine, "did not run"
    assert not any(mine.values()), [f"{case}: {text}" for case, text in mine.items() if text][:3]
