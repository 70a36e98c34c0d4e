// Rows of a table, and the gradient that adds rows up by index.

#include <complex>

#include "kernels/cpu/index/index.h"
#include "kernels/cpu/index/indexed.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

IndexRange row_range(const char* op, int64_t rows) {
  return {rows, 0, false, IndexRange::Fault::not_in_self, op};
}

// A walk over one row for each index: its elements, and where the row lies in a table.
IndexedWalk walk_rows(const char* op, const Tensor& table, const Tensor& rows,
                      const Tensor& indices) {
  const int64_t item = static_cast<int64_t>(table.itemsize());
  Dims table_strides(rows.sizes().size(), 0), index_strides(indices.strides());
  table_strides.back() = table.strides()[1];
  index_strides.push_back(0);
  IndexedWalk walk(rows.sizes());
  walk.set_plain(rows.bytes(), rows.strides(), item);
  walk.set_indexed(table.bytes(), table_strides, item);
  walk.set_index(Tensor::alias(indices, rows.sizes(), index_strides, indices.offset()),
                 table.strides()[0] * item, row_range(op, table.sizes()[0]));
  return walk;
}

Tensor index_vector(const Tensor& indices) {
  const Tensor flat = empty(indices.sizes(), {DType::int64});
  copy(flat, indices);
  return Tensor::alias(flat, {{flat.numel()}}, {{1}}, 0);
}

// The indices apart from padding, and the gradient's rows at them.
void drop_padding(Tensor& indices, Tensor& rows, int64_t padding_idx) {
  const int64_t* all = indices.data<int64_t>();
  Dims kept;
  for (int64_t i = 0; i < indices.numel(); ++i)
    if (all[i] != padding_idx) kept.push_back(i);
  const int64_t n = static_cast<int64_t>(kept.size());
  if (n == indices.numel()) return;
  const Tensor places = empty({{n}}, {DType::int64});
  std::copy(kept.begin(), kept.end(), places.data<int64_t>());
  const Tensor kept_indices = empty({{n}}, {DType::int64});
  const Tensor kept_rows = empty({{n, rows.sizes()[1]}}, rows.options());
  index_select(kept_indices, indices, 0, places);
  index_select(kept_rows, rows, 0, places);
  indices = kept_indices;
  rows = kept_rows;
}

// Divides each row of the table by the number of times that its index occurs. Of whole numbers that
// is a product with 1 / count, which is 0 but for a count of one; truth values stay.
void divide_by_frequency(const Tensor& table, const Tensor& indices) {
  const int64_t n = table.sizes()[0], width = table.sizes()[1];
  const Tensor counts = empty({{n}}, {DType::int64});
  fill(counts, 0);
  int64_t* const count = counts.data<int64_t>();
  for (int64_t i = 0; i < indices.numel(); ++i) ++count[indices.data<int64_t>()[i]];
  const auto scale = [&](auto* rows) {
    using T = std::remove_pointer_t<decltype(rows)>;
    for (int64_t r = 0; r < n; ++r)
      for (int64_t k = 0; k < width && count[r] > 1; ++k)
        rows[r * width + k] /= static_cast<T>(count[r]);
  };
  switch (table.dtype()) {
    case DType::float32:
      return scale(table.data<float>());
    case DType::float64:
      return scale(table.data<double>());
    case DType::complex64:
      return scale(table.data<std::complex<float>>());
    case DType::complex128:
      return scale(table.data<std::complex<double>>());
    case DType::boolean:
      return;
    default:
      for (int64_t r = 0; r < n; ++r)
        if (count[r] > 1)
          fill(Tensor::alias(table, {{width}}, {{1}}, table.offset() + r * width), 0);
  }
}

}  // namespace

void embedding(const Tensor& result, const Tensor& weight, const Tensor& indices) {
  if (result.numel() == 0) return check_range(indices, row_range("embedding", weight.sizes()[0]));
  IndexedWalk walk = walk_rows("embedding", weight, result, indices);
  walk.load();
}

void embedding_backward(const Tensor& result, const Tensor& grad_output, const Tensor& indices,
                        int64_t padding_idx, bool scale_grad_by_freq) {
  // Halves are added up in float, and rounded once.
  const bool half = is_floating(result.dtype()) && result.itemsize() == 2;
  const Tensor sums = half ? empty(result.sizes(), {DType::float32}) : result;
  fill(sums, 0);
  const int64_t width = result.sizes()[1];
  Tensor rows = empty({{indices.numel(), width}}, {sums.dtype()});
  if (!half && grad_output.is_contiguous())
    rows = Tensor::alias(grad_output, rows.sizes(), rows.strides(), grad_output.offset());
  else
    copy(Tensor::alias(rows, grad_output.sizes(), contiguous_strides(grad_output.sizes()), 0),
         grad_output);
  Tensor flat = index_vector(indices);
  drop_padding(flat, rows, padding_idx);
  if (width == 0) return check_range(flat, row_range("embedding_dense_backward", sums.sizes()[0]));
  if (flat.numel() > 0) {
    IndexedWalk walk = walk_rows("embedding_dense_backward", sums, rows, flat);
    alignas(16) char one[16];
    Scalar(1).store(one, sums.dtype());
    walk.accumulate(sums.dtype(), one);
    if (scale_grad_by_freq) divide_by_frequency(sums, flat);
  }
  if (half) copy(result, sums);
}

}  // namespace flambeau::inline v1::cpu
