// Gradients of joining, rearranging and indexing.

#include "core/autograd/formulas.h"
#include "flambeau/ops/conj.h"
#include "flambeau/ops/embedding.h"
#include "flambeau/ops/eq.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/gather.h"
#include "flambeau/ops/index.h"
#include "flambeau/ops/index_add.h"
#include "flambeau/ops/index_put.h"
#include "flambeau/ops/index_select.h"
#include "flambeau/ops/masked_fill.h"
#include "flambeau/ops/new_zeros.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/roll.h"
#include "flambeau/ops/scatter.h"
#include "flambeau/ops/scatter_add.h"
#include "flambeau/ops/select.h"
#include "flambeau/ops/slice.h"
#include "flambeau/ops/slice_backward.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/unsqueeze.h"
#include "flambeau/ops/where.h"
#include "flambeau/ops/zeros.h"

namespace flambeau::inline v1::formula {

Tensor zeros_for(const Tensor& g, IntSpan sizes, const TensorOptions& o) {
  if (wants_ops({&g})) return entry::new_zeros(g, sizes, o.dtype, o.layout, o.device, std::nullopt);
  const Tensor zero = entry::zeros({}, o.dtype, o.layout, o.device, std::nullopt);
  return entry::expand(zero, sizes, false);
}

// ---- joining and rearranging

TensorVec cat_backward_list(const Tensor& g, const std::vector<Dims>& sizes,
                            const std::vector<DType>& dtypes, int64_t dim) {
  const int64_t d = wrap_dim(dim, g.dim(), "cat_backward");
  TensorVec out;
  int64_t start = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i].size() == 1 && sizes[i][0] == 0) {  // cat leaves it out, whatever g's dimensions
      const TensorOptions o = g.options();
      out.push_back(entry::zeros(sizes[i], dtypes[i], o.layout, o.device, std::nullopt));
      continue;
    }
    const Tensor part = entry::slice_Tensor(g, d, start, start + sizes[i][d], 1);
    out.push_back(grad_to(part, sizes[i], dtypes[i]));
    start += sizes[i][d];
  }
  return out;
}

TensorVec stack_backward_list(const Tensor& g, const std::vector<DType>& dtypes, int64_t dim) {
  TensorVec out;
  for (size_t i = 0; i < dtypes.size(); ++i) {
    const Tensor part = entry::select_int(g, dim, static_cast<int64_t>(i));
    out.push_back(grad_to(part, part.sizes(), dtypes[i]));
  }
  return out;
}

Tensor roll_backward(const Tensor& g, IntSpan shifts, IntSpan dims) {
  Dims back(shifts);
  for (int64_t& s : back) s = -s;
  return entry::roll(g, back, dims);
}

// The copies get dimensions of their own, which are summed.
Tensor repeat_backward(const Tensor& g, IntSpan repeats, IntSpan sizes) {
  const size_t extra = repeats.size() - sizes.size();
  Dims split, copies;
  for (size_t d = 0; d < repeats.size(); ++d) {
    if (repeats[d] == 0)
      return entry::zeros(sizes, g.dtype(), g.layout(), g.device(), std::nullopt);
    if (repeats[d] > 1) {
      copies.push_back(static_cast<int64_t>(split.size()));
      split.push_back(repeats[d]);
    }
    if (d >= extra) split.push_back(sizes[d - extra]);
  }
  const Tensor parts = entry::reshape(g, split);
  return copies.empty() ? parts
                        : entry::sum_dim_IntList(parts, IntSpan(copies), false, std::nullopt);
}

// ---- indices

Tensor index_backward(const Tensor& g, IntSpan sizes, const TensorOptions& options,
                      TensorSpan indices) {
  return entry::index_put(zeros_for(g, sizes, options), indices, g, true);
}

Tensor index_put_backward_self(const Tensor& g, TensorSpan indices, bool accumulate) {
  if (accumulate) return g;
  return entry::index_put(g, indices, zeros_for(g, {}, g.options()), false);
}

Tensor index_put_backward_values(const Tensor& g, TensorSpan indices, IntSpan sizes, DType dtype) {
  return grad_to(entry::index_Tensor(g, indices), sizes, dtype);
}

Tensor gather_backward(const Tensor& g, IntSpan sizes, const TensorOptions& options, int64_t dim,
                       const Tensor& index) {
  return entry::scatter_add(zeros_for(g, sizes, options), dim, index, g);
}

Tensor scatter_backward_src(const Tensor& g, int64_t dim, const Tensor& index, IntSpan sizes) {
  Tensor used = entry::gather(g, dim, index, false);
  for (int64_t d = 0; d < used.dim(); ++d) {
    const int64_t n = used.sizes()[d];
    if (n == sizes[d]) continue;
    Dims padded(used.sizes());
    padded[d] = sizes[d];
    used = entry::slice_backward(used, padded, d, 0, n, 1);
  }
  return used;
}

Tensor scatter_reduce_backward_self(const Tensor& g, int64_t dim, const Tensor& index,
                                    const Tensor& src, std::string_view reduce) {
  if (reduce == "add") return g;
  return entry::scatter_reduce(g, dim, index, entry::conj(src), reduce);
}

Tensor scatter_reduce_backward_src(const Tensor& g, int64_t dim, const Tensor& index, IntSpan sizes,
                                   std::string_view reduce) {
  check<NotImplementedError>(reduce == "add",
                             "scatter: the derivative of reduce='multiply' for src "
                             "is not implemented");
  return scatter_backward_src(g, dim, index, sizes);
}

Tensor scatter_value_reduce_backward(const Tensor& g, int64_t dim, const Tensor& index,
                                     const Scalar& value, std::string_view reduce) {
  if (reduce == "add") return g;
  return entry::scatter_value_reduce(g, dim, index, conj_of(value), reduce);
}

Tensor index_select_backward(const Tensor& g, IntSpan sizes, const TensorOptions& options,
                             int64_t dim, const Tensor& index) {
  return entry::index_add(zeros_for(g, sizes, options), dim, index, g, Scalar(int64_t{1}));
}

Tensor index_add_backward(const Tensor& g, int64_t dim, const Tensor& index, const Scalar& alpha) {
  return scaled(entry::index_select(g, dim, index), alpha);
}

// ---- masks

Tensor masked_fill_backward(const Tensor& g, const Tensor& mask) {
  return entry::masked_fill_Scalar(g, mask, Scalar(int64_t{0}));
}

Tensor masked_sum(const Tensor& g, const Tensor& mask) {
  const Tensor zero = zeros_for(g, {}, g.options());
  return entry::sum(entry::where_self(mask, g, zero), std::nullopt);
}

Tensor masked_select_backward(const Tensor& g, IntSpan sizes, const TensorOptions& options,
                              const Tensor& mask) {
  const Dims shape = broadcast(sizes, mask.sizes(), "masked_select_backward");
  const Tensor places[] = {entry::expand(mask, shape, false)};
  // A 0-dim mask stands for no dimension of its own.
  if (shape.empty()) return entry::reshape(entry::sum(g, std::nullopt), shape);
  return sum_to(entry::index_put(zeros_for(g, shape, options), places, g, false), sizes);
}

// ---- tables

Tensor embedding_double_backward(const Tensor& g, const Tensor& indices, int64_t padding_idx,
                                 bool scale_grad_by_freq) {
  check<NotImplementedError>(!scale_grad_by_freq,
                             "embedding_dense_backward: the derivative with "
                             "scale_grad_by_freq=True is not implemented");
  const Tensor rows = entry::embedding(g, indices, -1, false, false);
  if (padding_idx < 0) return rows;
  const Tensor padding = entry::eq_Scalar(indices, Scalar(padding_idx));
  return entry::masked_fill_Scalar(rows, entry::unsqueeze(padding, -1), Scalar(int64_t{0}));
}

}  // namespace flambeau::inline v1::formula
