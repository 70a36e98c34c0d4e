"""The language of pointwise formulas: what each leaf takes and gives, and its op on tensors.

Types of an expression: ``V`` the compute type, ``B`` a truth value, ``R`` the real type that
belongs to the compute type (the type itself unless it is complex).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leaf:
    name: str
    arity: int
    result: str = "V"
    tensor: str = ""  # symbol of the op's typed entry; the leaf's name by default
    extra: str = ""  # further arguments of that entry
    infix: str = ""  # C++ operator
    loop: str = ""  # what stands in its place in a loop over the compute type T
    scalar: str = ""  # symbol of the entry whose second operand is a number
    commutes: bool = False
    short: bool = False  # an instruction or two, as the operators are
    # There is `name_near`, which is less work or becomes vectors where `is_near_...` holds of the
    # arguments: of numbers with fractions, or of whole ones.
    near: str = ""
    near_whole: str = ""


def _leaf(name: str, arity: int = 1, **kw) -> tuple[str, Leaf]:
    return name, Leaf(name, arity, **{"tensor": name, **kw})


LEAVES: dict[str, Leaf] = dict(
    [
        _leaf(
            "add",
            2,
            infix="+",
            tensor="add_Tensor",
            scalar="add_Scalar",
            commutes=True,
            extra=", Scalar(int64_t{1})",
        ),
        _leaf(
            "sub",
            2,
            infix="-",
            tensor="sub_Tensor",
            scalar="sub_Scalar",
            extra=", Scalar(int64_t{1})",
        ),
        _leaf("mul", 2, infix="*", tensor="mul_Tensor", scalar="mul_Scalar", commutes=True),
        _leaf("div", 2, infix="/", tensor="div_Tensor", scalar="div_Scalar"),
        _leaf("neg", 1, infix="-"),
        _leaf("eq", 2, result="B", infix="==", tensor="eq_Tensor", scalar="eq_Scalar"),
        _leaf("ne", 2, result="B", infix="!=", tensor="ne_Tensor", scalar="ne_Scalar"),
        _leaf("lt", 2, result="B", infix="<", tensor="lt_Tensor", scalar="lt_Scalar"),
        _leaf("le", 2, result="B", infix="<=", tensor="le_Tensor", scalar="le_Scalar"),
        _leaf("gt", 2, result="B", infix=">", tensor="gt_Tensor", scalar="gt_Scalar"),
        _leaf("ge", 2, result="B", infix=">=", tensor="ge_Tensor", scalar="ge_Scalar"),
        _leaf("and_", 2, result="B", infix="&", tensor="logical_and"),
        _leaf("or_", 2, result="B", infix="|", tensor="logical_or"),
        _leaf("xor_", 2, result="B", infix="!=", tensor="logical_xor"),
        _leaf("not_", 1, result="B", infix="!", tensor="logical_not"),
        _leaf("bit_and", 2, infix="&", tensor="bitwise_and_Tensor"),
        _leaf("bit_or", 2, infix="|", tensor="bitwise_or_Tensor"),
        _leaf("bit_xor", 2, infix="^", tensor="bitwise_xor_Tensor"),
        # Truth values are computed as bytes, of which one bit is theirs.
        _leaf(
            "bit_not",
            1,
            infix="~",
            loop="lit<T>(__is_same(T, uint8_t) ? 1 : -1) ^ ",
            tensor="bitwise_not",
        ),
        _leaf("where", 3, tensor="where_self", short=True),
        # composed: see trace.tensor_code
        _leaf("nonzero", 1, result="B", tensor="logical_not", short=True),
        _leaf("isnan", 1, result="B", short=True),
        _leaf("isinf", 1, result="B", short=True),
        _leaf("isfinite", 1, result="B", short=True),
        _leaf("signbit", 1, result="B"),
        _leaf("abs", 1, result="R", short=True),
        _leaf("angle", 1, result="R"),
        _leaf("real", 1, result="R", tensor="real", short=True),
        _leaf("imag", 1, result="R", tensor="imag", short=True),
        _leaf("conj", 1, tensor="conj", short=True),
        _leaf("sgn", 1),
        _leaf("mul_i", 1, tensor="formula::mul_i"),  # times the imaginary unit; 0 for real types
        _leaf(
            "pow",
            2,
            tensor="pow_Tensor_Tensor",
            scalar="pow_Tensor_Scalar",
            near_whole="power",
        ),
        _leaf("minimum", 2, short=True),
        _leaf("maximum", 2, short=True),
        _leaf(
            "at_least", 2, tensor="maximum", short=True
        ),  # of numbers, for bounds that are no NaN
        _leaf("at_most", 2, tensor="minimum", short=True),
        _leaf("atan2", 2),
        _leaf("fmod", 2, tensor="fmod_Tensor", near="quotient"),
        _leaf("remainder", 2, tensor="remainder_Tensor", near="quotient"),
        _leaf("floor_divide", 2, tensor="formula::floor_divide", near="quotient"),
        _leaf("trunc_divide", 2, tensor="formula::trunc_divide"),
        _leaf("left_shift", 2, tensor="bitwise_left_shift_Tensor", short=True),
        _leaf("right_shift", 2, tensor="bitwise_right_shift_Tensor", short=True),
        _leaf("sin", near="pi"),
        _leaf("cos", near="pi"),
        _leaf("gelu", near="centre"),
        _leaf("gelu_slope", near="centre"),
        _leaf("whole_power", 2),
        _leaf("round_scaled", 2),
        _leaf("trigamma", 1, tensor="_trigamma"),
        _leaf("polygamma", 2, tensor="_polygamma"),
        _leaf("zeta", 2, tensor="special_zeta"),
        *(_leaf(n, tensor=f"special_{n}") for n in "erfcx ndtri i0e i1 i1e".split()),
        *(
            _leaf(n, 2)
            for n in "fmin fmax hypot logaddexp nextafter gcd lcm igamma igammac".split()
        ),
        _leaf("copysign", 2, tensor="copysign_Tensor"),
        *(
            _leaf(n, short=True)
            for n in "sign sqrt rsqrt reciprocal floor ceil trunc round".split()
        ),
        *(
            _leaf(name)
            for name in (
                "exp exp2 expm1 log log2 log10 log1p tanh sigmoid silu silu_slope tan sinh cosh"
                " asin acos atan asinh acosh atanh erf erfc erfinv i0 lgamma digamma"
            ).split()
        ),
    ]
)
