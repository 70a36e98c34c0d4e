"""utils.cpp_extension: extensions as they are written for PyTorch, built, loaded, looked after."""

import os
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils import cpp_extension

FOLDER = pathlib.Path(__file__).parent
EXAMPLES = FOLDER.parents[1] / "examples/extensions"
QUICK = ["-O0"]  # to compile: most of what the headers bring is never called


@pytest.fixture(scope="module")
def ext(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ops")
    return cpp_extension.load(
        "ext", str(FOLDER / "ops.cpp"), [*QUICK, "-std=c++14"], build_directory=str(folder)
    )


def test_ops_as_calls_methods_and_operators(ext):
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=s).astype("float32") for s in ((3, 4), (6, 4), (6,)))

    def expected(bias):
        z = x @ w.T + bias
        a, c = z[:, :3], z[:, 3:]
        out = 1 - 1 / (1 + np.exp(-a)) * np.tanh(c) / 2 + (a > 0)
        return np.concatenate([out, -c[:, :1]], 1)

    tensors = [torch.from_numpy(t) for t in (x, w, b)]
    np.testing.assert_allclose(ext.gate(*tensors).numpy(), expected(b), 1e-5, 1e-5)
    np.testing.assert_allclose(ext.gate(*tensors[:2]).numpy(), expected(0), 1e-5, 1e-5)
    leaf = tensors[0].clone().requires_grad_()
    ext.gate(leaf, tensors[1]).sum().backward()
    assert leaf.grad.shape == (3, 4) and leaf.grad.abs().sum() > 0


def test_options_and_lists(ext):
    leaf, sevens, halves, view, like, ints = ext.made(3, torch.float64, torch.device("cpu"))
    assert leaf.requires_grad and leaf.is_leaf and leaf.dtype is torch.float64
    assert sevens.tolist() == [7, 7] and sevens.dtype is torch.int64
    assert halves.tolist() == [1.5, 2.5] and view.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert like.dtype is torch.float16 and like.shape == (3, 2)
    assert ints.dtype is torch.int32 or ints.dtype is torch.int64
    assert ext.made(1, torch.float32, "meta")[0].is_meta
    assert ext.about(torch.ones(2, 3).t()) == "[3, 2] [1, 3] Float cpu 6 4 00101"
    assert ext.about(torch.ones(1, dtype=torch.int8)) == "[1] [1] Char cpu 1 1 10001"
    x = torch.ones(1)
    assert ext.first([x, torch.zeros(1)], [0]) is x and ext.first([x], 0) is x
    assert ext.index(torch.arange(4).view(2, 2), -1).tolist() == [2, 3]
    assert [ext.number(n) for n in (2, 2.5, True)] == [2, 2.5, True]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_elements_of_every_dtype(ext, dtype):
    x = torch.arange(6).view(2, 3).t().to(getattr(torch, dtype))
    assert ext.weighed(x).tolist() == [3, 4, 5]
    assert ext.weighed(x).dtype is x.dtype
    assert ext.counted(torch.tensor([0, 1, 2], dtype=torch.int16)).item() == 2


def test_memory_of_the_extension_is_freed_once(ext):
    freed = []
    x = ext.over_own_memory(4, lambda: freed.append(1))
    y = x[1:]
    assert (y + 1).tolist() == [2, 3, 4]
    del x
    assert not freed
    del y
    assert freed == [1]


def test_gradients_from_cpp(ext):
    assert ext.gradient_of_square(torch.tensor([1.0, 3.0])).tolist() == [2, 6]


def test_functions_with_a_gradient_in_cpp(ext):
    x, y = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([1.0, 2], [3.0, 4]))
    calls = torch.zeros(1)
    out, place = ext.scaled(x, y, 2, calls)
    assert out.tolist() == [9, 32] and place.item() == 1 and not place.requires_grad
    assert "Scaled" in type(out.grad_fn).__name__ or "Scaled" in out.grad_fn.name()
    out.sum().backward()
    assert x.grad.tolist() == [9, 16] and y.grad.tolist() == [6, 16] and calls.item() == 1
    with pytest.raises(RuntimeError, match="second time|freed"):
        out.sum().backward()
    assert torch.autograd.gradcheck(lambda x, y: ext.scaled(x, y, 3, calls)[0], (x, y))
    assert torch.autograd.gradgradcheck(lambda x, y: ext.scaled(x, y, 3, calls)[0], (x, y))
    (only,) = torch.autograd.grad(ext.scaled(x, y, 2, calls)[0].sum(), (y,))
    assert only.tolist() == [6, 16]
    with torch.no_grad():
        assert not ext.scaled(x, y, 2, calls)[0].requires_grad
    w = y.detach().clone().requires_grad_()
    changed = w * 1
    out, _ = ext.scaled(x, changed, 2, calls)
    changed.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()
    same = ext.same(x)
    assert same is not x and torch.autograd.grad(same.sum(), x)[0].tolist() == [10, 10]


def test_ops_that_cpp_registers(ext):
    ops = torch.ops.flambeau_tests
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    assert ops.muladd(a, b, 0.5).tolist() == [3.5, 8.5]
    torch.library.register_fake("flambeau_tests::muladd", lambda a, b, c: torch.empty_like(a))
    torch.library.register_autograd(
        "flambeau_tests::muladd",
        lambda ctx, g: (g * ctx.saved_tensors[1], g * ctx.saved_tensors[0], None),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs[:2]),
    )
    leaves = a.clone().requires_grad_(), b.clone().requires_grad_()
    ops.muladd(*leaves, 1.0).sum().backward()
    assert leaves[0].grad.tolist() == [3, 4]
    done = torch.library.opcheck(ops.muladd.default, (*leaves, 1.0))
    assert set(done.values()) == {"SUCCESS"}
    version = a._version
    assert ops.add_into(b, a) is None and a.tolist() == [4, 6] and a._version > version
    total, rest = ops.many([a, b], [2], n=2, extra=torch.ones(2))
    assert total.tolist() == [35, 35] and len(rest) == 2
    assert ops.many([a], [])[0].item() == 10
    assert ops.scaled(b, 2, False).tolist() == [1.5, 2]
    text = "flambeau_tests::scaled(Tensor _0, int _1, bool _2) -> Tensor"
    assert str(ops.scaled.default._schema) == text


@pytest.mark.parametrize(
    "call, kind, words",
    [
        (lambda e: torch.ops.flambeau_tests.muladd(torch.ones(2), torch.ones(3), 1.0),
         RuntimeError, r"muladd: sizes \[2\] and \[3\]"),
        (lambda e: torch.ops.flambeau_tests.muladd(*[torch.ones(2).double()] * 2, 1.0),
         TypeError, "muladd takes floats"),
        (lambda e: torch.ops.flambeau_tests.many([], [], how="max"), ValueError, "how is 'sum'"),
        (lambda e: e.weighed(torch.ones(2, 2).int()), NotImplementedError,
         "\"weighed\" not implemented for 'Int'"),
        (lambda e: e.weighed(torch.ones(2)), RuntimeError, "expected 2 dims but tensor has 1"),
        (lambda e: e.index(torch.ones(2), 2), IndexError, "out of range|out of bounds"),
        (lambda e: e.weighed([1.0]), TypeError, "incompatible function arguments"),
        (lambda e: e.made(-1, torch.float32, "cpu"), RuntimeError, "negative"),
    ],
)  # fmt: skip
def test_errors_are_pythons(ext, call, kind, words):
    with pytest.raises(kind, match=words):
        call(ext)


# ---- building


SOURCE = "torch::Tensor f(torch::Tensor x) { return x + VALUE; }"


def inline(folder, value, **options):
    return cpp_extension.load_inline(
        "flambeau_inline",
        SOURCE.replace("VALUE", str(value)),
        functions=["f"],
        extra_cflags=QUICK,
        build_directory=str(folder),
        **options,
    )


def test_inline_sources_are_built_once_and_again_when_they_change(tmp_path, capfd):
    first = inline(tmp_path, 1, verbose=True)
    assert first.f(torch.zeros(1)).item() == 1 and first.f.__doc__.rstrip().endswith("f")
    assert "-c" in capfd.readouterr().out
    assert inline(tmp_path, 1, verbose=True) is first
    assert not capfd.readouterr().out
    second = inline(tmp_path, 2)
    assert second.f(torch.zeros(1)).item() == 2
    assert first.f(torch.zeros(1)).item() == 1  # which stays what it was
    assert second.__name__ == "flambeau_inline_v1"
    # Another process finds what it needs built.
    code = f"""
    import flambeau as torch
    from flambeau.utils import cpp_extension
    cpp_extension._Build._do = None
    made = cpp_extension.load_inline("flambeau_inline", {SOURCE.replace("VALUE", "1")!r},
        functions="f", extra_cflags={QUICK}, build_directory={str(tmp_path)!r})
    assert made.f(torch.ones(1)).item() == 2
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_a_source_that_is_no_cpp_shows_what_the_compiler_says(tmp_path):
    with pytest.raises(
        RuntimeError, match="(?s)Error building extension 'broken'.*error: .*nothing"
    ):
        cpp_extension.load_inline(
            "broken",
            "int f() { return nothing; }",
            build_directory=str(tmp_path),
            no_implicit_headers=True,
            is_python_module=False,
        )


def test_processes_that_build_the_same_wait_for_each_other(tmp_path):
    source = tmp_path / "library.cpp"
    source.write_text('extern "C" int flambeau_answer() { return 42; }\n')
    code = f"""
    from flambeau.utils import cpp_extension
    built = []
    run = cpp_extension._Build._do
    def noting(self, command):
        built.append(command)
        run(self, command)
    cpp_extension._Build._do = noting
    cpp_extension.load("waited", {str(source)!r}, is_python_module=False,
                       build_directory={str(tmp_path / "built")!r})
    print(len(built))
    """
    children = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    counts = sorted(int(child.communicate()[0].split()[0]) for child in children)
    assert counts == [0, 0, 2]
    assert not any(child.returncode for child in children)


def test_libraries_of_ops_are_loaded(tmp_path):
    with pytest.raises(OSError, match="Could not load this library: .*nothing.so"):
        torch.ops.load_library("nothing.so")
    source = tmp_path / "library.cpp"
    source.write_text(
        "#include <torch/library.h>\n"
        "TORCH_LIBRARY_FRAGMENT(flambeau_loaded, m) {\n"
        '  m.def("five(Tensor x) -> Tensor", [](const at::Tensor& x) -> at::Tensor { '
        "return x * 5; });\n}\n"
    )
    options = {"is_python_module": False, "build_directory": str(tmp_path)}
    assert cpp_extension.load("loaded", str(source), QUICK, **options) is None
    assert torch.ops.flambeau_loaded.five(torch.ones(1)).item() == 5
    assert str(tmp_path / "loaded.so") in torch.ops.loaded_libraries
    torch.ops.load_library(str(tmp_path / "loaded.so"))


def test_a_program_without_python(tmp_path):
    source = tmp_path / "program.cpp"
    source.write_text(
        "#include <torch/torch.h>\n#include <iostream>\n"
        "int main() { std::cout << torch::arange(4).sum().item<int64_t>() << '\\n'; }\n"
    )
    program = cpp_extension.load(
        "program", str(source), QUICK, is_standalone=True, build_directory=str(tmp_path)
    )
    assert subprocess.run([program], capture_output=True, text=True, env={}).stdout == "6\n"


def test_setup_builds_a_package(tmp_path):
    (tmp_path / "two.cpp").write_text(
        "#include <torch/extension.h>\nPYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {\n"
        '  m.def("two", [](torch::Tensor x) { return x * 2; });\n}\n'
    )
    (tmp_path / "setup.py").write_text(
        "from setuptools import setup\n"
        "from flambeau.utils.cpp_extension import BuildExtension, CppExtension\n"
        "setup(name='two', ext_modules=[CppExtension('two._C', ['two.cpp'],"
        " extra_compile_args={'cxx': ['-O0']})],\n"
        "      packages=['two'], cmdclass={'build_ext': BuildExtension.with_options("
        "no_python_abi_suffix=True)})\n"
    )
    (tmp_path / "two").mkdir()
    (tmp_path / "two/__init__.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    for command in (
        ["setup.py", "-q", "build_ext", "--inplace"],
        ["-c", "import flambeau as t, two._C as m; assert m.two(t.ones(1)).item() == 2"],
    ):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "two/_C.so").exists()


def test_what_is_not_supported_says_so(tmp_path, monkeypatch):
    for call in (
        lambda: cpp_extension.CUDAExtension("x", []),
        lambda: cpp_extension.SyclExtension("x", []),
        lambda: cpp_extension.load("x", ["x.cpp"], with_cuda=True),
        lambda: cpp_extension.load("x", ["x.cu"]),
        lambda: cpp_extension.load_inline("x", "", cuda_sources="x"),
        lambda: cpp_extension.load_inline("x", "", use_pch=True),
        lambda: cpp_extension.include_paths("cuda"),
    ):
        with pytest.raises(NotImplementedError):
            call()
    assert cpp_extension.CUDA_HOME is None
    with pytest.raises(RuntimeError, match="there is no file"):
        cpp_extension.load("x", ["nothing.cpp"])
    with pytest.raises(TypeError, match="expected a list of flags"):
        cpp_extension.load("x", __file__, "-O0")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(RuntimeError, match="no compiler 'no-such-compiler'.*install g"):
        cpp_extension.load("x", __file__, build_directory=str(tmp_path))
    assert not cpp_extension.check_compiler_ok_for_platform("no-such-compiler")
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="pip install ninja"):
        cpp_extension.verify_ninja_availability()


def test_the_compiler_and_the_folders_are_known(monkeypatch):
    compiler = cpp_extension.get_cxx_compiler()
    assert cpp_extension.check_compiler_ok_for_platform(compiler)
    good, version = cpp_extension.get_compiler_abi_compatibility_and_version(compiler)
    assert good and int(version.split(".")[0]) >= 11
    (folder,) = cpp_extension.include_paths()
    assert (pathlib.Path(folder) / "torch/extension.h").exists()
    (folder,) = cpp_extension.library_paths()
    assert (pathlib.Path(folder) / "libflambeau.so").exists()
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", "/root-of-extensions")
    folder = cpp_extension._build_directory("x")
    assert folder.startswith("/root-of-extensions/py") and torch.__version__ in folder


def test_the_example_learns_through_its_extension(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "TORCH_EXTENSIONS_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, EXAMPLES / "cpp_extension.py"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("share of the signal")
