// Sums and products over the elements that there are.

#include "flambeau/ops/add.h"
#include "flambeau/ops/arange.h"
#include "flambeau/ops/contiguous.h"
#include "flambeau/ops/cumsum.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/index_select.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/repeat_interleave.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/searchsorted.h"
#include "flambeau/ops/select.h"
#include "flambeau/ops/stack.h"
#include "flambeau/ops/sub.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/t.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/view.h"
#include "flambeau/ops/zeros.h"
#include "kernels/cpu/sparse/sparse.h"
#include "kernels/native/sparse/coo.h"
#include "kernels/native/sparse/ops.h"

namespace flambeau::inline v1::sparse {
namespace {

Tensor contiguous(const Tensor& t) { return entry::contiguous(t, MemoryFormat::contiguous); }

// Kernels add halves in float, and integers modulo 2^64.
DType wide(DType dtype) {
  if (is_complex(dtype) || dtype == DType::float64) return dtype;
  return is_floating(dtype) ? DType::float32 : DType::int64;
}

// A matrix in order of its rows: where each row begins, and which columns have its elements.
struct Rows {
  Tensor first, col, values;
};

Rows rows_of(const char* op, const Tensor& t) {
  const Tensor sorted = in_order(op, t);
  const Coo& of = coo_of(op, sorted);
  flat_places(op, of.indices, sorted.sizes());  // all are in range, whoever said so
  const Tensor row = entry::select_int(of.indices, 0, 0);
  const Tensor each = ops::arange(Scalar(sorted.sizes()[0] + 1), DType::int64);
  return {ops::searchsorted(contiguous(row), each), contiguous(entry::select_int(of.indices, 0, 1)),
          contiguous(of.values)};
}

void check_matrix(const char* op, const Tensor& t, const char* which) {
  check(t.dim() == 2, op, ": ", which, " must be a matrix, got ", t.dim(), "-D tensor of shape ",
        show(t.sizes()));
  if (is_coo(t))
    check(coo_of(op, t).sparse_dim() == 2, op, ": ", which,
          " must have 2 sparse dimensions and no dense one, got ", coo_of(op, t).sparse_dim(),
          " and ", coo_of(op, t).dense_dim());
}

// For each element of a, the elements of the row of b that its column names.
Tensor both_sparse(const char* op, const Tensor& a, const Tensor& b) {
  const Coo& left = coo_of(op, a);
  flat_places(op, left.indices, a.sizes());
  const Rows right = rows_of(op, b);
  const Tensor inner = entry::select_int(left.indices, 0, 1);
  const Tensor first = entry::index_select(right.first, 0, inner);
  const Tensor last = entry::index_select(
      right.first, 0, entry::add_Scalar(inner, Scalar(int64_t{1}), Scalar(int64_t{1})));
  const Tensor counts = ops::sub(last, first);
  const Tensor of_a = ops::repeat_interleave(counts);
  const Tensor before = ops::sub(ops::cumsum(counts, 0), counts);
  const Tensor within = ops::sub(ops::arange(Scalar(of_a.numel()), DType::int64),
                                 entry::index_select(before, 0, of_a));
  const Tensor of_b = ops::add(entry::index_select(first, 0, of_a), within);
  const Tensor places[] = {entry::index_select(entry::select_int(left.indices, 0, 0), 0, of_a),
                           entry::index_select(right.col, 0, of_b)};
  const Tensor values = ops::mul(entry::index_select(left.values, 0, of_a),
                                 entry::index_select(right.values, 0, of_b));
  const Tensor made =
      make(Dims{a.sizes()[0], b.sizes()[1]}, entry::stack(places, 0), values, false);
  return in_order(op, made);
}

Tensor first_sparse(const char* op, const Tensor& a, const Tensor& b) {
  const DType dtype = a.dtype(), sums = wide(dtype);
  const Rows rows = rows_of(op, a);
  const Tensor made = ops::zeros(Dims{a.sizes()[0], b.sizes()[1]}, sums);
  cpu::add_sparse_product(made, rows.first, rows.col, ops::to(rows.values, sums),
                          contiguous(ops::to(b, sums)));
  return ops::to(made, dtype);
}

}  // namespace

Tensor product(const char* op, const Tensor& a, const Tensor& b) {
  check_matrix(op, a, "mat1");
  check_matrix(op, b, "mat2");
  check(a.sizes()[1] == b.sizes()[0], op, ": mat1 and mat2 shapes cannot be multiplied (",
        a.sizes()[0], "x", a.sizes()[1], " and ", b.sizes()[0], "x", b.sizes()[1], ")");
  check(a.dtype() == b.dtype(), op,
        ": expected m1 and m2 to have the same dtype, but got: ", dtype_name(a.dtype()),
        " != ", dtype_name(b.dtype()), "; convert one with .to()");
  check(a.dtype() != DType::boolean, op,
        ": not implemented for bool: convert with .to(torch.float32) first");
  if (is_coo(a) && is_coo(b)) return both_sparse(op, a, b);
  if (is_coo(a)) return first_sparse(op, a, b);
  return entry::t(first_sparse(op, transposed(op, b, 0, 1), entry::t(a)));
}

Tensor batched_product(const Tensor& a, const Tensor& b) {
  constexpr const char* op = "bmm";
  check(is_coo(a) && !is_coo(b), op,
        ": of batches the first one may be sparse and the second may not: convert the second with "
        ".to_dense()");
  check(a.dim() == 3 && b.dim() == 3 && coo_of(op, a).sparse_dim() == 3, op,
        ": batch1 and batch2 must be 3D tensors, batch1 with 3 sparse dimensions, got shapes ",
        show(a.sizes()), " and ", show(b.sizes()));
  const int64_t n = a.sizes()[0], rows = a.sizes()[1], inner = a.sizes()[2], m = b.sizes()[2];
  check(b.sizes()[0] == n && b.sizes()[1] == inner, op,
        ": Expected size for first two dimensions of batch2 tensor to be: [", n, ", ", inner,
        "] but got: [", b.sizes()[0], ", ", b.sizes()[1], "].");
  // One matrix with a block for each item.
  const Coo& of = coo_of(op, a);
  flat_places(op, of.indices, a.sizes());
  const Tensor item = entry::select_int(of.indices, 0, 0);
  const Tensor places[] = {ops::add(entry::select_int(of.indices, 0, 1), item, Scalar(rows)),
                           ops::add(entry::select_int(of.indices, 0, 2), item, Scalar(inner))};
  const Tensor blocks =
      make(Dims{n * rows, n * inner}, entry::stack(places, 0), of.values, of.coalesced);
  return entry::view(product(op, blocks, entry::reshape(b, Dims{n * inner, m})), Dims{n, rows, m});
}

Tensor added_product(const char* op, const Tensor& self, const Tensor& a, const Tensor& b,
                     const Scalar& beta, const Scalar& alpha) {
  const Tensor made = product(op, a, b);
  check(self.dtype() == made.dtype(), op, ": expected self and mat1 to have the same dtype, got ",
        dtype_name(self.dtype()), " and ", dtype_name(made.dtype()));
  const bool none = beta.equal(0);
  if (is_coo(self)) {
    check(is_coo(made), op,
          ": a strided product is not added to a sparse tensor: convert self "
          "with .to_dense()");
    check(same(self.sizes(), made.sizes()), op, ": expected self of shape ", show(made.sizes()),
          ", got ", show(self.sizes()));
    const Coo& of = coo_of(op, self);
    if (none) return with_values(made, ops::mul(coo_of(op, made).values, alpha), true);
    return sum_of(op, with_values(self, ops::mul(of.values, beta), of.coalesced), made, alpha);
  }
  const Dims sizes = broadcast(self.sizes(), made.sizes(), op);
  check(same(sizes, made.sizes()), op, ": self of shape ", show(self.sizes()),
        " does not broadcast to the product's, ", show(made.sizes()));
  if (none && !is_coo(made)) return ops::mul(made, alpha);
  const Tensor whole = entry::expand(self, sizes, false);
  const Tensor scaled = none ? ops::zeros(sizes, made.dtype()) : ops::mul(whole, beta);
  if (is_coo(made)) return sum_of(op, scaled, made, alpha);
  return ops::add(scaled, made, alpha);
}

// ---- sums

namespace {

// What a sum over some dimensions does with each: sparse ones that stay, as rows of the indices,
// and dense ones that go, as dimensions of the values.
struct Summed {
  Summed(const char* op, const Tensor& t, const Coo& of, IntSpan dims)
      : gone(static_cast<size_t>(t.dim()), dims.empty()) {
    for (const int64_t d : dims) {
      const int64_t wrapped = wrap_dim(d, t.dim(), op);
      if (!t.dim()) continue;
      check(!gone[static_cast<size_t>(wrapped)], op, ": dim ", wrapped,
            " appears multiple times in the list of dims");
      gone[static_cast<size_t>(wrapped)] = true;
    }
    Dims kept;
    for (int64_t d = 0; d < t.dim(); ++d) {
      const auto at = static_cast<size_t>(d);
      const bool sparse = d < of.sparse_dim();
      if (!gone[at]) sizes.push_back(t.sizes()[at]);
      if (gone[at] && !sparse) over.push_back(d - of.sparse_dim() + 1);
      if (!gone[at] && sparse) kept.push_back(d);
    }
    rows = empty(Dims{static_cast<int64_t>(kept.size())}, {DType::int64});
    std::copy(kept.begin(), kept.end(), rows.data<int64_t>());
  }
  std::vector<bool> gone;
  Dims sizes, over;
  Tensor rows;
};

}  // namespace

Tensor summed(const char* op, const Tensor& t, IntSpan dims, bool keepdim,
              std::optional<DType> dtype) {
  const Coo& of = coo_of(op, t);
  const Summed plan(op, t, of, dims);
  const DType sums = dtype ? *dtype : is_integral(t.dtype(), true) ? DType::int64 : t.dtype();
  Tensor values = ops::to(of.values, sums);
  if (!plan.over.empty()) values = entry::sum_dim_IntList(values, plan.over, false, sums);
  Tensor made;
  if (plan.rows.numel() == 0) {
    made = entry::sum_dim_IntList(values, Dims{0}, false, sums);
  } else {
    const bool as_it_was = plan.rows.numel() == of.sparse_dim() && of.coalesced;
    made = in_order(
        op, make(plan.sizes, entry::index_select(of.indices, 0, plan.rows), values, as_it_was));
  }
  if (keepdim)
    for (int64_t d = 0; d < t.dim(); ++d)
      if (plan.gone[static_cast<size_t>(d)])
        made = is_coo(made) ? unsqueezed(made, d) : entry::unsqueeze(made, d);
  return made;
}

Tensor spread(const char* op, const Tensor& sum, const Tensor& t, IntSpan dims) {
  const Coo& of = coo_of(op, t);
  const Summed plan(op, t, of, dims);
  check(same(sum.sizes(), plan.sizes), op, ": expected a gradient of shape ", show(plan.sizes),
        ", got ", show(sum.sizes()));
  const bool all = plan.rows.numel() == 0;
  check(!all || !is_coo(sum), op, ": expected a strided gradient of a strided sum");
  Tensor each = all ? entry::unsqueeze(sum, 0)
                    : elements_at(op, sum, entry::index_select(of.indices, 0, plan.rows));
  for (const int64_t d : plan.over) each = entry::unsqueeze(each, d);
  return entry::contiguous(entry::expand(each, of.values.sizes(), false), MemoryFormat::contiguous);
}

}  // namespace flambeau::inline v1::sparse
