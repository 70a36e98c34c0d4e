#include "kernels/cpu/reduce/reduce.h"

#include <cmath>

#include "core/parallel/isa.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/amax.h"
#include "flambeau/ops/div.h"
#include "flambeau/ops/exp.h"
#include "flambeau/ops/gt.h"
#include "flambeau/ops/isfinite.h"
#include "flambeau/ops/isinf.h"
#include "flambeau/ops/log.h"
#include "flambeau/ops/logical_and.h"
#include "flambeau/ops/masked_fill.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/real.h"
#include "flambeau/ops/sub.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/to.h"
#include "flambeau/ops/view.h"
#include "flambeau/ops/where.h"
#include "kernels/cpu/pointwise/convert.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/cpu/reduce/reducer.h"

namespace flambeau::inline v1::cpu {
namespace {

struct Reader {
  const ReduceKernel& kernel;
  DType dtype;  // of the elements that it reads
};

// The kernel of `element`, or of what is stored where there is one that reads that itself.
Reader find_kernel(Reduction reduction, DType element, DType stored) {
  static const ReduceKernels& kernels =
      of_isa(baseline::reduce_kernels, avx2::reduce_kernels, avx512::reduce_kernels);
  const ReduceRow& row = *kernels.by[static_cast<int>(reduction)];
  const Compute compute = compute_of(element), small = small_compute_of(stored);
  if (compute == compute_of(stored)) {
    if (stored == DType::float16 && row.half.state_bytes != 0) return {row.half, stored};
    if (small != Compute::count && row.by[static_cast<int>(small)].state_bytes != 0)
      return {row.by[static_cast<int>(small)], stored};
  }
  // Bytes that are asked for their truth.
  if (compute == Compute::b8 && is_integral(stored, true) && itemsize(stored) == 1)
    return {row.by[static_cast<int>(compute)], stored};
  if (compute == Compute::count || row.by[static_cast<int>(compute)].state_bytes == 0)
    raise<NotImplementedError>("this reduction is not implemented for ", dtype_name(element));
  return {row.by[static_cast<int>(compute)], dtype_of(compute)};
}

uint64_t mask_of(const Tensor& self, IntSpan dims) {
  uint64_t mask = 0;
  for (const int64_t d : dims) mask |= uint64_t{1} << d;
  return self.dim() == 0 ? 0 : mask;
}

// `element`: a dtype whose compute type the elements are cast to.
void reduce(Reduction reduction, DType element, const Tensor& self, uint64_t dims,
            const Tensor* first, const Tensor* second = nullptr, const void* params = nullptr,
            bool keeps_order = false, Watch* watch = nullptr) {
  const Reader reader = find_kernel(reduction, element, self.dtype());
  if ((first ? first : second)->numel() == 0) return;
  run_reduction(
      {reader.kernel, reader.dtype, params, self, dims, {first, second}, keeps_order, watch});
}

// Integers add up in int64.
DType sum_element(DType out) { return is_integral(out, true) ? DType::int64 : out; }
// Truth values are compared as numbers.
DType ordered_element(DType self) { return self == DType::boolean ? DType::uint8 : self; }

void extreme(Reduction reduction, const Tensor* values, const Tensor* indices, const Tensor& self,
             IntSpan dims) {
  reduce(reduction, ordered_element(self.dtype()), self, mask_of(self, dims), values, indices,
         nullptr, true);
}

void arg_extreme(Reduction reduction, const Tensor& out, const Tensor& self,
                 std::optional<int64_t> dim) {
  if (dim) {
    const int64_t wrapped = *dim < 0 ? *dim + std::max<int64_t>(self.dim(), 1) : *dim;
    return extreme(reduction, nullptr, &out, self, IntSpan(&wrapped, 1));
  }
  Dims all;
  for (int64_t d = 0; d < self.dim(); ++d) all.push_back(d);
  extreme(reduction, nullptr, &out, self, all);
}

// ---- once more: see Note [Results that are found again]

DType widest(DType dtype) { return is_complex(dtype) ? DType::complex128 : DType::float64; }

Tensor kept_sizes(const Tensor& self, uint64_t mask, DType dtype) {
  Dims sizes(self.sizes());
  for (int64_t d = 0; d < self.dim(); ++d)
    if (mask >> d & 1) sizes[d] = 1;
  return empty(sizes, {dtype, self.device()});
}

void give(const Tensor& out, const Tensor& result) {
  copy(out, Tensor::alias(result, out.sizes(), contiguous_strides(out.sizes()), 0));
}

// A sum or mean whose partial sums are not finite: of floats in double, of doubles that are made
// smaller by a power of two.
void sum_again(Reduction reduction, const Tensor& out, const Tensor& self, uint64_t mask) {
  const DType wide = widest(out.dtype());
  if (compute_of(out.dtype()) != compute_of(wide)) return reduce(reduction, wide, self, mask, &out);
  double shrink = 1;
  for (int64_t n = self.numel(); n > 0; n /= 2) shrink /= 2;
  const Tensor small =
      entry::mul_Scalar(entry::to_dtype(self, wide, false, false, {}), Scalar(shrink));
  const Tensor result = kept_sizes(self, mask, wide);
  reduce(reduction, wide, small, mask, &result);
  give(out, entry::mul_Scalar(result, Scalar(1 / shrink)));
}

// What the elements are divided by before they are reduced: the largest size, or the smallest.
struct Scaled {
  Tensor scale, elements;

  Scaled(const Tensor& self, uint64_t mask, bool by_largest) {
    const Tensor wide = entry::to_dtype(self, widest(self.dtype()), false, false, {});
    const Tensor size = kept_sizes(self, mask, DType::float64);
    reduce(by_largest ? Reduction::norm_max : Reduction::norm_min, wide.dtype(), wide, mask, &size);
    const Tensor usable =
        entry::logical_and(entry::gt_Scalar(size, Scalar(int64_t{0})), entry::isfinite(size));
    scale = entry::where_self(usable, size, wrapped_number(Scalar(1.0)));
    elements = entry::div_Tensor(wide, scale);
  }
};

void norm_again(Reduction reduction, const Tensor& out, const Tensor& self, uint64_t mask,
                const NormParams& params) {
  const Scaled scaled(self, mask, params.p > 0);
  const Tensor result = kept_sizes(self, mask, DType::float64);
  reduce(reduction, scaled.elements.dtype(), scaled.elements, mask, &result, nullptr, &params);
  give(out, entry::mul_Tensor(result, scaled.scale));
}

void spread_again(const Tensor& out, const Tensor* mean_out, const Tensor& self, uint64_t mask,
                  const SpreadParams& params) {
  const Scaled scaled(self, mask, true);
  const Tensor mean = kept_sizes(self, mask, scaled.elements.dtype());
  Tensor result = kept_sizes(self, mask, DType::float64);
  reduce(Reduction::spread, scaled.elements.dtype(), scaled.elements, mask, &result, &mean,
         &params);
  result = entry::mul_Tensor(result, scaled.scale);
  give(out, params.root ? result : entry::mul_Tensor(result, scaled.scale));
  if (mean_out) give(*mean_out, entry::mul_Tensor(mean, scaled.scale));
}

// Below these squares lose digits.
constexpr double kSmallSquare = 0x1p-960, kSmallRoot = 0x1p-480;

void spread(const Tensor& out, const Tensor* mean_out, const Tensor& self, IntSpan dims,
            const SpreadParams& params) {
  const uint64_t mask = mask_of(self, dims);
  const bool wide = widest(self.dtype()) == self.dtype();
  Watch watch(params.root ? kSmallRoot : -1);
  reduce(Reduction::spread, self.dtype(), self, mask, &out, mean_out, &params, false,
         wide ? &watch : nullptr);
  if (watch.hit && self.numel() > 0) spread_again(out, mean_out, self, mask, params);
}

void add_up(Reduction reduction, const Tensor& out, const Tensor& self, IntSpan dims) {
  const uint64_t mask = mask_of(self, dims);
  const bool watched = is_differentiable(out.dtype());
  Watch watch;
  reduce(reduction, sum_element(out.dtype()), self, mask, &out, nullptr, nullptr, false,
         watched ? &watch : nullptr);
  if (watch.hit && self.numel() > 0) sum_again(reduction, out, self, mask);
}

// Rare enough to be composed: of the exponentials of what is left above the largest real part.
void complex_logsumexp(const Tensor& out, const Tensor& self, IntSpan dims) {
  const Tensor largest = entry::amax(entry::real(self), dims, true);
  const Tensor shift =
      entry::masked_fill_Scalar(largest, entry::isinf(largest), Scalar(int64_t{0}));
  const Tensor rest = entry::exp(entry::sub_Tensor(self, shift, Scalar(int64_t{1})));
  const Tensor sum =
      entry::log(entry::sum_dim_IntList(rest, std::optional<IntSpan>(dims), true, {}));
  copy(out, ops::view(entry::add_Tensor(sum, shift, Scalar(int64_t{1})), out.sizes()));
}

}  // namespace

void sum(const Tensor& out, const Tensor& self, IntSpan dims) {
  // As truth values 1 + 1 is 1.
  if (out.dtype() == DType::boolean) return any(out, self, dims);
  add_up(Reduction::sum, out, self, dims);
}

void mean(const Tensor& out, const Tensor& self, IntSpan dims) {
  add_up(Reduction::mean, out, self, dims);
}

void prod(const Tensor& out, const Tensor& self, IntSpan dims) {
  if (out.dtype() == DType::boolean) return all(out, self, dims);
  reduce(Reduction::prod, sum_element(out.dtype()), self, mask_of(self, dims), &out);
}

void amax(const Tensor& out, const Tensor& self, IntSpan dims) {
  if (out.numel() == 0) return;  // complex numbers, which have no order, are none too
  reduce(Reduction::max, ordered_element(self.dtype()), self, mask_of(self, dims), &out);
}

void amin(const Tensor& out, const Tensor& self, IntSpan dims) {
  if (out.numel() == 0) return;  // complex numbers, which have no order, are none too
  reduce(Reduction::min, ordered_element(self.dtype()), self, mask_of(self, dims), &out);
}

void aminmax(const Tensor& min, const Tensor& max, const Tensor& self, IntSpan dims) {
  amin(min, self, dims);
  amax(max, self, dims);
}

void max(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim) {
  extreme(Reduction::arg_max, &values, &indices, self, IntSpan(&dim, 1));
}

void min(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim) {
  extreme(Reduction::arg_min, &values, &indices, self, IntSpan(&dim, 1));
}

void argmax(const Tensor& out, const Tensor& self, std::optional<int64_t> dim) {
  arg_extreme(Reduction::arg_max, out, self, dim);
}

void argmin(const Tensor& out, const Tensor& self, std::optional<int64_t> dim) {
  arg_extreme(Reduction::arg_min, out, self, dim);
}

void any(const Tensor& out, const Tensor& self, IntSpan dims) {
  reduce(Reduction::any, DType::boolean, self, mask_of(self, dims), &out);
}

void all(const Tensor& out, const Tensor& self, IntSpan dims) {
  reduce(Reduction::all, DType::boolean, self, mask_of(self, dims), &out);
}

void var(const Tensor& out, const Tensor& self, IntSpan dims, double correction) {
  spread(out, nullptr, self, dims, {correction, false});
}

void std(const Tensor& out, const Tensor& self, IntSpan dims, double correction) {
  spread(out, nullptr, self, dims, {correction, true});
}

void var_mean(const Tensor& var_out, const Tensor& mean_out, const Tensor& self, IntSpan dims,
              double correction) {
  spread(var_out, &mean_out, self, dims, {correction, false});
}

void logsumexp(const Tensor& out, const Tensor& self, IntSpan dims) {
  if (is_complex(out.dtype())) return complex_logsumexp(out, self, dims);
  reduce(Reduction::logsumexp, out.dtype(), self, mask_of(self, dims), &out);
}

void norm(const Tensor& out, const Tensor& self, IntSpan dims, const Scalar& ord) {
  const NormParams params{ord.to_double()};
  const double p = params.p;
  const Reduction reduction = p == 0                  ? Reduction::norm_0
                              : p == 1                ? Reduction::norm_1
                              : p == 2                ? Reduction::norm_2
                              : p == __builtin_inf()  ? Reduction::norm_max
                              : p == -__builtin_inf() ? Reduction::norm_min
                                                      : Reduction::norm_p;
  const DType element = is_complex(self.dtype()) ? to_complex(out.dtype()) : out.dtype();
  const uint64_t mask = mask_of(self, dims);
  const bool powers = reduction == Reduction::norm_p;
  const bool watched = powers || (reduction == Reduction::norm_2 && widest(element) == element);
  const double edge = std::pow(kSmallSquare, 1 / p);
  Watch watch(p > 0 ? edge : 0, p > 0 ? __builtin_inf() : edge);
  reduce(reduction, element, self, mask, &out, nullptr, &params, false, watched ? &watch : nullptr);
  if (watch.hit && self.numel() > 0) norm_again(reduction, out, self, mask, params);
}

}  // namespace flambeau::inline v1::cpu
