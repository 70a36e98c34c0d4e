"""Compiles the leaves for each instruction set and measures them against mpmath."""

import ctypes
import fcntl
import hashlib
import math
import os
import platform
import shutil
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import mpmath
import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PARTS = (1, 2, 3)
X86 = platform.machine() in ("x86_64", "AMD64")
ISA_FLAGS = (
    {
        "baseline": ["-march=x86-64-v2"],
        "avx2": ["-march=x86-64-v3"],
        "avx512": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    }
    if X86
    else {"portable": []}
)
FLAGS = (
    "-std=c++20 -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -fwrapv "
    "-fPIC -shared -Wall -Wextra -Werror"
).split()


def compiler():
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name.split()[0]):
            return name.split()
    raise RuntimeError("leaves: no C++ compiler found; install g++ or set CXX")


@dataclass
class Library:
    """The leaves of one instruction set; `loops` counts vector loops by line, if GCC told."""

    isa: str
    handles: list
    loops: Counter | None

    def symbol(self, name):
        for handle in self.handles:
            if hasattr(handle, name):
                return getattr(handle, name)
        raise AttributeError(f"leaves.cpp defines no {name}")

    def call(self, name, *arrays, out):
        """Runs a loop over equally long arrays; the result has dtype `out`."""
        arrays = [np.ascontiguousarray(a) for a in arrays]
        y = np.empty(len(arrays[0]), out)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*arrays, y)]
        self.symbol(name)(*pointers, ctypes.c_int64(len(y)))
        return y


def build(isa, folder):
    """Compiles leaves.cpp, or finds it compiled by an earlier run with the same text and flags."""
    folder = Path(folder)
    command = [*compiler(), *FLAGS, *ISA_FLAGS[isa], f"-I{ROOT}"]
    text = subprocess.run([*compiler(), "--version"], capture_output=True, check=True).stdout
    is_gcc = b"Free Software Foundation" in text
    for path in [HERE / "leaves.cpp", *sorted((ROOT / "kernels" / "math").glob("*.h"))]:
        text += path.read_bytes()
    key = hashlib.sha256(text + " ".join(command).encode()).hexdigest()[:16]

    def part(number):
        library = folder / f"leaves-{isa}-{number}-{key}.so"
        report = library.with_suffix(".txt")
        if not library.exists():
            for old in folder.glob(f"leaves-{isa}-{number}-*"):
                old.unlink()
            partial = library.with_suffix(".partial")
            options = [f"-DPART={number}", "-o", partial]
            options += [f"-fopt-info-vec-optimized={report}"] if is_gcc else []
            source = HERE / "leaves.cpp"
            done = subprocess.run([*command, *options, source], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"leaves: {isa} does not compile\n{done.stderr[:4000]}")
            partial.rename(library)
        return library, report.read_text() if is_gcc else ""

    with open(folder / "lock", "w") as lock, ThreadPoolExecutor(2) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test processes share one build
        built = list(pool.map(part, PARTS))
    lines = (line for _, report in built for line in report.splitlines())
    vector = (line for line in lines if "leaves.cpp:" in line and "loop vectorized" in line)
    loops = Counter(int(line.split(":")[1]) for line in vector) if is_gcc else None
    return Library(isa, [ctypes.CDLL(str(library)) for library, _ in built], loops)


def defined_symbols(library):
    """What a library exports, C++ names among it if the headers define any."""
    names = set()
    for handle in library.handles:
        command = ["nm", "--dynamic", "--defined-only", "--format=posix", handle._name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        names |= {line.split()[0] for line in done.stdout.splitlines()}
    return names


NVRTC_PRELUDE = """
#define __CUDACC_RTC__
#define __device__
#define __forceinline__ inline
#define __noinline__
#define DECLARE(name) extern "C" double name(double); extern "C" float name##f(float);
DECLARE(fabs) DECLARE(sqrt) DECLARE(floor) DECLARE(ceil) DECLARE(trunc) DECLARE(rint)
#undef DECLARE
extern "C" double copysign(double, double), fmod(double, double), fma(double, double, double);
extern "C" float copysignf(float, float), fmodf(float, float), fmaf(float, float, float);
#include "kernels/math/leaves.h"
"""


def compiles_as_device_code():
    """Whether the leaves need nothing but what NVRTC offers: no header, a few named functions."""
    options = "-std=c++20 -fsyntax-only -nostdinc -nostdinc++ -fno-builtin -x c++ -".split()
    command = [*compiler(), *options, f"-I{ROOT}"]
    return subprocess.run(command, input=NVRTC_PRELUDE, capture_output=True, text=True)


def build_supported(folder):
    """The libraries of every instruction set that this processor has."""
    first, *others = ISA_FLAGS
    libraries = {first: build(first, folder)}
    for isa in others:
        if libraries[first].symbol(f"cpu_supports_{isa}")():
            libraries[isa] = build(isa, folder)
    return libraries


# ---------------------------------------------------------------------------- arguments


def spread(dtype, low, high, count, seed):
    """Finite arguments: any bits, the interval that matters, all magnitudes, and the edges."""
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    bits = rng.integers(0, 2 ** (8 * np.dtype(dtype).itemsize), count, np.uint64, False)
    anything = bits.astype(f"u{np.dtype(dtype).itemsize}").view(dtype)
    interval = (low + (high - low) * rng.random(count)).astype(dtype)
    magnitudes = (rng.choice([-1, 1], count) * 2.0 ** rng.uniform(-40, 20, count)).astype(dtype)
    edges = np.array(
        [1, 0.5, 2, 3, 1e5, 1e22, info.max, info.tiny, info.smallest_subnormal, info.eps], dtype
    )
    x = np.concatenate([edges, -edges, anything, interval, magnitudes])
    return x[np.isfinite(x) & (x != 0)]


# --------------------------------------------------------------------------- references


@dataclass
class Reference:
    """Exact values as doubles and what these miss, in ulp of the double; NaN where undefined."""

    value: np.ndarray
    rest: np.ndarray


def reference(function, *arrays):
    values, rests = [], []
    with mpmath.workdps(40):
        for row in zip(*(a.tolist() for a in arrays), strict=True):
            try:
                exact = function(*map(mpmath.mpf, row))
            except (ValueError, ZeroDivisionError):
                exact = mpmath.nan
            if not isinstance(exact, mpmath.mpf) or mpmath.isnan(exact):
                values.append(np.nan), rests.append(0.0)
                continue
            nearest = float(exact)
            values.append(nearest)
            ulp = mpmath.mpf(math.ulp(nearest)) if math.isfinite(nearest) else 1
            rests.append(float((exact - nearest) / ulp) if math.isfinite(nearest) else 0.0)
    return Reference(np.array(values), np.array(rests))


def ulp_errors(y, ref):
    """|y - ref| in ulp of y's dtype at ref; infinite where one is NaN and the other is not."""
    info = np.finfo(y.dtype)
    value = ref.value
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.frexp(np.abs(value))[1] - 1, info.minexp)
        exponent = np.where(np.abs(value) > info.max, info.maxexp - 1, exponent)
        ulp = np.ldexp(1.0, exponent - info.nmant)
        beyond = np.ldexp(1.0, info.maxexp - 1) * 2  # stands for infinity; itself inf in float64
        wide = np.where(np.isinf(y), np.copysign(beyond, y), y.astype(np.float64))
        clipped = np.clip(value, -beyond, beyond)
        error = np.abs((wide - clipped) / ulp)
        if y.dtype == np.float64:
            error = np.abs((wide - clipped) / ulp - ref.rest)
        error = np.where(wide == clipped, np.abs(ref.rest) * (y.dtype == np.float64), error)
    both = np.isnan(y) & np.isnan(value)
    return np.where(both, 0.0, np.where(np.isnan(error), np.inf, error))


def same_bits(a, b):
    """Equal bits, but any NaN equals any other."""
    if a.dtype.kind == "c":
        part = a.real.dtype
        return same_bits(a.view(part), b.view(part)).reshape(-1, 2).all(axis=1)
    unsigned = f"u{a.dtype.itemsize}"
    equal = a.view(unsigned) == b.view(unsigned)
    return equal | (np.isnan(a) & np.isnan(b)) if a.dtype.kind == "f" else equal
