#include "kernels/cpu/index/index.h"

#include <algorithm>
#include <span>
#include <vector>

#include "flambeau/kernels/index.h"
#include "kernels/cpu/index/indexed.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

using Fault = IndexRange::Fault;

int64_t item_of(const Tensor& t) { return static_cast<int64_t>(t.itemsize()); }

// A 0-dim tensor as one of one element.
Tensor at_least_1d(const Tensor& t) {
  if (t.dim() > 0) return t;
  return Tensor::alias(t, {{1}}, {{1}}, t.offset());
}

bool is_half(DType dtype) { return is_floating(dtype) && itemsize(dtype) == 2; }

// One, as accumulate() takes a factor of this dtype.
struct Factor {
  alignas(16) char bytes[16];
  Factor(const Scalar& value, DType dtype) {
    value.store(bytes, is_half(dtype) ? DType::float32 : dtype);
  }
};

// `t` in float, apart from the repetitions of its expanded dimensions.
Tensor in_float(const Tensor& t) {
  Dims sizes(t.sizes());
  for (size_t d = 0; d < sizes.size(); ++d)
    if (t.strides()[d] == 0) sizes[d] = std::min<int64_t>(sizes[d], 1);
  const Tensor wide = empty(sizes, {DType::float32});
  copy(wide, Tensor::alias(t, sizes, t.strides(), t.offset()));
  return expanded(wide, t.sizes());
}

// Runs `update`, which changes its first argument by its second one. Halves are added up (and
// multiplied) in float and rounded once: 256 ones more would change no bfloat16 of 256.
template <class Update>
void update_rounded_once(const Tensor& self, const Tensor& source, const Update& update) {
  if (!is_half(self.dtype()) || source.numel() == 0) return update(self, source);
  const Tensor sums = empty(self.sizes(), {DType::float32});
  copy(sums, self);
  update(sums, in_float(source));
  copy(self, sums);
}

// A walk over the shape of an index that stands for dimension `dim` of `self`.
IndexedWalk walk_along(const char* op, const Tensor& self, int64_t dim, const Tensor& index,
                       Fault fault) {
  IndexedWalk walk(index.sizes());
  const IndexRange range{self.sizes()[dim], dim, false, fault, op};
  walk.set_index(index, self.strides()[dim] * item_of(self), range);
  Dims strides(self.strides());
  strides[dim] = 0;
  walk.set_indexed(self.bytes(), strides, item_of(self));
  return walk;
}

// A vector of indices, expanded to the shape of what it picks from another tensor.
Tensor expanded_along(const Tensor& vector, IntSpan sizes, int64_t dim) {
  Dims strides(sizes.size(), 0);
  strides[dim] = vector.dim() > 0 ? vector.strides()[0] : 0;
  return Tensor::alias(vector, sizes, strides, vector.offset());
}

}  // namespace

void gather(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index) {
  if (result.numel() == 0) return;
  const int64_t d = wrap_dim(dim, self.dim(), "gather");
  IndexedWalk walk =
      walk_along("gather", at_least_1d(self), d, at_least_1d(index), Fault::runtime_error);
  walk.set_plain(result.bytes(), at_least_1d(result).strides(), item_of(self));
  walk.load();
}

void index_select(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index) {
  if (index.numel() == 0) return;
  const int64_t d = wrap_dim(dim, self.dim(), "index_select");
  const Tensor from = at_least_1d(self), to = at_least_1d(result);
  if (to.numel() == 0)
    return check_range(index, {from.sizes()[d], d, false, Fault::not_in_self, "index_select"});
  IndexedWalk walk =
      walk_along("index_select", from, d, expanded_along(index, to.sizes(), d), Fault::not_in_self);
  walk.set_plain(to.bytes(), to.strides(), item_of(self));
  walk.load();
}

namespace {

void add_slices(const Tensor& sums, int64_t d, const Tensor& index, const Tensor& rows,
                const Scalar& alpha) {
  IndexedWalk walk = walk_along("index_add", sums, d, expanded_along(index, rows.sizes(), d),
                                Fault::runtime_error);
  walk.set_plain(rows.bytes(), rows.strides(), item_of(sums));
  const Factor factor(alpha, sums.dtype());
  walk.accumulate(sums.dtype(), factor.bytes);
}

// Of halves of which most stay as they are, those slices alone are brought to float that something
// is added to. Each has the sum that it would have among all.
void add_to_few(const Tensor& to, int64_t d, const Tensor& index, const Tensor& from,
                const Scalar& alpha) {
  check_range(index, {to.sizes()[d], d, false, Fault::runtime_error, "index_add"});
  const Tensor places = empty(index.sizes(), {DType::int64});
  copy(places, index);
  const std::span<int64_t> place(places.data<int64_t>(), static_cast<size_t>(places.numel()));
  std::vector<int64_t> distinct(place.begin(), place.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (int64_t& p : place)
    p = std::lower_bound(distinct.begin(), distinct.end(), p) - distinct.begin();
  const Tensor which = empty({{std::ssize(distinct)}}, {DType::int64});
  std::copy(distinct.begin(), distinct.end(), which.data<int64_t>());

  Dims sizes(to.sizes());
  sizes[d] = which.numel();
  const Tensor few = empty(sizes, {to.dtype()});
  index_select(few, to, d, which);
  update_rounded_once(few, from, [&](const Tensor& sums, const Tensor& rows) {
    add_slices(sums, d, places, rows, alpha);
  });
  IndexedWalk walk =
      walk_along("index_add", to, d, expanded_along(which, sizes, d), Fault::runtime_error);
  walk.set_plain(few.bytes(), few.strides(), item_of(to));
  walk.store();
}

}  // namespace

void index_add_into(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                    const Scalar& alpha) {
  if (index.numel() == 0) return;
  const int64_t d = wrap_dim(dim, self.dim(), "index_add");
  const Tensor from = at_least_1d(source), to = at_least_1d(self);
  if (from.numel() == 0)
    return check_range(index, {to.sizes()[d], d, false, Fault::runtime_error, "index_add"});
  if (is_half(to.dtype()) && index.numel() < to.sizes()[d] / 2)
    return add_to_few(to, d, at_least_1d(index), from, alpha);
  update_rounded_once(to, from, [&](const Tensor& sums, const Tensor& rows) {
    add_slices(sums, d, index, rows, alpha);
  });
}

void index_add(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
               const Tensor& source, const Scalar& alpha) {
  copy(result, self);
  index_add_into(result, dim, index, source, alpha);
}

// ---- scatter

Scatter scatter_kind(std::string_view reduce) {
  return reduce == "add" ? Scatter::add : Scatter::multiply;
}

void scatter_into(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                  Scatter kind) {
  if (index.numel() == 0) return;
  const int64_t d = wrap_dim(dim, self.dim(), "scatter");
  const Tensor to = at_least_1d(self), places = at_least_1d(index), all = at_least_1d(src);
  const auto walk_over = [&](const Tensor& out, const Tensor& from) {
    IndexedWalk walk = walk_along("scatter", out, d, places, Fault::runtime_error);
    walk.set_plain(from.bytes(), from.strides(), item_of(out));
    return walk;
  };
  if (kind == Scatter::write) return walk_over(to, all).store();
  const Tensor used = Tensor::alias(all, places.sizes(), all.strides(), all.offset());
  update_rounded_once(to, used, [&](const Tensor& out, const Tensor& from) {
    if (kind == Scatter::add)
      walk_over(out, from).accumulate(out.dtype(), Factor(1, out.dtype()).bytes);
    else
      walk_over(out, from).multiply(out.dtype());
  });
}

void scatter_value_into(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value,
                        Scatter kind) {
  const Tensor one = scalar_tensor(value, self.dtype());
  const Dims strides(index.sizes().size(), 0);
  scatter_into(self, dim, index, Tensor::alias(one, index.sizes(), strides, 0), kind);
}

void scatter(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
             const Tensor& src) {
  copy(result, self);
  scatter_into(result, dim, index, src, Scatter::write);
}

void scatter_value(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
                   const Scalar& value) {
  copy(result, self);
  scatter_value_into(result, dim, index, value, Scatter::write);
}

void scatter_reduce(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
                    const Tensor& src, std::string_view reduce) {
  copy(result, self);
  scatter_into(result, dim, index, src, scatter_kind(reduce));
}

void scatter_value_reduce(const Tensor& result, const Tensor& self, int64_t dim,
                          const Tensor& index, const Scalar& value, std::string_view reduce) {
  copy(result, self);
  scatter_value_into(result, dim, index, value, scatter_kind(reduce));
}

void scatter_add(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
                 const Tensor& src) {
  copy(result, self);
  scatter_into(result, dim, index, src, Scatter::add);
}

// ---- several indices

namespace {

// The columns of a mask's nonzero(), an index for each of its dimensions.
void append_mask(const char* op, const Tensor& self, const Tensor& mask, size_t position,
                 AdvancedIndex& at, int64_t& dim) {
  for (int64_t k = 0; k < mask.dim(); ++k)
    check<IndexError>(dim + k < self.dim() && mask.sizes()[k] == self.sizes()[dim + k], op,
                      ": The shape of the mask ", show(mask.sizes()), " at index ", position,
                      " does not match the shape of the indexed tensor ", show(self.sizes()),
                      " at index ", dim + k);
  check<NotImplementedError>(!mask.is_meta(), op,
                             ": the result's shape depends on the values of a mask, which a meta "
                             "tensor does not have");
  const Tensor places = nonzero(mask);
  for (int64_t k = 0; k < mask.dim(); ++k, ++dim) {
    at.dims.push_back(dim);
    at.indices.push_back(
        Tensor::alias(places, {{places.sizes()[0]}}, {{1}}, k * places.sizes()[0]));
  }
}

void append_index(const char* op, const Tensor& self, const Tensor& index, size_t position,
                  AdvancedIndex& at, int64_t& dim) {
  const DType dtype = index.dtype();
  if (dtype == DType::boolean || dtype == DType::uint8)
    return append_mask(op, self, index, position, at, dim);
  check<IndexError>(dtype == DType::int64 || dtype == DType::int32, op,
                    ": tensors used as indices must be long, int, byte or bool tensors, got ",
                    dtype_name(dtype));
  check(index.device().is_cpu() || index.device() == self.device(), op,
        ": indices should be either on cpu or on the same device as the indexed tensor (",
        self.device().str(), "), got ", index.device().str());
  at.dims.push_back(dim++);
  at.indices.push_back(index);
}

Dims broadcast_indices(const char* op, const std::vector<Tensor>& indices) {
  Dims sizes;
  for (const Tensor& t : indices) {
    try {
      sizes = broadcast(sizes, t.sizes(), op);
    } catch (const Error&) {
      std::ostringstream shapes;
      for (size_t i = 0; i < indices.size(); ++i)
        shapes << (i ? ", " : "") << show(indices[i].sizes());
      raise<IndexError>(op,
                        ": shape mismatch: indexing tensors could not be broadcast together "
                        "with shapes ",
                        shapes.str());
    }
  }
  return sizes;
}

// Strides of the result's shape that are those of the indices' dimensions, and 0 for the others.
Dims strides_of_places(const AdvancedIndex& at, IntSpan index_strides) {
  Dims strides(at.result_sizes.size(), 0);
  for (size_t k = 0; k < index_strides.size(); ++k) strides[at.place + k] = index_strides[k];
  return strides;
}

// Strides of the result's shape that are those of self's dimensions, and 0 for the indices'.
Dims strides_of_self(const AdvancedIndex& at, const Tensor& self) {
  Dims strides;
  for (int64_t d = 0; d < self.dim(); ++d)
    if (std::find(at.dims.begin(), at.dims.end(), d) == at.dims.end())
      strides.push_back(self.strides()[d]);
  for (size_t k = 0; k < at.index_sizes.size(); ++k) strides.insert(at.place, 0);
  return strides;
}

void set_indices(IndexedWalk& walk, const char* op, const Tensor& self, const AdvancedIndex& at) {
  const auto range = [&](size_t i) {
    const int64_t d = at.dims[i];
    return IndexRange{self.sizes()[d], d, true, Fault::index_error, op};
  };
  const auto stride = [&](size_t i) { return self.strides()[at.dims[i]] * item_of(self); };
  if (at.indices.size() == 1) {
    const Tensor& index = at.indices[0];
    if (count(at.result_sizes) == 0) return check_range(index, range(0));
    const Tensor full = Tensor::alias(index, at.result_sizes,
                                      strides_of_places(at, index.strides()), index.offset());
    return walk.set_index(full, stride(0), range(0));
  }
  const Tensor offsets = empty(at.index_sizes, {DType::int64});
  fill(offsets, 0);
  for (size_t i = 0; i < at.indices.size(); ++i)
    add_offsets(offsets, expanded(at.indices[i], at.index_sizes), stride(i), range(i));
  walk.set_offsets({offsets, strides_of_places(at, offsets.strides())});
}

IndexedWalk walk_advanced(const char* op, const Tensor& self, const AdvancedIndex& at) {
  IndexedWalk walk(at.result_sizes);
  walk.set_indexed(self.bytes(), strides_of_self(at, self), item_of(self));
  set_indices(walk, op, self, at);
  return walk;
}

}  // namespace

AdvancedIndex advanced_index(const char* op, const Tensor& self, TensorSpan indices) {
  AdvancedIndex at;
  int64_t dim = 0;
  check<IndexError>(!indices.empty(), op, ": at least one index must be provided");
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i].defined())
      append_index(op, self, indices[i], i, at, dim);
    else
      ++dim;
  }
  check<IndexError>(dim <= self.dim(), op, ": too many indices for tensor of dimension ",
                    self.dim(), " (got ", dim, ")");
  at.index_sizes = broadcast_indices(op, at.indices);
  // Dimensions of the indices stand where the indexed ones stood, or first when those were apart.
  const size_t n = at.dims.size();
  bool adjacent = true;
  for (size_t i = 1; i < n; ++i) adjacent = adjacent && at.dims[i] == at.dims[i - 1] + 1;
  at.place = adjacent && n > 0 ? at.dims[0] : 0;
  for (int64_t d = 0; d < self.dim(); ++d)
    if (std::find(at.dims.begin(), at.dims.end(), d) == at.dims.end())
      at.result_sizes.push_back(self.sizes()[d]);
  for (size_t k = 0; k < at.index_sizes.size(); ++k)
    at.result_sizes.insert(at.place + k, at.index_sizes[k]);
  return at;
}

void index(const char* op, const Tensor& result, const Tensor& self, const AdvancedIndex& at) {
  IndexedWalk walk = walk_advanced(op, self, at);
  walk.set_plain(result.bytes(), result.strides(), item_of(self));
  walk.load();
}

bool is_full_mask(const Tensor& self, TensorSpan indices) {
  if (indices.size() != 1 || !indices[0].defined() || self.dim() == 0) return false;
  const DType dtype = indices[0].dtype();
  return (dtype == DType::boolean || dtype == DType::uint8) && !indices[0].is_meta() &&
         same(indices[0].sizes(), self.sizes());
}

void index_put(const Tensor& self, TensorSpan indices, const Tensor& values, bool accumulate) {
  if (!accumulate && values.numel() == 1 && values.dim() <= 1 && is_full_mask(self, indices))
    return masked_fill_into(self, indices[0], values.value());
  const AdvancedIndex at = advanced_index("index_put_", self, indices);
  // The rule knows no counts of masks.
  const IntSpan want = at.result_sizes, have = values.sizes();
  bool fits = have.size() <= want.size();
  for (size_t i = 1; fits && i <= have.size(); ++i)
    fits = have[have.size() - i] == 1 || have[have.size() - i] == want[want.size() - i];
  check(fits, "index_put_: shape mismatch: value tensor of shape ", show(have),
        " cannot be broadcast to indexing result of shape ", show(want));
  const auto walk_over = [&](const Tensor& to, const Tensor& from) {
    IndexedWalk walk = walk_advanced("index_put_", to, at);
    walk.set_plain(from.bytes(), from.strides(), item_of(to));
    return walk;
  };
  const Tensor all = expanded(values, want);
  if (!accumulate) return walk_over(self, all).store();
  update_rounded_once(self, all, [&](const Tensor& to, const Tensor& from) {
    walk_over(to, from).accumulate(to.dtype(), Factor(1, to.dtype()).bytes);
  });
}

}  // namespace flambeau::inline v1::cpu
