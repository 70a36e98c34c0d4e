// Rows divided by the root of their mean square.

#include <algorithm>
#include <optional>
#include <type_traits>

#include "core/parallel/isa.h"
#include "kernels/cpu/matmul/gemm/scratch.h"
#include "kernels/cpu/norm/channels.h"
#include "kernels/cpu/norm/norm_kernels.h"

namespace flambeau::inline v1::cpu {
namespace baseline {
extern const AllRmsNormKernels rms_norm_kernels;
}
namespace avx2 {
extern const AllRmsNormKernels rms_norm_kernels;
}
namespace avx512 {
extern const AllRmsNormKernels rms_norm_kernels;
}

namespace {

template <class T>
const RmsNormKernels<T>& kernels_of(DType stored) {
  static const AllRmsNormKernels& all =
      of_isa(baseline::rms_norm_kernels, avx2::rms_norm_kernels, avx512::rms_norm_kernels);
  if constexpr (std::is_same_v<T, double>)
    return all.f64;
  else
    return stored == DType::float16 ? all.f16 : stored == DType::bfloat16 ? all.bf16 : all.f32;
}

int64_t row_grain(int64_t n) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(n, 1)); }

// What is added where nothing is said: the step from 1 to the next number of what sums are made in.
double least_step(DType dtype) { return dtype == DType::float64 ? 0x1p-52 : 0x1p-23; }

}  // namespace

void _fused_rms_norm(const Tensor& result, const Tensor& result_rstd, const Tensor& input,
                     IntSpan normalized_shape, const Tensor& weight, std::optional<double> eps) {
  const int64_t n = count(normalized_shape);
  if (input.numel() == 0) return fill(result_rstd, 1);
  const DType dtype = float_type(input.dtype());
  const Tensor x = packed(input, input.dtype()), y = place_for(result, input.dtype());
  const Tensor w = packed(weight, dtype), r = place_for(result_rstd, dtype);
  const int64_t rows = x.numel() / n, row_bytes = n * static_cast<int64_t>(x.itemsize());
  const double added = eps.value_or(least_step(input.dtype()));
  by_float_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const factors = w.defined() ? w.data<T>() : nullptr;
    const auto norm = kernels_of<T>(input.dtype()).forward;
    parallel_for(rows, row_grain(n), [&](int64_t begin, int64_t end) {
      norm(y.bytes() + begin * row_bytes, r.data<T>() + begin, x.bytes() + begin * row_bytes,
           factors, end - begin, n, added);
    });
  });
  deliver(result, y);
  deliver(result_rstd, r);
}

void _fused_rms_norm_backward(const Tensor& grad_input, const Tensor& grad_weight,
                              const Tensor& grad_out, const Tensor& input, IntSpan normalized_shape,
                              const Tensor& rstd, const Tensor& weight,
                              std::span<const bool> output_mask) {
  const int64_t n = count(normalized_shape);
  if (input.numel() == 0) {
    if (output_mask[1]) fill(grad_weight, 0);
    return;
  }
  const DType dtype = float_type(input.dtype());
  const Tensor x = packed(input, input.dtype()), g = packed(grad_out, input.dtype());
  const Tensor w = packed(weight, dtype), r = packed(rstd, dtype);
  const Tensor dx = output_mask[0] ? place_for(grad_input, input.dtype()) : Tensor();
  const int64_t rows = x.numel() / n, row_bytes = n * static_cast<int64_t>(x.itemsize());
  by_float_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const factors = w.defined() ? w.data<T>() : nullptr;
    // Each task sums its own rows for the weight, then the tasks' sums are added in order. The
    // tasks depend on the shape alone.
    const int64_t grain = std::max<int64_t>(row_grain(n), (rows + 15) / 16);
    const int64_t tasks = (rows + grain - 1) / grain;
    std::vector<T> sums(static_cast<size_t>(output_mask[1] ? tasks * n : 0));
    const auto back = kernels_of<T>(input.dtype()).backward;
    parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
      back(dx.defined() ? dx.bytes() + begin * row_bytes : nullptr,
           output_mask[1] ? sums.data() + begin / grain * n : nullptr,
           g.bytes() + begin * row_bytes, x.bytes() + begin * row_bytes, factors,
           r.data<T>() + begin, end - begin, n);
    });
    if (!output_mask[1]) return;
    for (int64_t t = 1; t < tasks; ++t)
      for (int64_t i = 0; i < n; ++i)
        sums[static_cast<size_t>(i)] += sums[static_cast<size_t>(t * n + i)];
    const Tensor dw = place_for(grad_weight, grad_weight.dtype());
    convert(dw.dtype(), dw.bytes(), dtype, sums.data(), n);
    deliver(grad_weight, dw);
  });
  if (dx.defined()) deliver(grad_input, dx);
}

}  // namespace flambeau::inline v1::cpu
