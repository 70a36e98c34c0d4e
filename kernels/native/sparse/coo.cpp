// What tensors of layout sparse_coo consist of, and how they are put in order and made dense.

#include "kernels/native/sparse/coo.h"

#include "core/autograd/node.h"
#include "core/dispatch/backend.h"
#include "flambeau/ops/any.h"
#include "flambeau/ops/clamp_max.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/contiguous.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/cumsum.h"
#include "flambeau/ops/index_add.h"
#include "flambeau/ops/index_put.h"
#include "flambeau/ops/index_select.h"
#include "flambeau/ops/logical_or.h"
#include "flambeau/ops/masked_fill.h"
#include "flambeau/ops/max.h"
#include "flambeau/ops/min.h"
#include "flambeau/ops/ne.h"
#include "flambeau/ops/nonzero.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/searchsorted.h"
#include "flambeau/ops/select.h"
#include "flambeau/ops/slice.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/unique_consecutive.h"
#include "flambeau/ops/view.h"
#include "flambeau/ops/zeros.h"
#include "kernels/cpu/sparse/sparse.h"

namespace flambeau::inline v1::sparse {

Coo& coo_of(const char* op, const Tensor& t) {
  auto* const found = dynamic_cast<Coo*>(t.impl()->payload.get());
  if (!found)
    raise<NotImplementedError>(op, ": what a tensor of layout torch.", layout_name(t.layout()),
                               " consists of is known to the package that made it");
  return *found;
}

const Coo& expect_coo(const char* op, const Tensor& t) {
  check(is_coo(t), op, ": expected sparse coordinate tensor layout but got torch.",
        layout_name(t.layout()), ": convert it with .to_sparse()");
  return coo_of(op, t);
}

Tensor make(IntSpan sizes, Tensor indices, Tensor values, bool coalesced) {
  const TensorOptions options{values.dtype(), Device{}, Layout::sparse_coo};
  return with_payload(std::make_unique<Coo>(std::move(indices), std::move(values), coalesced),
                      sizes, options);
}

Tensor with_values(const Tensor& like, Tensor values, bool coalesced) {
  return make(like.sizes(), coo_of("sparse_coo", like).indices, std::move(values), coalesced);
}

Tensor without_elements(IntSpan sizes, int64_t sparse_dim, DType dtype) {
  Dims each{0};
  for (const int64_t n : sizes.subspan(static_cast<size_t>(sparse_dim))) each.push_back(n);
  return make(sizes, empty(Dims{sparse_dim, 0}, {DType::int64}), empty(each, {dtype}), false);
}

// ---- places

namespace {

[[noreturn]] void raise_out_of_range(const char* op, const Tensor& indices, IntSpan sizes,
                                     int64_t dim) {
  const Tensor line = entry::select_int(indices, 0, dim);
  const int64_t size = sizes[static_cast<size_t>(dim)];
  const int64_t least = entry::min(line).item().to_int(), most = entry::max(line).item().to_int();
  check(least >= 0, op, ": found negative index ", least, " for dim ", dim);
  raise(op, ": size is inconsistent with indices: for dim ", dim, ", size is ", size,
        " but found index ", most);
}

}  // namespace

Tensor flat_places(const char* op, const Tensor& indices, IntSpan sizes) {
  const Tensor flat = empty(Dims{indices.sizes()[1]}, {DType::int64});
  const int64_t wrong = cpu::flatten_places(flat, indices, sizes);
  if (wrong >= 0) raise_out_of_range(op, indices, sizes, wrong);
  return flat;
}

bool same_places(const Tensor& a, const Tensor& b) {
  return a.impl()->storage() == b.impl()->storage() && a.offset() == b.offset() &&
         same(a.sizes(), b.sizes()) && same(a.strides(), b.strides());
}

Tensor places_of(const Tensor& flat, IntSpan sizes) {
  const Tensor indices =
      empty(Dims{static_cast<int64_t>(sizes.size()), flat.numel()}, {DType::int64});
  cpu::unflatten_places(indices, flat, sizes);
  return indices;
}

// ---- order

namespace {

// The dtype in which a kernel adds up: integers are added modulo 2^64, halves in float.
DType sum_dtype(DType dtype) {
  if (is_complex(dtype) || dtype == DType::float64) return dtype;
  return is_floating(dtype) ? DType::float32 : DType::int64;
}

Tensor contiguous(const Tensor& t) { return entry::contiguous(t, MemoryFormat::contiguous); }

Tensor as(const Tensor& t, DType dtype) { return t.dtype() == dtype ? t : ops::to(t, dtype); }

int64_t inner_count(IntSpan dense) { return count(dense); }

}  // namespace

Tensor in_order(const char* op, const Tensor& t) {
  const Coo& of = coo_of(op, t);
  if (of.coalesced) return t;
  const IntSpan sizes = sparse_sizes(t, of);
  const Tensor flat = flat_places(op, of.indices, sizes);
  if (of.nnz() < 2 || cpu::grows(flat))
    return make(t.sizes(), ops::clone(of.indices), ops::clone(of.values), true);
  const auto [sorted, order] = ops::sort(flat, std::optional<bool>(true), 0, false);
  const auto [distinct, inverse, counts] = ops::unique_consecutive(sorted, false, true);
  const Tensor first = ops::zeros(Dims{distinct.numel() + 1}, DType::int64);
  ops::copy_(entry::slice_Tensor(first, 0, 1, std::nullopt, 1), entry::cumsum(counts, 0, {}));
  Dims each(of.values.sizes());
  each[0] = distinct.numel();
  const Tensor values = contiguous(as(of.values, sum_dtype(t.dtype())));
  const Tensor sums = empty(each, {values.dtype()});
  cpu::sum_segments(sums, values, order, first);
  return make(t.sizes(), places_of(distinct, sizes), as(sums, t.dtype()), true);
}

// ---- dense tensors

void add_into(const char* op, const Tensor& self, const Tensor& other, const Scalar& alpha) {
  const Coo& of = coo_of(op, other);
  if (other.dtype() == DType::boolean && !of.coalesced)
    return add_into(op, self, in_order(op, other), alpha);
  const Tensor flat = flat_places(op, of.indices, sparse_sizes(other, of));
  if (self.numel() == 0) return;
  const int64_t inner = inner_count(dense_sizes(other, of));
  const Tensor whole = contiguous(self);
  const Tensor rows = entry::view(whole, Dims{self.numel() / inner, inner});
  const Tensor values = entry::reshape(as(of.values, self.dtype()), Dims{of.nnz(), inner});
  if (self.dtype() == DType::boolean) {
    const Tensor sums = entry::logical_or(entry::index_select(rows, 0, flat), values);
    entry::index_put_(rows, TensorSpan(&flat, 1), sums, false);
  } else {
    entry::index_add_(rows, 0, flat, values, alpha);
  }
  if (!whole.is(self)) ops::copy_(self, whole);
}

Tensor dense_of(const char* op, const Tensor& t) {
  const Tensor made = ops::zeros(t.sizes(), t.dtype());
  add_into(op, made, t, Scalar(int64_t{1}));
  return made;
}

Tensor elements_at(const char* op, const Tensor& t, const Tensor& indices) {
  const auto dims = static_cast<size_t>(indices.sizes()[0]);
  const IntSpan sizes = t.sizes().first(dims);
  if (!is_coo(t)) {
    const Tensor flat = flat_places(op, indices, sizes);
    Dims rows{count(sizes)};
    for (const int64_t n : t.sizes().subspan(dims)) rows.push_back(n);
    return entry::index_select(entry::reshape(t, rows), 0, flat);
  }
  const Tensor sorted = in_order(op, t);
  const Coo& of = coo_of(op, sorted);
  check(of.indices.sizes()[0] == indices.sizes()[0], op, ": expected a tensor of ",
        indices.sizes()[0], " sparse dimensions, got ", of.indices.sizes()[0]);
  if (same_places(of.indices, indices)) return of.values;
  const Tensor flat = flat_places(op, indices, sizes);
  if (of.nnz() == 0) {
    Dims each(of.values.sizes());
    each[0] = flat.numel();
    return ops::zeros(each, t.dtype());
  }
  const Tensor own = flat_places(op, of.indices, sizes);
  const Tensor at = ops::clamp_max(ops::searchsorted(own, flat), Scalar(own.numel() - 1));
  Dims mask_sizes(static_cast<size_t>(of.values.dim()), 1);
  mask_sizes[0] = flat.numel();
  const Tensor absent = ops::ne(entry::index_select(own, 0, at), flat);
  return ops::masked_fill(entry::index_select(of.values, 0, at), entry::view(absent, mask_sizes),
                          Scalar(int64_t{0}));
}

Tensor from_dense(const Tensor& t, int64_t sparse_dim) {
  const IntSpan outer = t.sizes().first(static_cast<size_t>(sparse_dim));
  const IntSpan inner = t.sizes().subspan(static_cast<size_t>(sparse_dim));
  Dims rows{count(outer)};
  for (const int64_t n : inner) rows.push_back(n);
  const Tensor all = entry::reshape(t, rows);
  Tensor there = entry::ne_Scalar(all, Scalar(int64_t{0}));
  if (!inner.empty()) {
    const int64_t width = inner_count(inner);
    there = width ? entry::any_dim(entry::view(there, Dims{rows[0], width}), 1, false)
                  : ops::zeros(Dims{rows[0]}, DType::boolean);
  }
  const Tensor flat = entry::view(entry::nonzero(there), Dims{-1});
  return make(t.sizes(), places_of(flat, outer), entry::index_select(all, 0, flat), true);
}

void take(const Tensor& self, const Tensor& from) {
  self.impl()->payload = coo_of("sparse_coo", from).shared();
  bump_version(self);
}

}  // namespace flambeau::inline v1::sparse
