"""Show the layers of a model: output shapes, parameters, operations and memory.

MODEL is a class of modules, a function that makes one, or a module, in a file or an importable
module: ``train.py:Net``, ``torchvision.models:resnet18``. The file is executed, but for what stands
under ``if __name__ == "__main__"``. Given the shapes of its inputs, the model is called once; where
it can be, on the device ``meta``, on which nothing is computed and no memory is needed.
"""

import argparse
import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flambeau
from flambeau.utils.summary import summary


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="flambeau summary", description=__doc__)
    parser.add_argument(
        "model", metavar="SCRIPT:MODEL", help="a file or a module, and a name in it"
    )
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="SHAPE",
        help='of one input, "1,3,8,8"; with a dtype, "1,20:int64"; once for each input',
    )
    parser.add_argument(
        "--args",
        default="",
        metavar="ARGS",
        help='what the class or function is called with, "10, hidden=32"',
    )
    parser.add_argument("--depth", type=int, default=3, help="levels of modules (%(default)s)")
    parser.add_argument("--device", choices=["meta", "cpu"], help="where it is made and called")
    options = parser.parse_args(arguments)
    if ":" not in options.model:
        parser.error("say which model: SCRIPT:MODEL, for example train.py:Net")
    if options.depth < 0:
        parser.error("--depth must not be negative")
    return options


def load(place: str) -> Any:
    """What ``SCRIPT:MODEL`` names."""
    script, _, name = place.rpartition(":")
    path = Path(script)
    if path.suffix == ".py" or path.is_file():
        if not path.is_file():
            raise ValueError(f"there is no file {script}")
        sys.path.insert(0, str(path.parent.resolve()))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ValueError(f"{script} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(path.stem, module)
        spec.loader.exec_module(module)
    else:
        sys.path.insert(0, "")
        module = importlib.import_module(script)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            names = [n for n, v in vars(module).items() if _makes_a_module(v)]
            raise ValueError(f"{script} has no {name}; it has {', '.join(names) or 'no models'}")
        found = getattr(found, part)
    return found


def says_torch(place: str) -> bool:
    """Whether the script, or maybe the module, imports PyTorch by its name."""
    script = place.rpartition(":")[0]
    path = Path(script)
    if not path.is_file():
        return path.suffix != ".py" and script.partition(".")[0] != "flambeau"
    text = path.read_text(errors="replace")
    return re.search(r"^\s*(import|from)\s+torch\b", text, re.MULTILINE) is not None


def _makes_a_module(value: Any) -> bool:
    return isinstance(value, flambeau.nn.Module) or (
        isinstance(value, type)
        and issubclass(value, flambeau.nn.Module)
        and not value.__module__.startswith("flambeau.nn")
    )


def arguments_of(text: str) -> tuple[tuple, dict[str, Any]]:
    """``10, hidden=32`` as arguments; literals alone."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        assert isinstance(call, ast.Call)
        positional = tuple(ast.literal_eval(a) for a in call.args)
        return positional, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"--args {text!r} is no list of literals: {error}") from None


def input_of(text: str, device: str) -> flambeau.Tensor:
    """``1,3,8,8`` or ``1,20:int64`` as a tensor: zeros of that shape."""
    sizes, _, dtype = text.partition(":")
    try:
        shape = [int(n) for n in sizes.strip("[]()").split(",") if n.strip()]
        kind = getattr(flambeau, dtype or "float32")
        if not isinstance(kind, flambeau.dtype):
            raise ValueError
        return flambeau.zeros(shape, dtype=kind, device=device)
    except (ValueError, AttributeError, RuntimeError):
        raise ValueError(f'--input {text!r} is no shape: write "1,3,8,8" or "1,20:int64"') from None


def make(found: Any, text: str, device: str) -> flambeau.nn.Module:
    """The module itself."""
    if isinstance(found, flambeau.nn.Module):
        return found.to(device) if device == "meta" else found
    if not callable(found):
        raise ValueError(f"a model is expected, not {found!r}")
    args, kwargs = arguments_of(text)
    with flambeau.device(device):
        made = found(*args, **kwargs)
    if not isinstance(made, flambeau.nn.Module):
        kind = type(made)
        bases = {base.__module__.partition(".")[0] for base in kind.__mro__}
        of = ", a module of torch" if "torch" in bases else ""
        raise ValueError(f"a model is expected, but a call gave {kind.__name__}{of}")
    return made


def describe(options: argparse.Namespace) -> str:
    if says_torch(options.model) and importlib.util.find_spec("flambeau.compat") is not None:
        importlib.import_module("flambeau.compat").install()  # its programs find the name
    found = load(options.model)
    devices = [options.device] if options.device else ["meta", "cpu"]
    for device in devices:
        try:
            model = make(found, options.args, device)
            inputs = [input_of(text, device) for text in options.input]
            return str(summary(model, *inputs, depth=options.depth))
        except (RuntimeError, NotImplementedError, TypeError):
            if device == devices[-1]:
                raise
    raise AssertionError


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    try:
        print(describe(options))
    except (ValueError, ImportError) as error:
        print(f"flambeau summary: {error}", file=sys.stderr)
        return 1
    except (RuntimeError, NotImplementedError, TypeError) as error:
        print(
            f"flambeau summary: {options.model} raised {type(error).__name__}: {error}",
            file=sys.stderr,
        )
        return 1
    return 0
