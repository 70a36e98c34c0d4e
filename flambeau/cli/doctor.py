"""Show what flambeau found on this machine, and try that it computes and differentiates.

The exit code is 0 where every fact could be found and the trial gave the right numbers.
"""

import argparse
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import flambeau
from flambeau.cli.inspect import human_size

# What a processor must offer for each instruction set, in the words of Linux.
INSTRUCTION_SETS = {
    "baseline": {"sse4_2", "ssse3", "popcnt", "cx16"},
    "avx2": {"avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "abm"},
    "avx512": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}
EXTRAS = ("avx512_bf16", "avx512_vnni")

OPTIONAL_PACKAGES = {
    "numpy": "arrays in and out",
    "safetensors": "safetensors files",
    "scikit-learn": "flambeau demo",
    "matplotlib": "flambeau demo",
    "tqdm": "flambeau demo",
    "tensorboard": "event files of utils.tensorboard",
}

Fact = tuple[str, Callable[[], Any]]


def facts() -> dict[str, list[Fact]]:
    """What is shown: names, and functions that find out the rest."""
    return {
        "flambeau": [
            ("version", lambda: flambeau.__version__),
            ("folder", lambda: Path(str(flambeau.__file__)).parent),
            ("build", lambda: " ".join(flambeau.__config__.show().split())),
        ],
        "Python": [
            ("version", lambda: f"{platform.python_implementation()} {platform.python_version()}"),
            ("executable", lambda: sys.executable),
            ("system", platform.platform),
        ],
        "processor": [
            ("name", processor_name),
            ("instruction sets", lambda: ", ".join(available_sets())),
            ("in use", lambda: flambeau.backends.cpu.get_cpu_capability()),
            ("cores for this process", usable_cores),
            ("threads", lambda: flambeau.get_num_threads()),
        ],
        "memory": [
            ("of tensors", lambda: memory("allocated_bytes")),
            ("most so far", lambda: memory("peak_allocated_bytes")),
            ("kept for reuse", lambda: memory("cached_bytes")),
        ],
        "optional packages": [
            (name, partial(package, name, use)) for name, use in OPTIONAL_PACKAGES.items()
        ],
        "trial": [
            ("gradient of a matrix product", trial),
            ("linear algebra, by", linear_algebra),
        ],
    }


def linear_algebra() -> str:
    """The library that LAPACK is taken from, or what says that there is none."""
    flambeau.linalg.inv(flambeau.eye(1))
    return flambeau._C._lapack_path()


def cpu_info() -> dict[str, str]:
    """What Linux says of the first core; nothing elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def processor_name() -> str:
    return cpu_info().get("model name") or platform.processor() or platform.machine()


def available_sets() -> list[str]:
    """The instruction sets that kernels exist for and this processor has, each with those below."""
    flags = set(cpu_info().get("flags", "").split())
    available = []
    for name, needed in INSTRUCTION_SETS.items():
        if not needed <= flags:
            break
        available.append(name)
    return available + [name for name in EXTRAS if name in flags] or ["baseline"]


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory(statistic: str) -> str:
    return human_size(flambeau.cpu.memory_stats()[statistic])


def package(name: str, use: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"not found (for {use})"


def trial() -> str:
    """For a square matrix of ones, each element of the gradient is twice the number of rows."""
    size = 96
    ones = flambeau.ones(size, size, requires_grad=True)
    (ones @ ones).sum().backward()
    if not (ones.grad == 2 * size).all():
        raise ArithmeticError(f"expected {2 * size} everywhere, but got {ones.grad}")
    return "right"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="flambeau doctor", description=__doc__)
    parser.parse_args(arguments)
    all_found = True
    for section, rows in facts().items():
        print(section)
        for name, find in rows:
            try:
                value = find()
            except Exception as error:
                # The doctor is called when something is broken: show the rest all the same.
                value, all_found = f"FAILED: {type(error).__name__}: {error}", False
            print(f"  {name:<28}  {value}")
    return 0 if all_found else 1
