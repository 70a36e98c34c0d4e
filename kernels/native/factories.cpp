// Empty, constant and regular tensors.

#include "flambeau/kernels/factories.h"

#include <cmath>

#include "core/dispatch/thread_state.h"
#include "core/tensor/overlap.h"
#include "core/tensor/range.h"
#include "flambeau/kernels/views.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/cpu/pointwise/sequence.h"

namespace flambeau {
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

TensorOptions options_like(const Tensor& self, std::optional<DType> dtype,
                           std::optional<Layout> layout, std::optional<Device> device,
                           std::optional<bool> pin_memory, const char* op) {
  return options(dtype, layout, device ? device : self.device(), pin_memory, op, self.dtype());
}

Tensor filled(Tensor t, const Scalar& value, const char* op = "fill") {
  check_fits(op, value, t.dtype());
  if (!t.is_meta()) cpu::fill(t, value);
  return t;
}

Tensor empty_format(IntSpan size, TensorOptions o, std::optional<MemoryFormat> format) {
  const MemoryFormat f = format.value_or(MemoryFormat::contiguous);
  if (f == MemoryFormat::contiguous) return flambeau::empty(size, o);
  check(f != MemoryFormat::preserve,
        "empty: memory_format=torch.preserve_format has no tensor whose "
        "layout could be kept: use empty_like");
  const size_t want = f == MemoryFormat::channels_last ? 4 : 5;
  check(size.size() == want, "empty: required rank ", want, " tensor to use ",
        memory_format_name(f), " format");
  return flambeau::empty_strided(size, channels_last_strides(size), o);
}

Tensor like_format(const Tensor& self, TensorOptions o, std::optional<MemoryFormat> format) {
  if (format.value_or(MemoryFormat::preserve) != MemoryFormat::preserve)
    return empty_format(self.sizes(), o, format);
  if (self.is_contiguous()) return flambeau::empty(self.sizes(), o);
  return flambeau::empty_strided(self.sizes(), strides_like(self), o);
}

}  // namespace

Tensor empty(IntSpan size, std::optional<DType> dtype, std::optional<Layout> layout,
             std::optional<Device> device, std::optional<bool> pin_memory,
             std::optional<MemoryFormat> format) {
  return empty_format(size, options(dtype, layout, device, pin_memory, "empty"), format);
}

Tensor empty_strided(IntSpan size, IntSpan stride, std::optional<DType> dtype,
                     std::optional<Layout> layout, std::optional<Device> device,
                     std::optional<bool> pin_memory) {
  return flambeau::empty_strided(size, stride,
                                 options(dtype, layout, device, pin_memory, "empty_strided"));
}

Tensor zeros(IntSpan size, std::optional<DType> dtype, std::optional<Layout> layout,
             std::optional<Device> device, std::optional<bool> pin_memory) {
  return filled(flambeau::empty(size, options(dtype, layout, device, pin_memory, "zeros")), 0);
}

Tensor ones(IntSpan size, std::optional<DType> dtype, std::optional<Layout> layout,
            std::optional<Device> device, std::optional<bool> pin_memory) {
  return filled(flambeau::empty(size, options(dtype, layout, device, pin_memory, "ones")), 1);
}

namespace {

DType dtype_of_fill(const Scalar& value) {
  if (value.is_boolean()) return DType::boolean;
  if (value.is_integral(false)) return DType::int64;
  const DType real = default_dtype();
  return value.is_complex() ? to_complex(real) : real;
}

}  // namespace

Tensor full(IntSpan size, const Scalar& value, std::optional<DType> dtype,
            std::optional<Layout> layout, std::optional<Device> device,
            std::optional<bool> pin_memory) {
  const TensorOptions o = options(dtype, layout, device, pin_memory, "full", dtype_of_fill(value));
  check(!value.is_complex() || is_complex(o.dtype), "full: value cannot be converted to type ",
        dtype_name(o.dtype), " without overflow: it is complex");
  return filled(flambeau::empty(size, o), value, "full");
}

Tensor scalar_tensor(const Scalar& s, std::optional<DType> dtype, std::optional<Layout> layout,
                     std::optional<Device> device, std::optional<bool> pin_memory) {
  const TensorOptions o = options(dtype, layout, device, pin_memory, "scalar_tensor");
  check_fits("scalar_tensor", s, o.dtype);
  return flambeau::scalar_tensor(s, o.dtype, o.device);
}

#define FLAMBEAU_LIKE_ARGS                                                                \
  std::optional<DType> dtype, std::optional<Layout> layout, std::optional<Device> device, \
      std::optional<bool> pin_memory

Tensor empty_like(const Tensor& self, FLAMBEAU_LIKE_ARGS, std::optional<MemoryFormat> format) {
  return like_format(self, options_like(self, dtype, layout, device, pin_memory, "empty_like"),
                     format);
}
Tensor zeros_like(const Tensor& self, FLAMBEAU_LIKE_ARGS, std::optional<MemoryFormat> format) {
  return filled(
      like_format(self, options_like(self, dtype, layout, device, pin_memory, "zeros_like"),
                  format),
      0);
}
Tensor ones_like(const Tensor& self, FLAMBEAU_LIKE_ARGS, std::optional<MemoryFormat> format) {
  return filled(
      like_format(self, options_like(self, dtype, layout, device, pin_memory, "ones_like"), format),
      1);
}
Tensor full_like(const Tensor& self, const Scalar& value, FLAMBEAU_LIKE_ARGS,
                 std::optional<MemoryFormat> format) {
  return filled(
      like_format(self, options_like(self, dtype, layout, device, pin_memory, "full_like"), format),
      value, "full_like");
}
Tensor new_empty(const Tensor& self, IntSpan size, FLAMBEAU_LIKE_ARGS) {
  return flambeau::empty(size, options_like(self, dtype, layout, device, pin_memory, "new_empty"));
}
Tensor new_empty_strided(const Tensor& self, IntSpan size, IntSpan stride, FLAMBEAU_LIKE_ARGS) {
  return flambeau::empty_strided(
      size, stride, options_like(self, dtype, layout, device, pin_memory, "new_empty_strided"));
}
Tensor new_zeros(const Tensor& self, IntSpan size, FLAMBEAU_LIKE_ARGS) {
  return filled(
      flambeau::empty(size, options_like(self, dtype, layout, device, pin_memory, "new_zeros")), 0);
}
Tensor new_ones(const Tensor& self, IntSpan size, FLAMBEAU_LIKE_ARGS) {
  return filled(
      flambeau::empty(size, options_like(self, dtype, layout, device, pin_memory, "new_ones")), 1);
}
Tensor new_full(const Tensor& self, IntSpan size, const Scalar& value, FLAMBEAU_LIKE_ARGS) {
  return filled(
      flambeau::empty(size, options_like(self, dtype, layout, device, pin_memory, "new_full")),
      value, "new_full");
}
#undef FLAMBEAU_LIKE_ARGS

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

Tensor eye_m(int64_t n, int64_t m, std::optional<DType> dtype, std::optional<Layout> layout,
             std::optional<Device> device, std::optional<bool> pin_memory) {
  check(n >= 0, "eye: n must be greater or equal to 0, got ", n);
  check(m >= 0, "eye: m must be greater or equal to 0, got ", m);
  const int64_t size[] = {n, m};
  const Tensor out = zeros(size, dtype, layout, device, pin_memory);
  const int64_t diagonal[] = {std::min(n, m)}, stride[] = {m + 1};
  if (!out.is_meta() && diagonal[0] > 0) cpu::fill(Tensor::alias(out, diagonal, stride, 0), 1);
  return out;
}

Tensor eye(int64_t n, std::optional<DType> dtype, std::optional<Layout> layout,
           std::optional<Device> device, std::optional<bool> pin_memory) {
  return eye_m(n, n, dtype, layout, device, pin_memory);
}

// ---- fill

}  // namespace native

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

Tensor fill_scalar(const Tensor& self, const Scalar& value) {
  return filled(flambeau::empty_like(self), value);
}

Tensor fill_tensor(const Tensor& self, const Tensor& value) {
  Tensor out = flambeau::empty_like(self);
  fill_tensor_(out, value);
  return out;
}

void zero_(const Tensor& self) {
  if (!self.is_meta()) cpu::fill_number(self, int64_t{0});
}

}  // namespace native
}  // namespace flambeau
