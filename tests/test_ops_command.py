"""``python -m flambeau.ops``: the table, and all that is derived from one record."""

import pathlib
import subprocess
import sys

import pytest

from flambeau.ops import __main__ as command
from flambeau.ops.generator import explain
from flambeau.ops.record import load

ROOT = pathlib.Path(__file__).parent.parent


def run(capsys, *arguments):
    code = command.main(list(arguments))
    return code, capsys.readouterr()


def test_list_has_a_row_for_each_record(capsys):
    code, text = run(capsys, "list")
    rows = text.out.splitlines()
    assert code == 0 and len(rows) == len(load()) + 3  # the head, an empty line, the legend
    row = next(r for r in rows if r.startswith("mul.Tensor "))
    for part in ("pointwise", "fmo.i=", "MulBackward0", "flambeau/ops/pointwise/arithmetic.py:"):
        assert part in row


def test_show_prints_all_that_a_pointwise_record_gives(capsys):
    code, text = run(capsys, "show", "lerp.Tensor")
    assert code == 0
    for part in (
        "aten::lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor",
        "aten::lerp_.Tensor(Tensor(a!) self",
        "aten::lerp.Tensor_out(",
        "flambeau.lerp",
        "Tensor.lerp_",
        "Dtypes: ",
        "Gradient: flows to `self`, `end`, `weight`.",
        "node: LerpBackward",
        "saved tensors: end, self, weight",
        "struct LerpBackward",
        "struct lerp_Tensor_0_formula",
        "C++ entry of lerp_.Tensor",
        ">>> flambeau.lerp(",
    ):
        assert part in text.out, part


def test_show_prints_the_gradient_of_a_structured_record(capsys):
    code, text = run(capsys, "show", "cumsum")
    assert code == 0
    for part in ("@cumsum.rule", "CPU kernel: ", "@cumsum.gradient", "node: CumsumBackward0"):
        assert part in text.out, part


def test_show_prints_samples_and_reference(capsys):
    code, text = run(capsys, "show", "cumsum")
    assert code == 0
    for part in ("samples\n  call(values(2, 3), 1)\n", "reference\n  numpy.cumsum\n"):
        assert part in text.out, part


@pytest.mark.parametrize("name", ["add_", "__add__", "clip", "T", "add.out"])
def test_show_finds_aliases_forms_and_operators(capsys, name):
    assert run(capsys, "show", name)[0] == 0


def test_show_works_for_every_record():
    for record in load():
        assert explain.show(record.schema.full_name), record.schema.full_name


def test_an_unknown_name_says_what_is_near(capsys):
    code, text = run(capsys, "show", "log_softmx")
    assert code == 1
    assert text.err.startswith("show: no op is called 'log_softmx'; did you mean log_softmax or ")


def test_it_works_without_a_built_core():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/ops.py", "show", "exp"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "ExpBackward0" in done.stdout


def test_the_list_of_ops_whose_sizes_depend_on_elements(capsys):
    code, text = run(capsys, "list", "--dynamic")
    assert code == 0
    names = {line.split()[0] for line in text.out.splitlines()[1:-2]}
    assert {"nonzero", "masked_select", "_unique2", "index.Tensor"} <= names
    assert "add.Tensor" not in names
