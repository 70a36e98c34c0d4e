// Empty, constant and regular tensors.

#include "flambeau/kernels/factories.h"

#include <cmath>

#include "core/dispatch/thread_state.h"
#include "core/tensor/overlap.h"
#include "core/tensor/range.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/cpu/pointwise/sequence.h"

namespace flambeau::inline v1 {
namespace native {
namespace {

TensorOptions options(std::optional<DType> dtype, std::optional<Layout> layout,
                      std::optional<Device> device, std::optional<bool> pin_memory, const char* op,
                      DType fallback = default_dtype()) {
  check<NotImplementedError>(!pin_memory.value_or(false), op, ": pin_memory=True is not supported");
  check<NotImplementedError>(layout.value_or(Layout::strided) == Layout::strided, op,
                             ": layout torch.", layout_name(layout.value_or(Layout::strided)),
                             " is not supported");
  TensorOptions o{dtype.value_or(fallback), device.value_or(Device{}).of_tensors()};
  return o;
}

}  // namespace

// ---- regular sequences

Tensor arange_start_step(const Scalar& start, const Scalar& end, const Scalar& step,
                         std::optional<DType> dtype, std::optional<Layout> layout,
                         std::optional<Device> device, std::optional<bool> pin_memory) {
  const bool integers = start.is_integral(true) && end.is_integral(true) && step.is_integral(true);
  const TensorOptions o = options(dtype, layout, device, pin_memory, "arange",
                                  integers ? DType::int64 : default_dtype());
  const double a = start.to_double(), b = end.to_double(), s = step.to_double();
  check(s != 0, "arange: step must be nonzero");
  check(std::isfinite(a) && std::isfinite(b), "arange: unsupported range: ", a, " -> ", b);
  check((s > 0 && b >= a) || (s < 0 && b <= a),
        "arange: upper bound and lower bound inconsistent with step sign: ", a, " to ", b, " by ",
        s);
  const bool exact = integers && is_integral(o.dtype, false);
  const double steps =
      exact ? std::ceil((static_cast<long double>(end.to_int()) - start.to_int()) / step.to_int())
            : std::ceil((b - a) / s);
  check(steps >= 0 && steps < 9.2e18, "arange: invalid size, possible overflow?");
  const int64_t n = static_cast<int64_t>(steps);
  const Tensor out = flambeau::empty({&n, 1}, o);
  if (n > 0 && is_integral(o.dtype, false)) {
    check_fits("arange", start, o.dtype);
    const auto last = static_cast<__int128>(start.to_int()) +
                      static_cast<__int128>(n - 1) * static_cast<__int128>(step.to_int());
    check(
        last >= INT64_MIN && last <= INT64_MAX && fits(Scalar(static_cast<int64_t>(last)), o.dtype),
        "arange: the last of ", n, " values cannot be converted to type ", dtype_name(o.dtype),
        " without overflow");
  }
  if (!out.is_meta()) cpu::arange(out, start, step);
  return out;
}

Tensor arange_start(const Scalar& start, const Scalar& end, std::optional<DType> dtype,
                    std::optional<Layout> layout, std::optional<Device> device,
                    std::optional<bool> pin_memory) {
  return arange_start_step(start, end, int64_t{1}, dtype, layout, device, pin_memory);
}

Tensor arange_end(const Scalar& end, std::optional<DType> dtype, std::optional<Layout> layout,
                  std::optional<Device> device, std::optional<bool> pin_memory) {
  return arange_start_step(int64_t{0}, end, int64_t{1}, dtype, layout, device, pin_memory);
}

Tensor linspace(const Scalar& start, const Scalar& end, int64_t steps, std::optional<DType> dtype,
                std::optional<Layout> layout, std::optional<Device> device,
                std::optional<bool> pin_memory) {
  const bool complex = start.is_complex() || end.is_complex();
  const DType real = default_dtype();
  const TensorOptions o =
      options(dtype, layout, device, pin_memory, "linspace", complex ? to_complex(real) : real);
  check(steps >= 0, "linspace: number of steps must be non-negative, got ", steps);
  check(!complex || is_complex(o.dtype), "linspace: complex ends need a complex dtype, not ",
        dtype_name(o.dtype));
  check_fits("linspace", start, o.dtype);
  check_fits("linspace", end, o.dtype);
  const Tensor out = flambeau::empty({&steps, 1}, o);
  if (!out.is_meta() && steps > 0) cpu::linspace(out, start, end);
  return out;
}

// ---- fill

}  // namespace native

void cpu::fill_diagonal(const Tensor& result) {
  cpu::fill(result, 0);
  const IntSpan sizes = result.sizes();
  const int64_t length[] = {std::min(sizes[0], sizes[1])};
  const int64_t step[] = {result.strides()[0] + result.strides()[1]};
  if (length[0] > 0) cpu::fill(Tensor::alias(result, length, step, result.offset()), 1);
}

// A lazily conjugated or negated tensor holds what stands for the value.
void cpu::fill_number(const Tensor& self, const Scalar& value) {
  Scalar v = value;
  if (self.is_neg()) v = v.is_complex() ? Scalar(-v.to_complex()) : Scalar(-v.to_double());
  if (self.is_conj()) v = Scalar(std::conj(v.to_complex()));
  cpu::fill(self, v);
}

namespace native {

// The value is converted as copy_ does it.
void fill_tensor_(const Tensor& self, const Tensor& value) {
  check(value.dim() == 0,
        "fill_: fill_ only supports 0-dimension value tensor but got tensor with ", value.dim(),
        " dimensions.");
  check_written_once("fill_", self);
  check(self.is_meta() || !value.is_meta(),
        "fill_: the value is on device 'meta' and has no bytes, but the tensor to fill is on ",
        self.device().str());
  if (self.is_meta()) return;
  const Scalar v = value.value();
  check(!v.is_complex() || self.is_complex(), "fill_: value cannot be converted to type ",
        dtype_name(self.dtype()), " without overflow: it is complex");
  cpu::fill_number(self, v);
}

Tensor fill_tensor(const Tensor& self, const Tensor& value) {
  Tensor out = flambeau::empty_like(self);
  fill_tensor_(out, value);
  return out;
}

}  // namespace native
}  // namespace flambeau::inline v1
