"""A throw-away structured op, in one file: a list in, an optional argument, two results."""

from flambeau.ops.record import structured


@structured(
    "blend(Tensor[] tensors, Tensor? weight=None, *, float scale=1.0)"
    " -> (Tensor total, Tensor largest)",
    shape="blend(tensors, weight)",
    cpu="blend",
    source=r"""
namespace shape {
static std::array<Spec, 2> blend(TensorSpan tensors, const Tensor& weight) {
  check(!tensors.empty(), "blend: expected at least one tensor");
  const Tensor& first = tensors[0];
  for (const Tensor& t : tensors)
    check(std::ranges::equal(t.sizes(), first.sizes()) && t.dtype() == DType::float64,
          "blend: expected float64 tensors of one shape, got ", dtype_name(t.dtype()), " of shape ",
          show(t.sizes()));
  if (weight.defined())
    check(weight.numel() == static_cast<int64_t>(tensors.size()), "blend: expected ",
          tensors.size(), " weights, one for each tensor, got ", weight.numel());
  return {Spec{Dims(first.sizes()), first.dtype(), std::nullopt},
          Spec{Dims(first.sizes()), DType::int64, std::nullopt}};
}
}  // namespace shape

namespace cpu {
void blend(const Tensor& total, const Tensor& largest, TensorSpan tensors, const Tensor& weight,
           double scale) {
  const Tensor rows = entry::contiguous(entry::stack(tensors, 0), MemoryFormat::contiguous);
  const Tensor factors =
      weight.defined() ? entry::contiguous(weight, MemoryFormat::contiguous) : Tensor();
  const int64_t n = total.numel();
  for (int64_t i = 0; i < n; ++i) {
    double sum = 0;
    int64_t best = 0;
    for (size_t r = 0; r < tensors.size(); ++r) {
      const double x = rows.data<double>()[r * n + i];
      sum += x * (factors.defined() ? factors.data<double>()[r] : 1.0);
      if (x > rows.data<double>()[best * n + i]) best = static_cast<int64_t>(r);
    }
    total.data<double>()[i] = scale * sum;
    largest.data<int64_t>()[i] = best;
  }
}
}  // namespace cpu
""",
    differentiable=(0,),
    method=False,
    out=True,
    out_overload="total",
)
def blend():
    """The weighted sum of tensors, times ``scale``, and which of them is the largest in each place.

    >>> x = flambeau.tensor([1., 5.], dtype=flambeau.float64)
    >>> flambeau.blend((x, 2 * x), flambeau.tensor([1., 0.5], dtype=flambeau.float64)).total
    tensor([ 2., 10.], dtype=torch.float64)
    """


@blend.sharding
def _(tensors):
    return [{"tensors": d, "total": d, "largest": d} for d in range(tensors[0].dim())]


def parts(g, tensors, weight, scale, ops):
    made = []
    for i in range(len(tensors)):
        scaled = ops.mul_Scalar(g, scale)
        made.append(scaled if weight is None else scaled * ops.select_int(weight, 0, i))
    return made


def shares(g, tensors, scale, ops):
    scaled = ops.mul_Scalar(g, scale)
    return ops.stack([ops.sum(scaled * t) for t in tensors], 0)


@blend.gradient
def _(g, tensors, weight, scale, ops):
    return parts(g, tensors, weight, scale, ops), shares(g, tensors, scale, ops)
