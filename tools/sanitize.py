"""Builds with sanitizers and runs the tests under them: ``python tools/sanitize.py [NAME...]``.

``address``: AddressSanitizer and UndefinedBehaviorSanitizer over the C++ tests and the whole suite,
with the allocator's cache and all freelists bypassed. ``thread``: ThreadSanitizer over the C++
tests. Each builds in ``build/NAME``; the first build takes minutes. ``fuzz``, followed by options
of ``python -m tests.fuzz``, runs hostile calls on the libraries of ``address``.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLAGS = {"address": "address,undefined", "thread": "thread"}
OPTIONS = {
    # Python frees little at its end. Requests that are too large are the suite's own.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:die_after_fork=0:second_deadlock_stack=1",
}
# These compile code of their own, read the objects of build/dev, or count instructions.
FILES = ("kernels", "test_cpp.py", "test_isa.py", "test_call_cost.py")
# The first holds a program to its time. The others start tools, whose modules PYTHONSAFEPATH hides.
TESTS = (
    "test_cli.py::test_quick_demo",
    "test_docs.py::test_the_reference_is_what_the_records_say",
    "test_ops_command.py::test_it_works_without_a_built_core",
    "test_structure.py::test_the_code_has_the_shape_that_it_should",
    "test_stubs.py::test_they_are_what_the_tool_writes",
)
NOT_SANITIZED = [
    *(f"--ignore=tests/{path}" for path in FILES),
    *(f"--deselect=tests/{path}" for path in TESTS),
]


def run(*command, **environment) -> None:
    print("+", *command, flush=True)
    subprocess.run(
        [str(c) for c in command], check=True, cwd=ROOT, env={**os.environ, **environment}
    )


def build(name: str) -> pathlib.Path:
    """Builds libraries and C++ tests; gives the folder with a package that holds the libraries."""
    folder = ROOT / "build" / name
    run(
        "cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", f"-DFLAMBEAU_SANITIZE={FLAGS[name]}",
        f"-DPython_EXECUTABLE={sys.executable}", "-DCMAKE_BUILD_TYPE=None",
    )  # fmt: skip
    run("cmake", "--build", folder, "--target", "all", "cpp_tests")
    site = folder / "site"
    shutil.rmtree(site, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "include", "share")
    shutil.copytree(ROOT / "flambeau", site / "flambeau", ignore=ignored)
    run("cmake", "--install", folder, "--prefix", site)
    return site


def environment(site: pathlib.Path) -> dict[str, str]:
    # Python itself is not instrumented: the run time library, and the one whose exceptions it is to
    # intercept, must be there before it starts.
    libraries = (
        subprocess.run(
            ["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libstdc++.so")
    )
    return {
        **OPTIONS,
        "LD_PRELOAD": " ".join(libraries),
        "PYTHONPATH": f"{site}{os.pathsep}{ROOT}",
        "PYTHONSAFEPATH": "1",
        "PYTHONMALLOC": "malloc",
    }


def run_suite(site: pathlib.Path) -> None:
    run(pathlib.Path(sys.executable).with_name("pytest"), *NOT_SANITIZED, **environment(site))


def run_fuzz(site: pathlib.Path, options: list[str]) -> None:
    # Shadow memory is address space, which a limit on that would count.
    limited = environment(site)
    limited["ASAN_OPTIONS"] += ":max_allocation_size_mb=512"
    run(sys.executable, "-m", "tests.fuzz", "--memory", "0", *options, **limited)


def main(names: list[str]) -> None:
    if names[:1] == ["fuzz"]:
        run_fuzz(build("address"), names[1:])
        return
    for name in names or FLAGS:
        site = build(name)
        run("ctest", "--test-dir", ROOT / "build" / name, "--output-on-failure", **OPTIONS)
        if name == "address":
            run_suite(site)


if __name__ == "__main__":
    import usage

    if sys.argv[1:2] != ["fuzz"]:
        usage.read(__doc__, names=(0, len(FLAGS)))
    main(sys.argv[1:])
