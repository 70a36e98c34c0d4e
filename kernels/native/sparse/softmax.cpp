// Softmax over the elements that there are: the others count as minus infinity.

#include "flambeau/kernels/order.h"
#include "flambeau/kernels/sparse.h"
#include "flambeau/ops/_unique2.h"
#include "flambeau/ops/amax.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/exp.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/index_add.h"
#include "flambeau/ops/index_select.h"
#include "flambeau/ops/log.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/scatter_reduce.h"
#include "flambeau/ops/select.h"
#include "flambeau/ops/stack.h"
#include "flambeau/ops/sub.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/view.h"
#include "flambeau/ops/zeros.h"
#include "kernels/native/sparse/coo.h"
#include "kernels/native/sparse/ops.h"

namespace flambeau::inline v1::native {

using namespace sparse;

namespace {

// The elements of a tensor as lines over one dimension: those of a sparse one, brought together by
// their other sparse indices, or a dimension of the values.
struct Lines {
  Lines(const char* op, const Tensor& t, int64_t dim) : sorted(in_order(op, t)) {
    check(t.is_floating(), op, ": expected a floating dtype, got ", dtype_name(t.dtype()));
    const Coo& of = coo_of(op, sorted);
    const int64_t d = wrap_dim(dim, t.dim(), op), n = of.sparse_dim();
    values = of.values;
    along = d - n + 1;
    if (d >= n || of.nnz() == 0) return;
    along = 0;
    Dims sizes;
    TensorVec rows;
    for (int64_t k = 0; k < n; ++k) {
      if (k == d) continue;
      sizes.push_back(t.sizes()[static_cast<size_t>(k)]);
      rows.push_back(entry::select_int(of.indices, 0, k));
    }
    const Tensor zeros = ops::zeros(Dims{of.nnz()}, DType::int64);
    const Tensor line = rows.empty() ? zeros : flat_places(op, entry::stack(rows, 0), sizes);
    const auto [distinct, which, counts] = ops::_unique2(line, true, true);
    group = which;
    groups = distinct.numel();
  }

  // The sum of each line, at each of its elements.
  Tensor sums(const Tensor& elements) const {
    if (!group.defined()) return entry::sum_dim_IntList(elements, Dims{along}, true, {});
    Dims sizes(elements.sizes());
    sizes[0] = groups;
    const Tensor all = ops::zeros(sizes, elements.dtype());
    entry::index_add_(all, 0, group, elements, Scalar(int64_t{1}));
    return entry::index_select(all, 0, group);
  }
  Tensor maxima() const {
    if (!group.defined()) return entry::amax(values, Dims{along}, true);
    Dims sizes(values.sizes()), shape(static_cast<size_t>(values.dim()), 1);
    sizes[0] = groups;
    shape[0] = group.numel();
    const Tensor all = ops::zeros(sizes, values.dtype());
    const Tensor index = entry::expand(entry::view(group, shape), values.sizes(), false);
    return entry::index_select(
        entry::scatter_reduce_two(all, 0, index, values, "amax", /*include_self=*/false), 0, group);
  }

  Tensor sorted, values, group;
  int64_t along = 0, groups = 0;
};

Tensor softmax(const char* op, const Tensor& self, int64_t dim, bool half_to_float, bool log) {
  expect_coo(op, self);
  check<NotImplementedError>(!half_to_float, op, ": half_to_float=True is not supported");
  const Lines lines(op, self, dim);
  if (lines.values.numel() == 0) return lines.sorted;
  const Tensor shifted = ops::sub(lines.values, lines.maxima());
  const Tensor powers = ops::exp(shifted);
  const Tensor sums = lines.sums(powers);
  return with_values(lines.sorted, log ? ops::sub(shifted, ops::log(sums)) : ops::div(powers, sums),
                     true);
}

Tensor backward(const char* op, const Tensor& grad_output, const Tensor& output, int64_t dim,
                bool log) {
  expect_coo(op, output);
  check(same(grad_output.sizes(), output.sizes()), op, ": grad and output sizes must match, got ",
        show(grad_output.sizes()), " and ", show(output.sizes()));
  const Lines lines(op, output, dim);
  if (lines.values.numel() == 0) return lines.sorted;
  const Tensor g = elements_at(op, grad_output, coo_of(op, lines.sorted).indices);
  const Tensor& y = lines.values;
  const Tensor made = log ? ops::sub(g, ops::mul(ops::exp(y), lines.sums(g)))
                          : ops::mul(y, ops::sub(g, lines.sums(ops::mul(g, y))));
  return with_values(lines.sorted, made, true);
}

void check_like(const char* op, const Tensor& output, const Tensor& self) {
  check(same(output.sizes(), self.sizes()), op, ": output and self sizes must match, got ",
        show(output.sizes()), " and ", show(self.sizes()));
}

}  // namespace

Tensor _sparse_softmax(const Tensor& self, int64_t dim, bool half_to_float) {
  return softmax("_sparse_softmax", self, dim, half_to_float, false);
}
Tensor _sparse_log_softmax(const Tensor& self, int64_t dim, bool half_to_float) {
  return softmax("_sparse_log_softmax", self, dim, half_to_float, true);
}
Tensor _sparse_softmax_backward_data(const Tensor& grad_output, const Tensor& output, int64_t dim,
                                     const Tensor& self) {
  check_like("_sparse_softmax_backward_data", output, self);
  return backward("_sparse_softmax_backward_data", grad_output, output, dim, false);
}
Tensor _sparse_log_softmax_backward_data(const Tensor& grad_output, const Tensor& output,
                                         int64_t dim, const Tensor& self) {
  check_like("_sparse_log_softmax_backward_data", output, self);
  return backward("_sparse_log_softmax_backward_data", grad_output, output, dim, true);
}

}  // namespace flambeau::inline v1::native
