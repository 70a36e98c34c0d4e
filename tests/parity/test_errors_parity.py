"""Calls that PyTorch refuses are refused with an exception of the same type."""

import warnings

import pytest

import flambeau

torch = pytest.importorskip("torch")

ARGUMENTS = {
    "x": lambda lib: lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    "i": lambda lib: lib.tensor([[1, 2, 3], [4, 5, 6]]),
    "v4": lambda lib: lib.tensor([1.0, 2.0, 3.0, 4.0]),
    "c": lambda lib: lib.tensor([1j, 2.0]),
    "e": lambda lib: lib.empty(0, 3),
    "None": lambda lib: None,
    "text": lambda lib: "abc",
    "lib": lambda lib: lib,
    "object": lambda lib: object(),
    "list": lambda lib: [1, 2],
    "pair": lambda lib: (lib.ones(2), lib.ones(2)),
}
# Of the first argument and of what follows it.
CALLS = (
    """
|None|text|lib|object|list|pair|e|x None|x text|x lib|x object|x list|x pair|x v4|x i|x 5|x -5
x 0|x 1|x 1.5|x 0 5|x 0 object|x 0 x|x x|x x object|x x x x x x x x x|c|i|v4 2|v4 -2|c 0
""".strip()
    .replace("\n", "|")
    .split("|")
)
KEYWORDS = [
    "zzz=1",
    "dim=5",
    "dim=-5",
    "dim=text",
    "dtype=3",
    "device=nowhere",
    "out=object",
    "out=text",
]
KEYWORD_CALLS = ["x", "x 0", "x x"]


# Where ours is another, with the reason.
EXCEPTIONS = {
    # PyTorch's deprecated signatures, (self, alpha, other), are not taken.
    **dict.fromkeys(["sub", "subtract"], ["x 0 x", "x x x x x x x x x"]),
    # A number is a bound together with a tensor.
    **dict.fromkeys(["clamp", "clamp_", "clip", "clip_"], ["x 0 x"]),
    # Tensors in a list are stacked.
    **dict.fromkeys(["tensor", "as_tensor", "asarray"], ["pair"]),
    # Tensors in a list are taken as several arguments.
    **dict.fromkeys(["block_diag", "cartesian_prod"], ["pair"]),
    # A tensor with dimensions is no number, and so no end.
    "logspace": ["x 0 5"],
    # PyTorch asserts what its arguments are, without words.
    **dict.fromkeys(["sym_ite", "sym_max", "sym_min"], CALLS),
    # It exists, and refuses whatever it is given.
    "nn.functional.scaled_grouped_mm": CALLS,
    # PyTorch stops at what its Python happens to do with the argument.
    "sym_sum": ["x v4"],
    "nn.functional.scaled_mm": ["x x x x x x x x x"],
    "broadcast_shapes": ["text", "pair"],
    "norm": ["None", "text", "lib", "object", "list", "pair", "", "x object"],
    "stft": ["x v4", "x i", "x x", "x x object", "x x x x x x x x x"],
    "unique": ["x 0 x", "x x object", "x x x x x x x x x"],
    "unique_consecutive": [c for c in CALLS if c.startswith("x ")],
    "nn.functional.embedding": ["x 0 x", "x 0 5"],
    **dict.fromkeys(
        [
            f"nn.functional.{name}"
            for name in (
                "max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d "
                "adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d"
            ).split()
        ],
        ["x x x x x x x x x"],
    ),
    "nn.functional.adaptive_avg_pool3d": ["x 1"],
    "nn.functional.lp_pool3d": ["x 0 x"],
    "nn.functional.max_unpool1d": ["x 0 x"],
    "nn.functional.max_unpool3d": ["x 0 5", "x 0 object", "x x object"],
    "nn.functional.mse_loss": ["x 0 x"],
    # It asks for dimensions before it checks how many there are.
    "nn.functional.unfold": ["x list", "x 5", "x 1", "v4 2"],
    # Tensors as the ends of ranges.
    "linspace": ["x 0 5", "x 0 x", "x x object"],
    "randint_like": ["x v4", "x i", "x x"],
    # More dtypes.
    "special.round": ["i"],
}


def value(word: str, lib):
    return ARGUMENTS[word](lib) if word in ARGUMENTS else eval(word)


def keywords(text: str, lib) -> dict:
    name, _, word = text.partition("=")
    known = word in ARGUMENTS or word[:1].isdigit() or word[:1] == "-"
    return {name: value(word, lib) if known else word} if name else {}


def outcome(function, call: str, keyword: str, lib):
    arguments = [value(word, lib) for word in call.split()]
    try:
        function(*arguments, **keywords(keyword, lib))
    except Exception as error:
        return type(error)
    return None


SPACES = {
    "": (flambeau, torch),
    "nn.functional": (flambeau.nn.functional, torch.nn.functional),
    "linalg": (flambeau.linalg, torch.linalg),
    "special": (flambeau.special, torch.special),
}
# These read or set how the program runs, or start with an argument that is no tensor.
OTHERS = """
compile load save manual_seed seed initial_seed set_ get_ use_deterministic_algorithms is_autocast
autocast no_grad enable_grad inference_mode typename is_tensor is_storage is_ from_dlpack to_dlpack
from_numpy vmap random
""".split()


def functions():
    for space, (ours, theirs) in SPACES.items():
        for name in sorted(set(dir(ours)) & set(dir(theirs))):
            f, t = getattr(ours, name), getattr(theirs, name)
            if name.startswith("_") or isinstance(f, type) or not (callable(f) and callable(t)):
                continue
            if not any(name.startswith(other) for other in OTHERS):
                yield f"{space}.{name}".lstrip("."), f, t


FUNCTIONS = {name: (f, t) for name, f, t in functions()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_types_of_refusals(name):
    ours, theirs = FUNCTIONS[name]
    calls = [(c, "") for c in CALLS] + [(c, k) for c in KEYWORD_CALLS for k in KEYWORDS]
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call, keyword in calls:
            due = outcome(theirs, call, keyword, torch)
            if due is None or call in EXCEPTIONS.get(name, ()):
                continue
            got = outcome(ours, call, keyword, flambeau)
            if got is None or not issubclass(got, due):
                found.append((f"{call} {keyword}", got and got.__name__, due.__name__))
    assert not found
