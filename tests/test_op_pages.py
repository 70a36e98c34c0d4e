"""The pages that add an op of each kind are true: their records build, and work in every way."""

import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest
from test_drills import Drill

ROOT = pathlib.Path(__file__).parent.parent
PAGES = sorted(p for p in (ROOT / "docs/ops").glob("*.md") if p.stem != "README")
KINDS = [p.stem for p in PAGES]

# One build serves all checks, so they stay on one worker.
pytestmark = pytest.mark.xdist_group("op_pages")


class Page:
    def __init__(self, path: pathlib.Path):
        self.text = path.read_text()
        (self.record,) = re.findall(r"^```python record\n(.*?)^```", self.text, re.S | re.M)
        (self.example,) = re.findall(r"^```python\n(.*?)^```", self.text, re.S | re.M)
        self.schema, self.name = re.search(
            r"^@\w+\(\s*\"((\w+)\(.*?\) -> [^\"]*)",
            self.record.replace('"\n    "', ""),
            re.S | re.M,
        ).groups()


@pytest.fixture(scope="module")
def pages():
    return {path.stem: Page(path) for path in PAGES}


@pytest.fixture(scope="module")
def folder(pages, tmp_path_factory):
    """A package that has the ops of all pages."""
    records = tmp_path_factory.mktemp("records")
    for kind, page in pages.items():
        (records / f"page_{kind}.py").write_text(page.record)
    return Drill(tmp_path_factory.mktemp("pages"), sorted(records.iterdir())).folder


def python(folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT / "tests", env=environment, capture_output=True, text=True
    )


def program(folder: pathlib.Path, text: str) -> str:
    done = python(folder, "-c", textwrap.dedent(text))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def record_tests(folder, pages):
    """Name of an op -> outcomes of its tests in the files that try all records."""
    chosen = " or ".join(page.name for page in pages.values())
    tests = [ROOT / "tests/ops" / f"test_{name}.py" for name in ("records", "modes")]
    # An outside backend is a build of its own.
    tests += ["--deselect", "tests/ops/test_modes.py::TestBackend"]
    done = python(folder, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *tests, "-k", chosen)
    found: dict[str, dict[str, str]] = {page.name: {} for page in pages.values()}
    for outcome, test in re.findall(r"^(PASSED|FAILED|ERROR) \S+::(\S+)", done.stdout, re.M):
        for name, outcomes in found.items():
            if re.search(rf"[\[-]{name}\b", test):
                outcomes[test] = outcome
    return found, done.stdout


def test_records_of_pages_lack_no_slot(folder, pages):
    names = {page.name for page in pages.values()}
    found = program(
        folder,
        f"""
        from flambeau.ops.record import load
        from flambeau.ops.slots import SLOTS, missing
        records = [r for r in load() if r.name in {names!r}]
        assert len(records) == {len(names)}
        print([(r.name, s) for r in records for s in SLOTS if missing(s, r)])
        """,
    )
    assert found == "[]\n"


def test_there_is_a_page_for_each_kind():
    assert set(KINDS) == set("pointwise structured native view composite random inplace".split())
    listed = re.findall(r"\((\w+)\.md\)", (ROOT / "docs/ops/README.md").read_text())
    assert sorted(listed) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_record_is_tried_like_all_others(record_tests, pages, kind):
    outcomes, output = record_tests
    mine = outcomes[pages[kind].name]
    assert len(mine) >= 3 and any(t.startswith("test_dispatch[") for t in mine), output[-3000:]
    assert set(mine.values()) == {"PASSED"}, output[-6000:]


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_on_the_page_is_true(folder, pages, kind):
    code = f"""
        import doctest, json, sys
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
        test = doctest.DocTestParser().get_doctest({pages[kind].example!r}, {{}}, "page", None, 0)
        assert len(test.examples) >= 4
        failures = []
        runner.run(test, out=failures.append)
        assert not failures, "".join(failures)
    """
    program(folder, code)


@pytest.mark.parametrize("kind", KINDS)
def test_the_docstring_is_derived_and_its_example_true(folder, pages, kind):
    name = pages[kind].name
    text = program(folder, f"from flambeau.ops import doc; print(doc({name!r}))")
    assert re.match(rf"(Tensor\.)?{name}\(", text)
    code = f"""
        import doctest, flambeau
        runner = doctest.DocTestRunner(verbose=False)
        names = {{"flambeau": flambeau}}
        test = doctest.DocTestParser().get_doctest({text!r}, names, "doc", None, 0)
        assert test.examples
        failures = []
        runner.run(test, out=failures.append)
        assert not failures, "".join(failures)
    """
    program(folder, code)


@pytest.mark.parametrize("kind", KINDS)
def test_the_op_is_in_the_table_with_its_schema(folder, pages, kind):
    page = pages[kind]
    code = f"import flambeau; print(flambeau.ops.aten.{page.name}.default._schema)"
    schema = re.sub(r"\.0\b", ".", page.schema)  # numbers stand there as in C++
    assert re.sub(r"\W", "", schema) in re.sub(r"\W", "", program(folder, code))


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_shows_what_follows(folder, pages, kind):
    done = python(folder, "-m", "flambeau.ops", "show", pages[kind].name)
    assert done.returncode == 0, done.stderr
    of_a_kind = {"random": "composite", "inplace": "native"}.get(kind, kind)
    assert f"==== {pages[kind].name} ({of_a_kind})" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_stub_is_derived(folder, pages, kind):
    code = """
        import re
        from flambeau.ops.generator.stubs import Stubs
        from flambeau.ops.record import load
        made = Stubs(load(), "", set())
        print(made.functions(), made.methods())
    """
    assert f"def {pages[kind].name}(" in program(folder, code)


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_the_page_names_exist(pages, kind):
    page = pages[kind]
    own = re.search(r"This is the whole file, `([^`]+)`", page.text)[1]
    assert (ROOT / own).parent.is_dir() and not (ROOT / own).exists()
    named = re.findall(r"`((?:core|kernels|flambeau|tools|tests|docs)/[^`*<> ]+)`", page.text)
    assert not [n for n in named if n != own and not (ROOT / n).exists()]
