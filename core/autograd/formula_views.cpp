// Gradients of views and copies.

#include <algorithm>

#include "core/autograd/formulas.h"
#include "flambeau/ops/arange.h"
#include "flambeau/ops/as_strided.h"
#include "flambeau/ops/cat.h"
#include "flambeau/ops/contiguous.h"
#include "flambeau/ops/copy.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/index_add.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/new_zeros.h"
#include "flambeau/ops/ones_like.h"
#include "flambeau/ops/permute.h"
#include "flambeau/ops/real.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/resolve_conj.h"
#include "flambeau/ops/slice_backward.h"
#include "flambeau/ops/squeeze.h"
#include "flambeau/ops/stack.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/view_as_complex.h"
#include "flambeau/ops/view_as_real.h"
#include "flambeau/ops/zeros.h"
#include "flambeau/ops/zeros_like.h"

namespace flambeau::inline v1::formula {
namespace {

Tensor zeros(IntSpan sizes, const TensorOptions& o) {
  return entry::zeros(sizes, o.dtype, o.layout, o.device, std::nullopt);
}

// Gradients of parts, with zeros where a part had none.
TensorVec filled(TensorSpan g, IntSpan part_sizes_along, IntSpan sizes, int64_t dim,
                 const TensorOptions& options) {
  TensorVec out;
  for (size_t i = 0; i < g.size(); ++i) {
    if (g[i].defined()) {
      out.push_back(g[i]);
      continue;
    }
    Dims part(sizes);
    part[dim] = part_sizes_along[i];
    out.push_back(zeros(part, options));
  }
  return out;
}

}  // namespace

Tensor zeros_like(const Tensor& t) {
  return entry::zeros_like(t, std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt);
}

Tensor mul_i(const Tensor& t) {
  if (!t.is_complex()) return zeros_like(t);
  return entry::mul_Tensor(t, wrapped_number(Scalar(std::complex<double>(0, 1))));
}

Tensor permute_backward(const Tensor& g, IntSpan dims) {
  Dims inverse(dims.size(), 0);
  const int64_t n = static_cast<int64_t>(dims.size());
  for (int64_t i = 0; i < n; ++i) inverse[dims[i] < 0 ? dims[i] + n : dims[i]] = i;
  return entry::permute(g, inverse);
}

// The gradient is laid out in a buffer that stands for the storage: what the view read is added
// there (several times where the view overlaps itself), then read back with the base's geometry. An
// element that the base holds at several places (expanded) is divided among them.
Tensor as_strided_backward(const Tensor& g, const Tensor& geometry, int64_t base_offset,
                           IntSpan size, IntSpan stride, std::optional<int64_t> offset) {
  const auto extent = [](IntSpan sizes, IntSpan strides) {
    int64_t last = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 0) return int64_t{-1};
      last += (sizes[i] - 1) * strides[i];
    }
    return last;
  };
  const IntSpan base_sizes = geometry.sizes(), base_strides = geometry.strides();
  const int64_t view_offset = offset.value_or(base_offset);
  const int64_t start = std::min(view_offset, base_offset);
  const int64_t end =
      std::max(view_offset + extent(size, stride), base_offset + extent(base_sizes, base_strides));
  const int64_t length[] = {std::max<int64_t>(end - start + 1, 0)};
  const TensorOptions options{g.dtype(), g.device()};
  // Made from g, so that it belongs to the levels that g belongs to.
  const Tensor buffer =
      entry::new_zeros(g, length, options.dtype, options.layout, options.device, std::nullopt);
  const bool base_overlaps = internal_overlap(geometry) != Overlap::no;
  Tensor view_probe = empty_strided(size, stride, {g.dtype(), Device{DeviceType::meta}});
  if (internal_overlap(view_probe) == Overlap::no) {
    entry::copy_(entry::as_strided(buffer, size, stride, view_offset - start), g, false);
  } else {
    const Tensor places =
        entry::arange_start_step(Scalar(int64_t{0}), Scalar(length[0]), Scalar(int64_t{1}),
                                 DType::int64, std::nullopt, g.device(), std::nullopt);
    const int64_t flat[] = {-1};
    const Tensor index =
        entry::reshape(entry::as_strided(places, size, stride, view_offset - start), flat);
    entry::index_add_(buffer, 0, index, entry::reshape(g, flat), Scalar(int64_t{1}));
  }
  Tensor result = entry::as_strided(buffer, base_sizes, base_strides, base_offset - start);
  if (!base_overlaps) return result;
  const Tensor counts = zeros(length, options);
  const Tensor places =
      entry::arange_start_step(Scalar(int64_t{0}), Scalar(length[0]), Scalar(int64_t{1}),
                               DType::int64, std::nullopt, g.device(), std::nullopt);
  const int64_t flat[] = {-1};
  const Tensor index = entry::reshape(
      entry::as_strided(places, base_sizes, base_strides, base_offset - start), flat);
  const Tensor ones =
      entry::ones_like(index, g.dtype(), std::nullopt, std::nullopt, std::nullopt, std::nullopt);
  entry::index_add_(counts, 0, index, ones, Scalar(int64_t{1}));
  return entry::div_Tensor(
      result, entry::as_strided(counts, base_sizes, base_strides, base_offset - start));
}

Tensor slice_backward(const Tensor& g, IntSpan sizes, int64_t dim, std::optional<int64_t> start,
                      std::optional<int64_t> end, int64_t step) {
  return entry::slice_backward(g, sizes, dim, start.value_or(0), end.value_or(INT64_MAX), step);
}

Tensor split_with_sizes_backward(TensorSpan g, IntSpan sizes, const TensorOptions& options,
                                 IntSpan split_sizes, int64_t dim) {
  const int64_t d = wrap_dim(dim, static_cast<int64_t>(sizes.size()), "split_with_sizes_backward");
  return entry::cat(filled(g, split_sizes, sizes, d, options), d);
}

Tensor split_backward(TensorSpan g, IntSpan sizes, const TensorOptions& options, int64_t split_size,
                      int64_t dim) {
  const int64_t d = wrap_dim(dim, static_cast<int64_t>(sizes.size()), "split_backward");
  Dims parts(g.size(), split_size);
  if (!parts.empty()) parts.back() = sizes[d] - split_size * (static_cast<int64_t>(g.size()) - 1);
  return split_with_sizes_backward(g, sizes, options, parts, d);
}

Tensor unbind_backward(TensorSpan g, IntSpan sizes, const TensorOptions& options, int64_t dim) {
  const int64_t d = wrap_dim(dim, static_cast<int64_t>(sizes.size()), "unbind_backward");
  if (g.empty()) return zeros(sizes, options);
  Dims part(sizes);
  part.erase(d);
  TensorVec all;
  for (const Tensor& t : g) all.push_back(t.defined() ? t : zeros(part, options));
  return entry::stack(all, d);
}

Tensor unsqueeze_to(const Tensor& g, IntSpan sizes) {
  Tensor t = g;
  for (size_t d = 0; d < sizes.size(); ++d)
    if (sizes[d] == 1) t = entry::unsqueeze(t, static_cast<int64_t>(d));
  return t;
}

Tensor unsqueeze_dim_to(const Tensor& g, IntSpan sizes, int64_t dim) {
  return unsqueeze_dims_to(g, sizes, {&dim, 1});
}

Tensor unsqueeze_dims_to(const Tensor& g, IntSpan sizes, IntSpan dims) {
  const auto ndim = static_cast<int64_t>(sizes.size());
  Tensor t = g;
  for (int64_t d = 0; d < ndim; ++d) {
    const bool named =
        std::ranges::any_of(dims, [&](int64_t dim) { return wrap_dim(dim, ndim, "squeeze") == d; });
    if (named && sizes[d] == 1) t = entry::unsqueeze(t, d);
  }
  return t;
}

// `sizes` are those before the dimension was put in.
Tensor squeeze_back(const Tensor& g, IntSpan sizes, int64_t dim) {
  return entry::squeeze_dim(g, wrap_dim(dim, static_cast<int64_t>(sizes.size()) + 1, "unsqueeze"));
}

Tensor view_as_real_backward(const Tensor& g) {
  const Tensor plain = g.stride(-1) == 1 ? g : entry::contiguous(g, MemoryFormat::contiguous);
  return entry::view_as_complex(plain);
}

Tensor view_as_complex_backward(const Tensor& g) {
  return entry::view_as_real(entry::resolve_conj(g));
}

Tensor copy_backward(const Tensor& g, IntSpan sizes, const TensorOptions& options) {
  Tensor reduced = sum_to(g, sizes);
  if (reduced.is_complex() && !is_complex(options.dtype)) reduced = entry::real(reduced);
  return entry::to_dtype_layout(reduced, options.dtype, options.layout, options.device,
                                std::nullopt, false, false, std::nullopt);
}

}  // namespace flambeau::inline v1::formula
