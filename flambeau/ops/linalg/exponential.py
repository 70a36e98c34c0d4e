"""The exponential of matrices."""

from flambeau.ops.language import Error, Spec, is_differentiable, scalar_type_name, show
from flambeau.ops.linalg.checks import adjoint, check_matrix
from flambeau.ops.record import COMPLEX, FLOATING, composite, structured
from flambeau.ops.samples import Lazy, call, values


@structured(
    "linalg_matrix_exp(Tensor self) -> Tensor",
    cpu="matrix_exp",
    out=True,
    module="_linalg",
    method=False,
)
def linalg_matrix_exp():
    """The exponential of square matrices, the sum of ``A^k / k!``.

    >>> flambeau.linalg.matrix_exp(flambeau.tensor([[0., 1.], [0., 0.]]))
    tensor([[1., 1.],
            [0., 1.]])
    """


linalg_matrix_exp.samples(
    call(values(3, 3)),
    call(values(2, 2, 2, low=-4, high=4)),
    call(values(0, 0)),
    dtypes=FLOATING | COMPLEX,
)
linalg_matrix_exp.reference(Lazy("scipy.linalg.expm"), tolerance=256)
linalg_matrix_exp.batching("front")
linalg_matrix_exp.without("jvp", "decomposition", "sharding", "autocast")
linalg_matrix_exp.benchmark(call(values(64, 64)))


@linalg_matrix_exp.rule
def _(self):
    check_matrix("linalg.matrix_exp", self, "A")
    if not is_differentiable(self.dtype):
        raise Error(
            "linalg.matrix_exp: Expected a floating point or complex tensor as input. Got "
            f"{scalar_type_name(self.dtype)}: convert with .to(torch.float32)"
        )
    if self.shape[-1] != self.shape[-2]:
        raise Error(
            "linalg.matrix_exp: A must be batches of square matrices, but they are "
            f"{self.shape[-2]} by {self.shape[-1]} matrices, in shape {show(self.shape)}"
        )
    return Spec(self.shape, self.dtype)


@linalg_matrix_exp.gradient
def _(g, self, ops):
    # exp of [A^H g; 0 A^H] has the derivative in the direction of g beside exp(A^H).
    turned = adjoint(self, ops)
    n = self.shape[-1]
    above = ops.cat([turned, g], -1)
    below = ops.cat([ops.zeros_like(turned), turned], -1)
    both = ops.linalg_matrix_exp(ops.cat([above, below], -2))
    return ops.slice_Tensor(ops.slice_Tensor(both, -2, 0, n), -1, n, 2 * n)


@composite("matrix_exp(Tensor self) -> Tensor")
def matrix_exp(self, ops):
    """The exponential of square matrices: ``linalg.matrix_exp``.

    >>> flambeau.matrix_exp(flambeau.tensor([[0., 1.], [0., 0.]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return ops.linalg_matrix_exp(self)


matrix_exp.samples(call(values(3, 3)), call(values(2, 2, 2)), dtypes=FLOATING | COMPLEX)
matrix_exp.benchmark(call(values(64, 64)))
