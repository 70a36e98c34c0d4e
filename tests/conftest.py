"""Marks the tests that are known to fail, so that everything else must pass.

``known_failures.txt`` holds one test id a line. It may only shrink: each line is a difference from
PyTorch, or a fault, that is still to be mended.
"""

import pathlib

import pytest

KNOWN = pathlib.Path(__file__).with_name("known_failures.txt")


def pytest_collection_modifyitems(config, items):
    known = {line.strip() for line in KNOWN.read_text().splitlines() if line.strip()}
    root = KNOWN.parent.parent
    for item in items:
        name = item.nodeid.split("::", 1)[-1]
        path = pathlib.Path(item.path).relative_to(root)
        if f"{path}::{name}" in known:
            item.add_marker(pytest.mark.xfail(reason="known failure", run=True, strict=False))
