#include "kernels/cpu/norm/norm.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/norm/norm_kernels.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace baseline {
extern const NormKernels norm_kernels;
extern const LayerNormKernels layer_norm_kernels;
}  // namespace baseline
namespace avx2 {
extern const NormKernels norm_kernels;
extern const LayerNormKernels layer_norm_kernels;
}  // namespace avx2
namespace avx512 {
extern const NormKernels norm_kernels;
extern const LayerNormKernels layer_norm_kernels;
}  // namespace avx512

namespace {

const NormKernels& kernels() {
  static const NormKernels& chosen =
      of_isa(baseline::norm_kernels, avx2::norm_kernels, avx512::norm_kernels);
  return chosen;
}

template <class T>
const RowKernels<T>& rows() {
  if constexpr (std::is_same_v<T, float>)
    return kernels().f32;
  else
    return kernels().f64;
}

template <class T>
LayerNorm<T> layer_norm_of(DType stored) {
  static const LayerNormKernels& all =
      of_isa(baseline::layer_norm_kernels, avx2::layer_norm_kernels, avx512::layer_norm_kernels);
  if constexpr (std::is_same_v<T, double>)
    return all.f64;
  else
    return stored == DType::float16 ? all.f16 : stored == DType::bfloat16 ? all.bf16 : all.f32;
}

// Rows of a task: about 16k elements.
int64_t row_grain(int64_t n) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(n, 1)); }

DType compute_dtype(DType dtype) {
  return dtype == DType::float64 ? DType::float64 : DType::float32;
}

template <class F>
void by_type(DType dtype, F&& f) {
  if (dtype == DType::float64)
    f(double{});
  else
    f(float{});
}

}  // namespace

void layer_norm(const Tensor& out, const Tensor& mean, const Tensor& rstd, const Tensor& input,
                IntSpan normalized_shape, const Tensor& weight, const Tensor& bias, double eps) {
  if (input.numel() == 0) {  // rows of no elements have no variance, but there may be rows
    fill(mean, 0);
    fill(rstd, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  const DType dtype = compute_dtype(input.dtype());
  const Tensor x = packed(input, input.dtype()), y = place_for(out, input.dtype());
  const Tensor w = packed(weight, dtype), b = packed(bias, dtype);
  const Tensor m = place_for(mean, dtype), r = place_for(rstd, dtype);
  const int64_t n = count(normalized_shape), rows_n = x.numel() / n;
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const wp = w.defined() ? w.data<T>() : nullptr;
    const T* const bp = b.defined() ? b.data<T>() : nullptr;
    const LayerNorm<T> norm = layer_norm_of<T>(x.dtype());
    const int64_t row_bytes = n * static_cast<int64_t>(x.itemsize());
    parallel_for(rows_n, row_grain(n), [&](int64_t begin, int64_t end) {
      norm(y.bytes() + begin * row_bytes, m.data<T>() + begin, r.data<T>() + begin,
           x.bytes() + begin * row_bytes, wp, bp, end - begin, n, eps);
    });
  });
  deliver(out, y);
  deliver(mean, m);
  deliver(rstd, r);
}

namespace {

// Gradients of weight and bias: each task sums its own rows, then the tasks' sums are added in
// order. The tasks depend on the shape alone.
template <class T>
void affine_gradients(const Tensor& grad_weight, const Tensor& grad_bias, const Tensor& g,
                      const Tensor& x, const Tensor& m, const Tensor& r, int64_t n, int64_t count) {
  const bool wants_weight = grad_weight.defined(), wants_bias = grad_bias.defined();
  const int64_t grain = std::max<int64_t>(row_grain(n), (count + 15) / 16);
  const int64_t tasks = (count + grain - 1) / grain;
  const int64_t sizes[] = {tasks, 2, n};
  const Tensor sums = empty(sizes, {g.dtype(), g.device()});
  fill(sums, 0);
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    T* const own = sums.data<T>() + begin / grain * 2 * n;
    for (int64_t i = begin; i < end; ++i)
      rows<T>().layer_norm_affine(wants_weight ? own : nullptr, wants_bias ? own + n : nullptr,
                                  g.data<T>() + i * n, x.data<T>() + i * n, m.data<T>()[i],
                                  r.data<T>()[i], n);
  });
  for (int64_t t = 1; t < tasks; ++t)
    rows<T>().accumulate(sums.data<T>(), sums.data<T>() + t * 2 * n, 2 * n);
  const auto part = [&](const Tensor& out, int64_t offset) {
    copy(out, Tensor::alias(sums, out.sizes(), contiguous_strides(out.sizes()), offset));
  };
  if (wants_weight) part(grad_weight, 0);
  if (wants_bias) part(grad_bias, n);
}

}  // namespace

void layer_norm_backward(const Tensor& grad_input, const Tensor& grad_weight,
                         const Tensor& grad_bias, const Tensor& grad, const Tensor& input,
                         IntSpan normalized_shape, const Tensor& mean, const Tensor& rstd,
                         const Tensor& weight, const Tensor&, std::span<const bool> mask) {
  const int64_t n = count(normalized_shape);
  if (input.numel() == 0) {
    if (mask[1]) fill(grad_weight, 0);
    if (mask[2]) fill(grad_bias, 0);
    return;
  }
  const DType dtype = compute_dtype(input.dtype());
  const Tensor g = packed(grad, dtype), x = packed(input, dtype), w = packed(weight, dtype);
  const Tensor m = packed(mean, dtype), r = packed(rstd, dtype);
  const int64_t rows_n = x.numel() / n;
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    if (mask[0]) {
      const Tensor dx = place_for(grad_input, dtype);
      const T* const wp = w.defined() ? w.data<T>() : nullptr;
      parallel_for(rows_n, row_grain(n), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          rows<T>().layer_norm_backward(dx.data<T>() + i * n, g.data<T>() + i * n,
                                        x.data<T>() + i * n, wp, m.data<T>()[i], r.data<T>()[i], n);
      });
      deliver(grad_input, dx);
    }
    if (mask[1] || mask[2])
      affine_gradients<T>(mask[1] ? grad_weight : Tensor(), mask[2] ? grad_bias : Tensor(), g, x, m,
                          r, n, rows_n);
  });
}

}  // namespace flambeau::inline v1::cpu
