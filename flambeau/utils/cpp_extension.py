"""Extensions in C++: compiled against flambeau's headers when a program asks for them, or by setup.

``<torch/extension.h>`` has the names that extensions written for PyTorch use, so most of them
compile as they are; ``docs/extending.md`` tells what is there. Functions become Python's through
pybind11, which is no part of flambeau: ``pip install pybind11``.

>>> from flambeau.utils import cpp_extension
>>> demo = cpp_extension.load_inline(  # doctest: +SKIP
...     "demo", "torch::Tensor twice(torch::Tensor x) { return x * 2; }", functions="twice")
>>> demo.twice(flambeau.ones(2))  # doctest: +SKIP
tensor([2., 2.])
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import flambeau

__all__ = [
    "BuildExtension",
    "CUDAExtension",
    "CppExtension",
    "SyclExtension",
    "check_compiler_is_gcc",
    "check_compiler_ok_for_platform",
    "get_compiler_abi_compatibility_and_version",
    "get_cxx_compiler",
    "get_default_build_root",
    "include_paths",
    "is_ninja_available",
    "library_paths",
    "load",
    "load_inline",
    "remove_extension_h_precompiler_headers",
    "verify_ninja_availability",
]

BuildExtension: type  # made when it is asked for

# Setup scripts ask for these before they choose what to build.
CUDA_HOME = CUDNN_HOME = ROCM_HOME = SYCL_HOME = None
IS_HIP_EXTENSION = False

_PACKAGE = pathlib.Path(flambeau.__file__).resolve().parent
_OLDEST = {"gcc": (11, 0), "clang": (15, 0)}
_STANDARD = "-std=c++20"


# ---- what there is to compile with


def get_cxx_compiler() -> str:
    """The command of the compiler: ``CXX``, or c++."""
    return os.environ.get("CXX", "c++")


def _compiler() -> list[str]:
    command = shlex.split(get_cxx_compiler())
    if not command or shutil.which(command[0]) is None:
        raise RuntimeError(
            f"there is no compiler {get_cxx_compiler()!r}, and C++ extensions need one: install "
            "g++ 11 or newer (apt install g++), or set CXX to one"
        )
    return command


def _about_compiler(compiler: str) -> tuple[str, tuple[int, ...]]:
    """``"gcc"``, ``"clang"`` or ``""``, and the version."""
    macros = "__GNUC__ __GNUC_MINOR__ __clang_major__ __clang_minor__"
    try:
        done = subprocess.run(
            [*shlex.split(compiler), "-x", "c++", "-E", "-P", "-"],
            input=macros,
            capture_output=True,
            text=True,
        )
    except OSError:
        return "", ()
    numbers = [int(n) if n.isdigit() else None for n in done.stdout.split()]
    if done.returncode or len(numbers) != 4 or numbers[0] is None:
        return "", ()
    clang = numbers[2] is not None
    return ("clang", tuple(numbers[2:])) if clang else ("gcc", tuple(numbers[:2]))


def check_compiler_ok_for_platform(compiler: str) -> bool:
    """Whether it is a compiler that the headers were written for: GCC or Clang."""
    return _about_compiler(compiler)[0] != ""


def check_compiler_is_gcc(compiler: str) -> bool:
    """Whether it is GCC."""
    return _about_compiler(compiler)[0] == "gcc"


def get_compiler_abi_compatibility_and_version(compiler: str) -> tuple[bool, str]:
    """Whether a compiler is new enough for the headers, and its version."""
    kind, version = _about_compiler(compiler)
    return bool(kind) and version >= _OLDEST[kind], ".".join(map(str, version)) or "0.0.0"


def is_ninja_available() -> bool:
    """Whether there is a ninja, which ``load`` does without."""
    return shutil.which("ninja") is not None


def verify_ninja_availability() -> None:
    """Raises where there is no ninja."""
    if not is_ninja_available():
        raise RuntimeError(
            "verify_ninja_availability: there is no ninja here: pip install ninja; load and "
            "load_inline need none"
        )


def get_default_build_root() -> str:
    """The folder below which extensions are built, unless ``TORCH_EXTENSIONS_DIR`` names one."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.realpath(os.path.join(cache, "flambeau_extensions"))


def include_paths(device_type: str = "cpu", torch_include_dirs: bool = True) -> list[str]:
    """The folders of headers that an extension needs."""
    _check_device("include_paths", device_type)
    return [str(_PACKAGE / "include")] if torch_include_dirs else []


def library_paths(
    device_type: str = "cpu",
    torch_include_dirs: bool = True,
    cross_target_platform: str | None = None,
) -> list[str]:
    """The folders of libraries that an extension needs."""
    _check_device("library_paths", device_type)
    if cross_target_platform is not None:
        raise NotImplementedError("library_paths: cross_target_platform is not supported")
    return [str(_PACKAGE)] if torch_include_dirs else []


def _check_device(function: str, device_type) -> None:
    if device_type not in ("cpu", False):
        raise NotImplementedError(f"{function}: device_type={device_type!r} is not supported")


def _pybind11() -> str:
    try:
        import pybind11
    except ImportError:
        raise ImportError(
            "extensions that are Python modules are made with pybind11: pip install pybind11"
        ) from None
    return pybind11.get_include()


def _flags(flags: Sequence[str] | None) -> list[str]:
    """A program's flags, with a standard that the headers do without raised to theirs."""
    if isinstance(flags, str):
        raise TypeError(f"extra_cflags: expected a list of flags, got the text {flags!r}")
    old = re.compile(r"-std=(?:c|gnu)\+\+(?:98|03|0x|11|1y|14|1z|17)")
    return [f for f in flags or () if not old.fullmatch(f)]


# ---- at run time


def load(
    name: str,
    sources: str | Sequence[str],
    extra_cflags: Sequence[str] | None = None,
    extra_cuda_cflags: Sequence[str] | None = None,
    extra_sycl_cflags: Sequence[str] | None = None,
    extra_ldflags: Sequence[str] | None = None,
    extra_include_paths: Sequence[str] | None = None,
    build_directory: str | None = None,
    verbose: bool = False,
    with_cuda: bool | None = None,
    with_sycl: bool | None = None,
    is_python_module: bool = True,
    is_standalone: bool = False,
    keep_intermediates: bool = True,
) -> Any:
    """Compiles sources, where they or what they include have changed, and loads the result.

    Args:
        name: of the module; in the sources it is ``TORCH_EXTENSION_NAME``.
        sources: files in C++.
        extra_cflags: flags of the compiler, after which the standard is C++20 at least.
        extra_ldflags: flags of the linker.
        extra_include_paths: folders of headers.
        build_directory: where it is built; by default a folder of this name, Python and flambeau
            below ``TORCH_EXTENSIONS_DIR`` or the user's cache. Processes that build the same wait
            for each other.
        verbose: print the commands and what the compiler says.
        is_python_module: give back the module. Otherwise the library is loaded, whose ops are then
            in ``flambeau.ops``.
        is_standalone: make a program, and give back its path.
        keep_intermediates: keep what the next build can use.
    """
    if with_cuda or extra_cuda_cflags:
        raise NotImplementedError("load: with_cuda=True and extra_cuda_cflags are not supported")
    if with_sycl or extra_sycl_cflags:
        raise NotImplementedError("load: with_sycl=True and extra_sycl_cflags are not supported")
    files = [os.path.abspath(s) for s in ([sources] if isinstance(sources, str) else sources)]
    for path in files:
        if path.endswith((".cu", ".cuh", ".sycl")):
            raise NotImplementedError(f"load: sources for GPUs are not supported: {path}")
        if not os.path.exists(path):
            raise RuntimeError(f"load: there is no file {path}")
    kind = "program" if is_standalone else "module" if is_python_module else "library"
    folder = pathlib.Path(build_directory or _build_directory(name))
    folder.mkdir(parents=True, exist_ok=True)
    build = _Build(
        name,
        files,
        kind,
        folder,
        _flags(extra_cflags),
        list(extra_ldflags or ()),
        list(extra_include_paths or ()),
        verbose,
        keep_intermediates,
    )
    path = build.run()
    if kind == "program":
        return str(path)
    if kind == "library":
        flambeau.ops.load_library(str(path))
        return None
    return build.imported(path)


def load_inline(
    name: str,
    cpp_sources: str | Sequence[str],
    cuda_sources: str | Sequence[str] | None = None,
    sycl_sources: str | Sequence[str] | None = None,
    functions: str | Sequence[str] | dict[str, str] | None = None,
    extra_cflags: Sequence[str] | None = None,
    extra_cuda_cflags: Sequence[str] | None = None,
    extra_sycl_cflags: Sequence[str] | None = None,
    extra_ldflags: Sequence[str] | None = None,
    extra_include_paths: Sequence[str] | None = None,
    build_directory: str | None = None,
    verbose: bool = False,
    with_cuda: bool | None = None,
    with_sycl: bool | None = None,
    is_python_module: bool = True,
    with_pytorch_error_handling: bool = True,
    keep_intermediates: bool = True,
    use_pch: bool = False,
    no_implicit_headers: bool = False,
) -> Any:
    """As ``load``, of sources that are texts.

    ``functions`` names those that the module has, or maps names to docstrings; errors of the
    library are Python's of the same kind, with ``with_pytorch_error_handling`` and without.
    ``no_implicit_headers`` leaves ``#include <torch/extension.h>`` to the sources.
    """
    if cuda_sources or sycl_sources:
        raise NotImplementedError("load_inline: cuda_sources and sycl_sources are not supported")
    if use_pch:
        raise NotImplementedError("load_inline: use_pch=True is not supported")
    texts = [cpp_sources] if isinstance(cpp_sources, str) else list(cpp_sources)
    if not no_implicit_headers:
        texts.insert(0, "#include <torch/extension.h>")
    if functions is not None:
        named = [functions] if isinstance(functions, str) else functions
        docs = named if isinstance(named, dict) else {n: n for n in named}
        rows = [f"  m.def({_c_text(n)}, &{n}, {_c_text(doc)});" for n, doc in docs.items()]
        texts += ["PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {", *rows, "}"]
    folder = pathlib.Path(build_directory or _build_directory(name))
    folder.mkdir(parents=True, exist_ok=True)
    # By its content, so that two processes with different texts do not write one file.
    text = "\n".join(texts) + "\n"
    source = folder / f"main_{hashlib.sha256(text.encode()).hexdigest()[:12]}.cpp"
    if not source.exists():
        _write(source, text)
    return load(
        name,
        [str(source)],
        extra_cflags,
        extra_cuda_cflags,
        extra_sycl_cflags,
        extra_ldflags,
        extra_include_paths,
        build_directory,
        verbose,
        with_cuda,
        with_sycl,
        is_python_module,
        keep_intermediates=keep_intermediates,
    )


def _c_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _write(path: pathlib.Path, text: str) -> None:
    """All of it or nothing, whoever else writes."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text)
    os.replace(temporary, path)


def _build_directory(name: str) -> str:
    root = os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root()
    version = f"py{sys.version_info.major}{sys.version_info.minor}_cpu_{flambeau.__version__}"
    return os.path.join(root, version, name)


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
    """One process at a time; the lock of one that was killed is gone with it."""
    import fcntl

    with open(folder / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_imported: dict[str, list[str]] = {}  # library without its version -> what it was built from


class _Build:
    """The objects of an extension and what is linked of them, with hashes of what they are of."""

    def __init__(
        self, name, sources, kind, folder, flags, ldflags, includes, verbose, keep_intermediates
    ):
        self.name, self.sources, self.kind, self.folder = name, sources, kind, folder
        self.verbose, self.keep = verbose, keep_intermediates
        folders = [*includes, *include_paths(), sysconfig.get_path("include")]
        if kind == "module":
            folders.append(_pybind11())
        elif importlib.util.find_spec("pybind11"):
            folders.append(_pybind11())
        self.compile = [*_compiler(), "-fPIC", "-O2", "-fvisibility=hidden", _STANDARD]
        self.compile += [f"-I{os.path.abspath(f)}" for f in folders] + flags
        self.link_flags = [f"-L{_PACKAGE}", "-lflambeau", f"-Wl,-rpath,{_PACKAGE}", *ldflags]
        self.version = 0

    @property
    def module_name(self) -> str:
        return f"{self.name}_v{self.version}" if self.version else self.name

    def run(self) -> pathlib.Path:
        """Builds what has changed; gives the library or the program."""
        with _locked(self.folder):
            if self.kind == "module":
                self._choose_version()
            objects = self._objects()
            path = self._linked(objects)
            if not self.keep:
                for file in objects:
                    for made in (file, file.with_suffix(".d"), file.with_suffix(".o.hash")):
                        made.unlink(missing_ok=True)
        return path

    def _choose_version(self) -> None:
        """A module that was imported stays what it was: a changed one has another name."""
        content = _hash([*self.compile, *self.link_flags], self.sources)
        known = _imported.setdefault(str(self.folder / self.name), [])
        if content not in known:
            known.append(content)
        self.version = known.index(content)

    def _objects(self) -> list[pathlib.Path]:
        define = [f"-DTORCH_EXTENSION_NAME={self.module_name}"] if self.kind == "module" else []
        tasks = []
        for i, source in enumerate(self.sources):
            stem = re.sub(r"\W", "_", os.path.basename(source))
            made = self.folder / f"{stem}_{i}{f'_v{self.version}' if self.version else ''}.o"
            tasks.append((made, [*self.compile, *define, "-MMD", "-c", source], source))
        workers = int(os.environ.get("MAX_JOBS") or len(os.sched_getaffinity(0)))
        with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
            list(pool.map(lambda task: self._object(*task), tasks))
        return [made for made, _, _ in tasks]

    def _object(self, made: pathlib.Path, command: list[str], source: str) -> None:
        record = made.with_suffix(".o.hash")
        depends = made.with_suffix(".d")
        if made.exists() and record.exists() and depends.exists():
            if record.read_text() == _hash(command, _depended(depends)):
                return
        self._do([*command, "-o", str(made)])
        _write(record, _hash(command, _depended(depends)))

    def _linked(self, objects: list[pathlib.Path]) -> pathlib.Path:
        suffix = {"module": sysconfig.get_config_var("EXT_SUFFIX"), "library": ".so"}
        path = self.folder / (self.module_name + suffix.get(self.kind, ""))
        shared = [] if self.kind == "program" else ["-shared"]
        command = [*_compiler(), *shared, *map(str, objects), *self.link_flags]
        record = self.folder / f"{path.name}.hash"
        content = _hash(command, map(str, objects))
        if not path.exists() or not record.exists() or record.read_text() != content:
            # Another file: a process that has the one before loaded keeps it.
            temporary = path.with_name(f"{path.name}.{os.getpid()}")
            self._do([*command, "-o", str(temporary)])
            os.replace(temporary, path)
            _write(record, content)
        return path

    def _do(self, command: list[str]) -> None:
        if self.verbose:
            print(shlex.join(command), flush=True)
        done = subprocess.run(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if self.verbose and done.stdout:
            print(done.stdout, flush=True)
        if done.returncode:
            raise RuntimeError(
                f"Error building extension {self.name!r}: {shlex.join(command)} ended with "
                f"{done.returncode}:\n{done.stdout}"
            )

    def imported(self, path: pathlib.Path):
        """The module, loaded once."""
        before = sys.modules.get(self.module_name)
        if before is not None and getattr(before, "__file__", None) == str(path):
            return before
        spec = importlib.util.spec_from_file_location(self.module_name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[self.module_name] = module
        return module


def _hash(words: Iterable[str], files: Iterable[str]) -> str:
    found = hashlib.sha256("\0".join(words).encode())
    for name in files:
        try:
            content = pathlib.Path(name).read_bytes()
        except OSError:
            content = b"is not there"
        found.update(hashlib.sha256(content).digest())
    return found.hexdigest()


def _depended(path: pathlib.Path) -> list[str]:
    """The files that a compiler's note of dependencies names."""
    text = path.read_text().replace("\\\n", " ").partition(":")[2]
    return [n.replace("\\ ", " ") for n in re.findall(r"(?:\\ |\S)+", text)]


# ---- by setup


def _setuptools():
    try:
        import setuptools.command.build_ext
    except ImportError:
        raise ImportError(
            "CppExtension and BuildExtension are setuptools': pip install setuptools"
        ) from None
    return setuptools


def CppExtension(name: str, sources: Sequence[str], *args, **kwargs):
    """A ``setuptools.Extension`` with what C++ against flambeau's headers needs.

    The class that builds it is ``BuildExtension``: ``setup(ext_modules=[CppExtension(...)],
    cmdclass={"build_ext": BuildExtension})``.
    """
    kwargs["include_dirs"] = [*kwargs.get("include_dirs", []), *include_paths(), _pybind11()]
    kwargs["library_dirs"] = [*kwargs.get("library_dirs", []), *library_paths()]
    kwargs["libraries"] = [*kwargs.get("libraries", []), "flambeau"]
    kwargs["runtime_library_dirs"] = [*kwargs.get("runtime_library_dirs", []), *library_paths()]
    kwargs["language"] = "c++"
    return _setuptools().Extension(name, sources, *args, **kwargs)


def CUDAExtension(name: str, sources: Sequence[str], *args, **kwargs):
    """Extensions in CUDA are not compiled: ``CUDA_HOME`` is None, as scripts look."""
    raise NotImplementedError(f"CUDAExtension({name!r}): there is no CUDA: use CppExtension")


def SyclExtension(name: str, sources: Sequence[str], *args, **kwargs):
    """Extensions in SYCL are not compiled."""
    raise NotImplementedError(f"SyclExtension({name!r}): there is no SYCL: use CppExtension")


def remove_extension_h_precompiler_headers() -> None:
    """Precompiled headers are not made, so there are none to remove."""


def _build_extension() -> type:
    base = _setuptools().command.build_ext.build_ext

    class BuildExtension(base):
        """``build_ext`` of setuptools, with the flags that flambeau's headers need.

        ``BuildExtension.with_options(no_python_abi_suffix=True)`` leaves out Python's version in
        the names of libraries.
        """

        @classmethod
        def with_options(cls, **options):
            class WithOptions(cls):
                def __init__(self, *args, **kwargs):
                    super().__init__(*args, **{**options, **kwargs})

            return WithOptions

        def __init__(self, *args, **kwargs):
            self.no_python_abi_suffix = kwargs.pop("no_python_abi_suffix", False)
            self.use_ninja = kwargs.pop("use_ninja", False)  # it is setuptools that compiles
            super().__init__(*args, **kwargs)

        def build_extensions(self):
            good, version = get_compiler_abi_compatibility_and_version(get_cxx_compiler())
            if not good:
                raise RuntimeError(
                    f"the compiler {get_cxx_compiler()!r} {version} is none that the headers of "
                    "flambeau were written for: g++ 11 or Clang 15, or newer ones"
                )
            for extension in self.extensions:
                plain = extension.name.rpartition(".")[2]
                given = extension.extra_compile_args or []
                if isinstance(given, dict):
                    if given.get("nvcc"):
                        raise NotImplementedError("BuildExtension: flags of nvcc are not supported")
                    given = given.get("cxx", [])
                extension.extra_compile_args = [
                    *_flags(given),
                    _STANDARD,
                    "-fvisibility=hidden",
                    f"-DTORCH_EXTENSION_NAME={plain}",
                ]
            super().build_extensions()

        def get_ext_filename(self, name):
            path = super().get_ext_filename(name)
            if self.no_python_abi_suffix:
                path = path.removesuffix(sysconfig.get_config_var("EXT_SUFFIX")) + ".so"
            return path

    BuildExtension.__module__ = __name__
    BuildExtension.__qualname__ = "BuildExtension"
    return BuildExtension


def __getattr__(name: str):
    # setuptools is loaded by those who build packages.
    if name == "BuildExtension":
        globals()[name] = _build_extension()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
