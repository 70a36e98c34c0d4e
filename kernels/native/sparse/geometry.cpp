// Other geometry for sparse tensors: the parts are taken as they are, or some of their columns.

#include "flambeau/ops/add.h"
#include "flambeau/ops/arange.h"
#include "flambeau/ops/cat.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/cumsum.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/eq.h"
#include "flambeau/ops/ge.h"
#include "flambeau/ops/index_select.h"
#include "flambeau/ops/logical_and.h"
#include "flambeau/ops/lt.h"
#include "flambeau/ops/nonzero.h"
#include "flambeau/ops/permute.h"
#include "flambeau/ops/remainder.h"
#include "flambeau/ops/repeat_interleave.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/searchsorted.h"
#include "flambeau/ops/select.h"
#include "flambeau/ops/slice.h"
#include "flambeau/ops/sort.h"
#include "flambeau/ops/sub.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/view.h"
#include "flambeau/ops/zeros.h"
#include "kernels/native/sparse/coo.h"
#include "kernels/native/sparse/ops.h"

namespace flambeau::inline v1::sparse {
namespace {

Tensor row(const Coo& of, int64_t dim) { return entry::select_int(of.indices, 0, dim); }

Tensor vector_of(IntSpan numbers) {
  const Tensor t = empty(Dims{static_cast<int64_t>(numbers.size())}, {DType::int64});
  std::copy(numbers.begin(), numbers.end(), t.data<int64_t>());
  return t;
}

Dims all_but(int64_t n, int64_t left_out) {
  Dims kept;
  for (int64_t d = 0; d < n; ++d)
    if (d != left_out) kept.push_back(d);
  return kept;
}

Tensor chosen(const Tensor& mask) { return entry::view(entry::nonzero(mask), Dims{-1}); }

}  // namespace

Tensor permuted(const char* op, const Tensor& t, IntSpan order) {
  const Coo& of = coo_of(op, t);
  const int64_t n = of.sparse_dim();
  Dims sizes, dense{0};
  bool coalesced = of.coalesced;
  for (int64_t d = 0; d < t.dim(); ++d) {
    const int64_t from = order[static_cast<size_t>(d)];
    check((from < n) == (d < n), op,
          ": transposed dimensions must be both sparse or both dense: ", n, " of the ", t.dim(),
          " dimensions of shape ", show(t.sizes()), " are sparse");
    sizes.push_back(t.sizes()[static_cast<size_t>(from)]);
    if (d >= n) dense.push_back(from - n + 1);
    coalesced &= d >= n || from == d;
  }
  const Tensor places = vector_of(order.first(static_cast<size_t>(n)));
  return make(sizes, entry::index_select(of.indices, 0, places), entry::permute(of.values, dense),
              coalesced);
}

Tensor transposed(const char* op, const Tensor& t, int64_t a, int64_t b) {
  Dims order;
  for (int64_t d = 0; d < t.dim(); ++d) order.push_back(d);
  const int64_t i = wrap_dim(a, t.dim(), op), j = wrap_dim(b, t.dim(), op);
  if (t.dim()) std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(j)]);
  return permuted(op, t, order);
}

Tensor unsqueezed(const Tensor& t, int64_t dim) {
  constexpr const char* op = "unsqueeze";
  const Coo& of = coo_of(op, t);
  const int64_t d = wrap_dim(dim, t.dim() + 1, op), n = of.sparse_dim();
  Dims sizes(t.sizes());
  sizes.insert(static_cast<size_t>(d), 1);
  if (d > n) return make(sizes, of.indices, entry::unsqueeze(of.values, d - n + 1), of.coalesced);
  const Tensor rows[] = {entry::slice_Tensor(of.indices, 0, 0, d, 1),
                         ops::zeros(Dims{1, of.nnz()}, DType::int64),
                         entry::slice_Tensor(of.indices, 0, d, n, 1)};
  return make(sizes, entry::cat(rows, 0), of.values, of.coalesced);
}

Tensor squeezed(const Tensor& t, std::optional<IntSpan> dims) {
  constexpr const char* op = "squeeze";
  const Coo& of = coo_of(op, t);
  const int64_t n = of.sparse_dim();
  std::vector<bool> asked(static_cast<size_t>(t.dim()), !dims);
  if (dims)
    for (const int64_t d : *dims) {
      const int64_t wrapped = wrap_dim(d, t.dim(), op);
      if (t.dim()) asked[static_cast<size_t>(wrapped)] = true;
    }
  Dims sizes, rows, dense{of.nnz()};
  for (int64_t d = 0; d < t.dim(); ++d) {
    const int64_t size = t.sizes()[static_cast<size_t>(d)];
    if (size == 1 && asked[static_cast<size_t>(d)]) continue;
    sizes.push_back(size);
    if (d < n)
      rows.push_back(d);
    else
      dense.push_back(size);
  }
  flat_places(op, of.indices, sparse_sizes(t, of));  // what is left out is 0
  return make(sizes, entry::index_select(of.indices, 0, vector_of(rows)),
              entry::reshape(of.values, dense), of.coalesced);
}

Tensor selected(const char* op, const Tensor& t, int64_t dim, int64_t index) {
  const Coo& of = coo_of(op, t);
  check<IndexError>(t.dim() > 0, op, ": select() cannot be applied to a 0-dim tensor.");
  const int64_t d = wrap_dim(dim, t.dim(), op), n = of.sparse_dim();
  const int64_t size = t.sizes()[static_cast<size_t>(d)];
  check<IndexError>(index >= -size && index < size, op, ": index ", index,
                    " out of range for tensor of size ", show(t.sizes()), " at dimension ", d);
  const int64_t at = index < 0 ? index + size : index;
  Dims sizes(t.sizes());
  sizes.erase(static_cast<size_t>(d));
  if (d >= n)
    return make(sizes, of.indices, entry::select_int(of.values, d - n + 1, at), of.coalesced);
  const Tensor columns = chosen(entry::eq_Scalar(row(of, d), Scalar(at)));
  const Tensor values = entry::index_select(of.values, 0, columns);
  if (n == 1) return entry::sum_dim_IntList(values, Dims{0}, false, t.dtype());
  const Tensor rows = entry::index_select(of.indices, 0, vector_of(all_but(n, d)));
  return make(sizes, entry::index_select(rows, 1, columns), values, of.coalesced);
}

Tensor sliced(const Tensor& t, int64_t dim, std::optional<int64_t> start,
              std::optional<int64_t> end, int64_t step) {
  constexpr const char* op = "slice";
  const Coo& of = coo_of(op, t);
  check(t.dim() > 0, op, ": slice() cannot be applied to a 0-dim tensor.");
  check(step > 0, op, ": slice step must be positive, got ", step);
  const int64_t d = wrap_dim(dim, t.dim(), op), n = of.sparse_dim();
  const int64_t size = t.sizes()[static_cast<size_t>(d)];
  const auto place = [size](int64_t i) {
    return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size);
  };
  const int64_t first = place(start.value_or(0));
  const int64_t last = std::max(first, place(end.value_or(size)));
  Dims sizes(t.sizes());
  sizes[static_cast<size_t>(d)] = (last - first) / step + ((last - first) % step != 0);
  if (d >= n)
    return make(sizes, of.indices, entry::slice_Tensor(of.values, d - n + 1, first, last, step),
                of.coalesced);
  const Tensor line = row(of, d);
  Tensor there =
      ops::logical_and(entry::ge_Scalar(line, Scalar(first)), entry::lt_Scalar(line, Scalar(last)));
  const Tensor from_first = entry::sub_Scalar(line, Scalar(first), Scalar(int64_t{1}));
  if (step > 1)
    there = ops::logical_and(
        there, entry::eq_Scalar(entry::remainder_Scalar(from_first, Scalar(step)), Scalar(0)));
  const Tensor columns = chosen(there);
  const Tensor indices = entry::index_select(of.indices, 1, columns);
  const Tensor moved = entry::index_select(from_first, 0, columns);
  ops::copy_(entry::select_int(indices, 0, d),
             step > 1 ? ops::div(moved, Scalar(step), std::string_view("floor")) : moved);
  return make(sizes, indices, entry::index_select(of.values, 0, columns), of.coalesced);
}

Tensor index_selected(const Tensor& t, int64_t dim, const Tensor& index) {
  constexpr const char* op = "index_select";
  const Coo& of = coo_of(op, t);
  check<IndexError>(t.dim() > 0, op, ": cannot be applied to a 0-dim sparse tensor");
  const int64_t d = wrap_dim(dim, t.dim(), op), n = of.sparse_dim();
  check<IndexError>(index.dim() <= 1, op, ": Index should have dimension 1 or 0, got ",
                    index.dim());
  check(index.dtype() == DType::int64 || index.dtype() == DType::int32, op,
        ": Expected dtype int32/int64 for index, got ", dtype_name(index.dtype()));
  Dims sizes(t.sizes());
  sizes[static_cast<size_t>(d)] = index.numel();
  if (d >= n)
    return make(sizes, of.indices, entry::index_select(of.values, d - n + 1, index), of.coalesced);
  const int64_t size = t.sizes()[static_cast<size_t>(d)];
  const Tensor wanted = entry::reshape(ops::to(index, DType::int64), Dims{-1});
  const Tensor numbers = ops::arange(Scalar(size), DType::int64);
  const Tensor places = entry::index_select(numbers, 0, wanted);  // which looks at the range
  const auto [line, order] = ops::sort(row(of, d), std::optional<bool>(true), 0, false);
  const Tensor first = ops::searchsorted(line, places);
  const Tensor counts = ops::sub(ops::searchsorted(line, places, false, true), first);
  const Tensor which = ops::repeat_interleave(counts);
  const Tensor before = ops::sub(ops::cumsum(counts, 0), counts);
  const Tensor within = ops::sub(ops::arange(Scalar(which.numel()), DType::int64),
                                 entry::index_select(before, 0, which));
  const Tensor columns =
      entry::index_select(order, 0, ops::add(entry::index_select(first, 0, which), within));
  const Tensor indices = entry::index_select(of.indices, 1, columns);
  ops::copy_(entry::select_int(indices, 0, d), which);
  return make(sizes, indices, entry::index_select(of.values, 0, columns), false);
}

Tensor joined(const char* op, TensorSpan list, int64_t dim) {
  for (size_t i = 0; i < list.size(); ++i)
    check(is_coo(list[i]), op,
          ": Concatenating sparse tensors, but a dense tensor was found at "
          "position ",
          i, ".");
  const Tensor& like = list[0];
  const int64_t n = coo_of(op, like).sparse_dim();
  check(like.dim() > 0, op, ": zero-dimensional tensor (at position 0) cannot be concatenated");
  const int64_t d = wrap_dim(dim, like.dim(), op);
  Dims sizes(like.sizes());
  sizes[static_cast<size_t>(d)] = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    const Tensor& t = list[i];
    bool fits = t.dim() == like.dim() && coo_of(op, t).sparse_dim() == n;
    for (int64_t k = 0; fits && k < t.dim(); ++k)
      fits = k == d || t.sizes()[static_cast<size_t>(k)] == sizes[static_cast<size_t>(k)];
    check(fits, op, ": All tensors must have the same shape: ", show(like.sizes()), " and ",
          show(t.sizes()),
          " (except in the concatenating dimension), and the same number of "
          "sparse dimensions");
    sizes[static_cast<size_t>(d)] += t.sizes()[static_cast<size_t>(d)];
  }
  TensorVec indices, values;
  int64_t before = 0;
  for (const Tensor& t : list) {
    const Coo& of = coo_of(op, t);
    const int64_t size = t.sizes()[static_cast<size_t>(d)];
    indices.push_back(of.indices);
    values.push_back(of.values);
    if (d < n) {
      flat_places(op, of.indices, sparse_sizes(t, of));
      indices.back() = ops::clone(of.indices);
      entry::add__Scalar(entry::select_int(indices.back(), 0, d), Scalar(before),
                         Scalar(int64_t{1}));
    } else {  // zeros before and behind
      Dims room(of.values.sizes());
      const auto place = static_cast<size_t>(d - n + 1);
      room[place] = before;
      const Tensor left = ops::zeros(room, t.dtype());
      room[place] = sizes[static_cast<size_t>(d)] - before - size;
      const Tensor parts[] = {left, of.values, ops::zeros(room, t.dtype())};
      values.back() = entry::cat(parts, d - n + 1);
    }
    before += size;
  }
  return make(sizes, entry::cat(indices, 1), entry::cat(values, 0), false);
}

}  // namespace flambeau::inline v1::sparse
