"""A device from outside: a library that knows the public headers alone brings memory and kernels.

Its memory is pages that the host must not touch, so a kernel or a copy that goes around the
backend ends the process. The checks stand in ``backend/checks.py``, those of
layouts that the same library brings in ``backend/layouts.py``.
"""

import ast

import pytest
from drills import outside

pytestmark = outside.marks


def check_names() -> list[tuple[str, str]]:
    found = []
    for file in ("checks.py", "layouts.py"):
        body = ast.parse((outside.FOLDER / file).read_text()).body
        found += [(file, n.name) for n in body if isinstance(n, ast.FunctionDef)]
    return [(file, name) for file, name in found if name.startswith("test_")]


@pytest.mark.parametrize("file, name", check_names())
def test_outside_backend(file, name):
    found = outside.failures(file)
    mine = {case: text for case, text in found.items() if case.partition("[")[0] == name}
    assert mine, "did not run"
    assert not any(mine.values()), [f"{case}: {text}" for case, text in mine.items() if text][:3]
