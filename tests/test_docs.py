"""Documentation: every op has an example, every example runs, the reference is current."""

import doctest
import importlib.util
import inspect
import pathlib
import re
import subprocess
import sys

import pytest

import flambeau
from flambeau.ops import doc
from flambeau.ops.generator import explain, tables
from flambeau.ops.record import load

ROOT = pathlib.Path(__file__).parent.parent
LESSONS = sorted((ROOT / "docs/lessons").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += LESSONS
RECORDS = [r for r in load() if r.base is None and ">>>" in r.doc]
NAMES = sorted({n.name for n in tables.python_names(load()) if not n.name.startswith("_")})


def run_examples(text: str, name: str, names: dict) -> None:
    runner = doctest.DocTestRunner(verbose=False)
    failures: list[str] = []
    test = doctest.DocTestParser().get_doctest(text, names, name, None, 0)
    runner.run(test, out=failures.append, clear_globs=False)
    names.update(test.globs)  # what a block defines is there in the next one
    assert not failures, "".join(failures)


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.schema.full_name)
def test_examples_of_records_are_true(record):
    run_examples(record.doc, record.schema.full_name, {"flambeau": flambeau})


@pytest.mark.parametrize("name", NAMES)
def test_every_public_op_has_signature_words_and_example(name):
    signature, _, rest = doc(name).partition("\n\n")
    assert re.match(rf"(Tensor\.)?{name}\b", signature), signature
    assert len(rest.partition(">>>")[0]) > 20
    assert ">>> " in rest


def test_functions_and_methods_show_their_record():
    assert flambeau.add.__doc__ == flambeau.Tensor.add.__doc__ == doc("add")
    assert flambeau.add.__doc__.startswith("add(input, other, *, alpha=1, out=None) -> Tensor\n")
    assert flambeau.Tensor.add_.__doc__.startswith("Tensor.add_(other, *, alpha=1) -> Tensor\n")


PUBLIC = {
    "flambeau": flambeau,
    "flambeau.Tensor": flambeau.Tensor,
    "flambeau.nn": flambeau.nn,
    "flambeau.nn.functional": flambeau.nn.functional,
    "flambeau.nn.init": flambeau.nn.init,
    "flambeau.optim": flambeau.optim,
    "flambeau.autograd": flambeau.autograd,
    "flambeau.utils.data": flambeau.utils.data,
}


@pytest.mark.parametrize("space", PUBLIC)
def test_every_public_name_is_explained(space):
    owner = PUBLIC[space]
    names = {n for n in dir(owner) if not n.startswith("_")}
    if owner is not flambeau.Tensor:
        names = {n for n in names if callable(getattr(owner, n))}
    assert not {n for n in names if not (inspect.getdoc(getattr(owner, n)) or "").strip()}


def test_the_reference_is_what_the_records_say():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/reference.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_code_on_the_pages_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.S | re.M):
        if ">>> " in block:
            run_examples(block, page.name, names)
        else:
            exec(compile(block, page.name, "exec"), names)


def test_the_lessons_are_six_short_ones_in_a_row():
    assert [int(page.name.partition("-")[0]) for page in LESSONS] == [1, 2, 3, 4, 5, 6]
    for page, following in zip(LESSONS, LESSONS[1:]):
        assert f"]({following.name})" in page.read_text()
    assert max(len(page.read_text().splitlines()) for page in LESSONS) < 120


def test_pages_count_the_operators():
    counted = explain.table().rpartition("\n")[2].partition(" ops, ")[0]
    found = [re.findall(r"\b(\d+) operators\b", page.read_text()) for page in PAGES]
    assert {n for numbers in found for n in numbers} == {counted}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_that_the_pages_name_exist(page):
    for name in re.findall(
        r"`((?:core|kernels|flambeau|tools|tests|docs|examples)/[^`*<> ]+)`", page.read_text()
    ):
        assert (ROOT / name).exists(), name


@pytest.fixture(scope="module")
def coverage():
    spec = importlib.util.spec_from_file_location("coverage_tool", ROOT / "tools/coverage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_lists_what_raises_not_implemented_error(coverage):
    assert coverage.main() == 0
    assert len(coverage.messages()) > 60


def test_an_error_that_the_page_does_not_list_is_found(coverage):
    cpp = 'check<NotImplementedError>(ok(a, b), op, ": a whole new refusal of ", name);\n'
    python = 'def f():\n    raise NotImplementedError(f"frobnicate: {x} is not there")\n'
    found = [("a.cpp", m) for m in coverage.cpp_messages(cpp)]
    found += [("a.py", m) for m in coverage.python_messages(python)]
    assert [m for _, m in found] == ["…: a whole new refusal of …", "frobnicate: … is not there"]
    page = (ROOT / "docs/coverage.md").read_text()
    assert len(coverage.findings(found, page)) == 2
    page += "`frobnicate` | all; a whole new refusal of"
    assert not coverage.findings(found, page)
