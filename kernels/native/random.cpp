// Random fills and factories over core/random.

#include "kernels/cpu/random/random.h"

#include <cmath>
#include <limits>

#include "flambeau/kernels/factories.h"
#include "flambeau/kernels/random.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/kernels/views.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/contiguous.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/mul.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::native {
namespace {

Generator& pick(Generator* g) { return g ? *g : default_generator(); }

// Runs fill(dst, n) on the elements of `self` in the order of its memory (see
// kernels/cpu/random/random.h); what is not dense is filled through a packed copy.
template <class F>
void fill_in_memory_order(const Tensor& self, Generator* generator, F&& fill) {
  if (self.is_meta() || self.numel() == 0) return;
  Generator& g = pick(generator);
  const std::lock_guard lock(g.mutex);
  if (self.impl()->dense()) return fill(g, self.bytes(), self.numel());
  const Tensor packed = empty_strided(self.sizes(), strides_like(self), self.options());
  fill(g, packed.bytes(), packed.numel());
  cpu::copy(self, packed);
}

void check_floating(const Tensor& self, const char* op) {
  check(is_floating(self.dtype()) || self.is_complex(), op, ": \"", op, "\" not implemented for '",
        dtype_name(self.dtype()), "': it fills floating point tensors");
}

// Complex tensors are filled as pairs of reals.
Tensor reals(const Tensor& self) { return self.is_complex() ? view_as_real(self) : self; }

}  // namespace

void normal_(const Tensor& self, double mean, double std, Generator* generator) {
  check(std >= 0, "normal_: normal_ expects std >= 0.0, but found std ", std);
  check_floating(self, "normal_");
  if (self.is_complex()) {
    check(mean == 0, "normal_: complex tensors take mean 0 only, got ", mean);
    return normal_(reals(self), 0, std / std::sqrt(2.0), generator);
  }
  if (self.is_meta() || self.numel() == 0) return;
  if (self.numel() >= 16 && self.is_contiguous())
    return fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
      fill_normal(g, self.dtype(), dst, n, mean, std);
    });
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_normal_pairs(g, self.dtype(), dst, n, mean, std);
  });
}

void uniform_(const Tensor& self, double from, double to, Generator* generator) {
  check_floating(self, "uniform_");
  check(from <= to,
        "uniform_: uniform_ expects to return a [from, to) range, but found from=", from,
        " > to=", to);
  check(std::isfinite(from) && std::isfinite(to) && std::isfinite(to - from),
        "uniform_: uniform_ expects finite from and to, got ", from, " and ", to);
  const Tensor target = reals(self);
  fill_in_memory_order(target, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_uniform(g, target.dtype(), dst, n, from, to);
  });
}

void exponential_(const Tensor& self, double lambda, Generator* generator) {
  check(lambda > 0, "exponential_: exponential_ expects lambda > 0.0, but found lambda=", lambda);
  check(is_floating(self.dtype()),
        "exponential_: Exponential distribution is a continuous probability "
        "distribution. dtype must be a floating point but you specified ",
        dtype_name(self.dtype()));
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_exponential(g, self.dtype(), dst, n, lambda);
  });
}

void bernoulli_float_(const Tensor& self, double p, Generator* generator) {
  check(p >= 0 && p <= 1, "bernoulli_: bernoulli_ expects p to be in [0, 1], but got p=", p);
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_bernoulli(g, self.dtype(), dst, n, p);
  });
}

void bernoulli_tensor_(const Tensor& self, const Tensor& p, Generator* generator) {
  check(is_floating(p.dtype()), "bernoulli_: expected a floating tensor of probabilities, got ",
        dtype_name(p.dtype()));
  if (self.is_meta()) return;
  const Tensor wide =
      entry::contiguous(entry::expand(p, self.sizes(), false), MemoryFormat::contiguous);
  const Tensor target = self.is_contiguous() ? self : flambeau::empty(self.sizes(), self.options());
  fill_in_memory_order(target, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_bernoulli(g, target.dtype(), dst, n, wide.dtype(), wide.bytes());
  });
  if (!target.is(self)) cpu::copy(self, target);
}

Tensor bernoulli(const Tensor& self, Generator* generator) {
  const Tensor out = flambeau::empty_like(self);
  bernoulli_tensor_(out, self, generator);
  return out;
}

Tensor bernoulli_p(const Tensor& self, double p, Generator* generator) {
  const Tensor out = flambeau::empty_like(self);
  bernoulli_float_(out, p, generator);
  return out;
}

// ---- integers

namespace {

struct Bounds {
  int64_t lowest, highest;  // of the numbers that random_(from, to) may be asked for
};

Bounds bounds(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return {0, 1};
    case DType::uint8:
      return {0, 255};
    case DType::int8:
      return {-128, 127};
    case DType::int16:
      return {-32768, 32767};
    case DType::uint16:
      return {0, 65535};
    case DType::int32:
      return {INT32_MIN, INT32_MAX};
    case DType::uint32:
      return {0, UINT32_MAX};
    case DType::float16:
      return {-65504, 65504};
    default:
      return {INT64_MIN, INT64_MAX};
  }
}

void random_range(const Tensor& self, int64_t from, int64_t to, Generator* generator,
                  const char* op) {
  check(from < to, op, ": random_ expects 'from' to be less than 'to', but got from=", from,
        " >= to=", to);
  const Bounds b = bounds(self.dtype());
  check(from >= b.lowest && from <= b.highest, op, ": from is out of bounds for ",
        dtype_name(self.dtype()), ": ", from);
  check(to - 1 >= b.lowest && to - 1 <= b.highest, op, ": to - 1 is out of bounds for ",
        dtype_name(self.dtype()), ": ", to - 1);
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_random_range(g, self.dtype(), dst, n,
                      static_cast<uint64_t>(to) - static_cast<uint64_t>(from), from);
  });
}

}  // namespace

void random_from_(const Tensor& self, int64_t from, std::optional<int64_t> to,
                  Generator* generator) {
  if (to) return random_range(self, from, *to, generator, "random_");
  if (from == INT64_MIN)
    return fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
      fill_random_64_bits(g, self.dtype(), dst, n);
    });
  const Bounds b = bounds(self.dtype());
  int64_t highest = b.highest;
  if (self.dtype() == DType::float32) highest = int64_t{1} << 24;
  if (self.dtype() == DType::float64) highest = int64_t{1} << 53;
  if (self.dtype() == DType::float16) highest = 2048;
  if (self.dtype() == DType::bfloat16) highest = 256;
  check(from <= highest, "random_: from is out of bounds for ", dtype_name(self.dtype()), ": ",
        from);
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_random_range(g, self.dtype(), dst, n,
                      static_cast<uint64_t>(highest) - static_cast<uint64_t>(from) + 1, from);
  });
}

void random_to_(const Tensor& self, int64_t to, Generator* generator) {
  random_range(self, 0, to, generator, "random_");
}

void random_(const Tensor& self, Generator* generator) {
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_random(g, self.dtype(), dst, n);
  });
}

Tensor multinomial(const Tensor& self, int64_t samples, bool replacement, Generator* generator) {
  check(self.dim() == 1 || self.dim() == 2, "multinomial: prob_dist must be 1 or 2 dim, got shape ",
        show(self.sizes()));
  check(is_floating(self.dtype()),
        "multinomial: multinomial only supports floating-point dtypes for "
        "input, got: ",
        dtype_name(self.dtype()));
  check(samples > 0, "multinomial: cannot sample n_sample <= 0 samples, got ", samples);
  const int64_t categories = self.sizes().back();
  check(replacement || samples <= categories,
        "multinomial: cannot sample n_sample > "
        "prob_dist.size(-1) samples without replacement: ",
        samples, " > ", categories);
  check(categories <= (int64_t{1} << 24), "multinomial: number of categories cannot exceed 2^24");
  Dims shape(self.sizes());
  shape.back() = samples;
  const Tensor out = flambeau::empty(shape, {DType::int64, self.device()});
  if (out.is_meta() || out.numel() == 0) return out;
  const Tensor weights = entry::contiguous(self, MemoryFormat::contiguous);
  const int64_t rows = self.dim() == 1 ? 1 : self.sizes()[0];
  Generator& g = pick(generator);
  const std::lock_guard lock(g.mutex);
  const auto draw =
      replacement && samples > 1 ? multinomial_with_replacement : multinomial_without_replacement;
  draw(g, weights.dtype(), weights.bytes(), rows, categories, samples, out.data<int64_t>());
  return out;
}

// ---- factories

#define FLAMBEAU_OPTIONS                                                                  \
  std::optional<DType> dtype, std::optional<Layout> layout, std::optional<Device> device, \
      std::optional<bool> pin_memory

Tensor rand_generator(IntSpan size, Generator* generator, FLAMBEAU_OPTIONS) {
  Tensor out = empty(size, dtype, layout, device, pin_memory, std::nullopt);
  uniform_(out, 0, 1, generator);
  return out;
}
Tensor rand(IntSpan size, FLAMBEAU_OPTIONS) {
  return rand_generator(size, nullptr, dtype, layout, device, pin_memory);
}
Tensor randn_generator(IntSpan size, Generator* generator, FLAMBEAU_OPTIONS) {
  Tensor out = empty(size, dtype, layout, device, pin_memory, std::nullopt);
  normal_(out, 0, 1, generator);
  return out;
}
Tensor randn(IntSpan size, FLAMBEAU_OPTIONS) {
  return randn_generator(size, nullptr, dtype, layout, device, pin_memory);
}
Tensor rand_like(const Tensor& self, FLAMBEAU_OPTIONS, std::optional<MemoryFormat> format) {
  Tensor out = empty_like(self, dtype, layout, device, pin_memory, format);
  uniform_(out, 0, 1, nullptr);
  return out;
}
Tensor randn_like(const Tensor& self, FLAMBEAU_OPTIONS, std::optional<MemoryFormat> format) {
  Tensor out = empty_like(self, dtype, layout, device, pin_memory, format);
  normal_(out, 0, 1, nullptr);
  return out;
}

Tensor randint_low_generator(int64_t low, int64_t high, IntSpan size, Generator* generator,
                             FLAMBEAU_OPTIONS) {
  Tensor out = empty(size, dtype.value_or(DType::int64), layout, device, pin_memory, std::nullopt);
  random_range(out, low, high, generator, "randint");
  return out;
}
Tensor randint_low(int64_t low, int64_t high, IntSpan size, FLAMBEAU_OPTIONS) {
  return randint_low_generator(low, high, size, nullptr, dtype, layout, device, pin_memory);
}
Tensor randint_generator(int64_t high, IntSpan size, Generator* generator, FLAMBEAU_OPTIONS) {
  return randint_low_generator(0, high, size, generator, dtype, layout, device, pin_memory);
}
Tensor randint(int64_t high, IntSpan size, FLAMBEAU_OPTIONS) {
  return randint_low_generator(0, high, size, nullptr, dtype, layout, device, pin_memory);
}
Tensor randint_like_low_dtype(const Tensor& self, int64_t low, int64_t high, FLAMBEAU_OPTIONS,
                              std::optional<MemoryFormat> format) {
  Tensor out = empty_like(self, dtype, layout, device, pin_memory, format);
  random_range(out, low, high, nullptr, "randint_like");
  return out;
}
Tensor randint_like(const Tensor& self, int64_t high, FLAMBEAU_OPTIONS,
                    std::optional<MemoryFormat> format) {
  return randint_like_low_dtype(self, 0, high, dtype, layout, device, pin_memory, format);
}

Tensor randperm_generator(int64_t n, Generator* generator, FLAMBEAU_OPTIONS) {
  check(n >= 0, "randperm: n must be non-negative, got ", n);
  Tensor out =
      empty({&n, 1}, dtype.value_or(DType::int64), layout, device, pin_memory, std::nullopt);
  check(n - 1 <= bounds(out.dtype()).highest, "randperm: n is too large for result tensor type: '",
        dtype_name(out.dtype()), "'");
  if (out.is_meta()) return out;
  Generator& g = pick(generator);
  const std::lock_guard lock(g.mutex);
  fill_permutation(g, out.dtype(), out.bytes(), n);
  return out;
}
Tensor randperm(int64_t n, FLAMBEAU_OPTIONS) {
  return randperm_generator(n, nullptr, dtype, layout, device, pin_memory);
}
#undef FLAMBEAU_OPTIONS

Tensor normal_Tensor_Tensor(const Tensor& mean, const Tensor& std, Generator* generator) {
  const Dims shape = broadcast(mean.sizes(), std.sizes(), "normal");
  Tensor out = flambeau::empty(shape, mean.options());
  normal_(out, 0, 1, generator);
  entry::mul__Tensor(out, std);
  return entry::add__Tensor(out, mean, Scalar(int64_t{1}));
}
Tensor normal_Tensor_float(const Tensor& mean, double std, Generator* generator) {
  check(std >= 0, "normal: normal expects std >= 0.0, but found std ", std);
  Tensor out = flambeau::empty_like(mean);
  normal_(out, 0, std, generator);
  return entry::add__Tensor(out, mean, Scalar(int64_t{1}));
}
Tensor normal_float_float(double mean, double std, IntSpan size, Generator* generator,
                          std::optional<DType> dtype, std::optional<Layout> layout,
                          std::optional<Device> device, std::optional<bool> pin_memory) {
  Tensor out = empty(size, dtype, layout, device, pin_memory, std::nullopt);
  normal_(out, mean, std, generator);
  return out;
}

}  // namespace flambeau::native
