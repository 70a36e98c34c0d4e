// Random fills over core/random.

#include "kernels/cpu/random/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "flambeau/kernels/random.h"
#include "flambeau/ops/add.h"
#include "flambeau/ops/all.h"
#include "flambeau/ops/contiguous.h"
#include "flambeau/ops/expand.h"
#include "flambeau/ops/ge.h"
#include "flambeau/ops/gt.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/view_as_real.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/cpu/random/fills.h"

namespace flambeau::inline v1::cpu {
namespace {

Generator& pick(Generator* g) { return g ? *g : default_generator(); }

// Runs fill(dst, n) on the elements of `self` in the order of its memory (see
// kernels/cpu/random/random.h); what is not dense is filled through a packed copy.
template <class F>
void fill_in_memory_order(const Tensor& self, Generator* generator, F&& fill) {
  if (self.numel() == 0) return;
  Generator& g = pick(generator);
  const std::lock_guard lock(g.mutex);
  if (self.impl()->dense()) return fill(g, self.bytes(), self.numel());
  const Tensor packed = empty_strided(self.sizes(), strides_like(self), self.options());
  fill(g, packed.bytes(), packed.numel());
  cpu::copy(self, packed);
}

// Complex tensors are filled as pairs of reals.
Tensor reals(const Tensor& self) { return self.is_complex() ? entry::view_as_real(self) : self; }

}  // namespace

void normal_(const Tensor& self, double mean, double deviation, Generator* generator) {
  if (self.is_complex()) return normal_(reals(self), 0, deviation / std::sqrt(2.0), generator);
  if (self.numel() >= 16 && self.is_contiguous())
    return fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
      fill_normal(g, self.dtype(), dst, n, mean, deviation);
    });
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_normal_pairs(g, self.dtype(), dst, n, mean, deviation);
  });
}

void uniform_(const Tensor& self, double from, double to, Generator* generator) {
  const Tensor target = reals(self);
  fill_in_memory_order(target, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_uniform(g, target.dtype(), dst, n, from, to);
  });
}

void exponential_(const Tensor& self, double lambda, Generator* generator) {
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_exponential(g, self.dtype(), dst, n, lambda);
  });
}

void cauchy_(const Tensor& self, double median, double sigma, Generator* generator) {
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_cauchy(g, self.dtype(), dst, n, median, sigma);
  });
}

void log_normal_(const Tensor& self, double mean, double deviation, Generator* generator) {
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_log_normal(g, self.dtype(), dst, n, mean, deviation);
  });
}

void geometric_(const Tensor& self, double p, Generator* generator) {
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_geometric(g, self.dtype(), dst, n, p);
  });
}

void _rrelu_slopes(const Tensor& result, const Tensor& self, double lower, double upper,
                   Generator* generator) {
  if (self.numel() == 0) return;
  const Tensor source = flambeau::empty(self.sizes(), result.options());
  cpu::copy(source, self);
  Generator& g = pick(generator);
  const std::lock_guard lock(g.mutex);
  fill_rrelu_slopes(g, result.dtype(), result.bytes(), source.bytes(), self.numel(), lower, upper);
}

void bernoulli_float_(const Tensor& self, double p, Generator* generator) {
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_bernoulli(g, self.dtype(), dst, n, p);
  });
}

void bernoulli_tensor_(const Tensor& self, const Tensor& p, Generator* generator) {
  const Tensor wide =
      entry::contiguous(entry::expand(p, self.sizes(), false), MemoryFormat::contiguous);
  const Tensor target = self.is_contiguous() ? self : flambeau::empty(self.sizes(), self.options());
  fill_in_memory_order(target, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_bernoulli(g, target.dtype(), dst, n, wide.dtype(), wide.bytes());
  });
  if (!target.is(self)) cpu::copy(self, target);
}

// ---- integers

namespace {

// An integer between those that a floating point dtype holds.
struct Between {
  int64_t below, step;  // the next one below, and how far the next one above is from there
  bool up;              // which of them it is rounded to
};

Between place_among(int64_t n, DType dtype) {
  const int digits = dtype == DType::float64    ? 53
                     : dtype == DType::float32  ? 24
                     : dtype == DType::float16  ? 11
                     : dtype == DType::bfloat16 ? 8
                                                : 64;
  const uint64_t size = n < 0 ? 0 - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);
  const int extra = std::max(static_cast<int>(std::bit_width(size)) - digits, 0);
  const int64_t step = int64_t{1} << extra, below = n & ~(step - 1), rest = n - below;
  const bool odd = (below >> extra) & 1;
  return {below, step, rest > step / 2 || (extra > 0 && rest == step / 2 && odd)};
}

}  // namespace

// What is drawn is rounded to the dtype: the bounds move inwards to where that does not leave them.
void random_range(const Tensor& self, int64_t from, int64_t to, Generator* generator) {
  const Between low = place_among(from, self.dtype()), last = place_among(to - 1, self.dtype());
  const int64_t end = last.up ? last.below : to;
  // What is too close to the largest integer has no next one: there is nothing to draw.
  const int64_t begin = low.below == from || low.up        ? from
                        : low.below > INT64_MAX - low.step ? INT64_MAX
                                                           : low.below + low.step;
  check(begin < end,
        "random_: random_ expects 'from' casted to dtype to be less than 'to' casted "
        "to dtype, but got from=",
        begin, " >= to=", end, " for ", dtype_name(self.dtype()));
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_random_range(g, self.dtype(), dst, n,
                      static_cast<uint64_t>(end) - static_cast<uint64_t>(begin), begin);
  });
}

namespace {

// The largest integer that a dtype holds, with all below it.
int64_t highest(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return 1;
    case DType::uint8:
      return 255;
    case DType::int8:
      return 127;
    case DType::int16:
      return 32767;
    case DType::uint16:
      return 65535;
    case DType::int32:
      return INT32_MAX;
    case DType::uint32:
      return UINT32_MAX;
    case DType::float16:
      return 2048;
    case DType::bfloat16:
      return 256;
    case DType::float32:
      return int64_t{1} << 24;
    case DType::float64:
      return int64_t{1} << 53;
    default:
      return INT64_MAX;
  }
}

}  // namespace

void random_from_(const Tensor& self, int64_t from, std::optional<int64_t> to,
                  Generator* generator) {
  if (to) return random_range(self, from, *to, generator);
  if (from == INT64_MIN)
    return fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
      fill_random_64_bits(g, self.dtype(), dst, n);
    });
  if (is_floating(self.dtype()))
    return random_range(self, from, highest(self.dtype()) + 1, generator);
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    const auto count = static_cast<uint64_t>(highest(self.dtype())) - static_cast<uint64_t>(from);
    fill_random_range(g, self.dtype(), dst, n, count + 1, from);
  });
}

void random_to_(const Tensor& self, int64_t to, Generator* generator) {
  random_range(self, 0, to, generator);
}

void random_(const Tensor& self, Generator* generator) {
  fill_in_memory_order(self, generator, [&](Generator& g, void* dst, int64_t n) {
    fill_random(g, self.dtype(), dst, n);
  });
}

namespace {

// Without replacement each draw needs a category of its own that can come out.
void check_possible(const Tensor& weights, int64_t samples) {
  const int64_t rows[] = {-1};
  const Tensor possible = entry::sum_dim_IntList(entry::gt_Scalar(weights, Scalar(int64_t{0})),
                                                 IntSpan(rows), false, {});
  check(entry::all(entry::ge_Scalar(possible, Scalar(samples))).item().to_bool(),
        "multinomial: invalid multinomial distribution (with replacement=False, not enough "
        "non-zero categories to sample ",
        samples, " of them)");
}

void check_deviations(const Tensor& deviation) {
  if (deviation.numel() == 0) return;
  check(entry::all(entry::ge_Scalar(deviation, Scalar(int64_t{0}))).item().to_bool(),
        "normal: normal expects all elements of std >= 0.0");
}

}  // namespace

void multinomial(const Tensor& result, const Tensor& self, int64_t samples, bool replacement,
                 Generator* generator) {
  if (result.numel() == 0) return;
  const Tensor weights = entry::contiguous(self, MemoryFormat::contiguous);
  const int64_t rows = self.dim() == 1 ? 1 : self.sizes()[0];
  if (!replacement) check_possible(weights, samples);
  Generator& g = pick(generator);
  const std::lock_guard lock(g.mutex);
  const auto draw =
      replacement && samples > 1 ? multinomial_with_replacement : multinomial_without_replacement;
  draw(g, weights.dtype(), weights.bytes(), rows, self.sizes().back(), samples,
       result.data<int64_t>());
}

void randperm(const Tensor& result, Generator* generator) {
  Generator& g = pick(generator);
  const std::lock_guard lock(g.mutex);
  fill_permutation(g, result.dtype(), result.bytes(), result.numel());
}

void normal_of_tensors(const Tensor& result, const Tensor& mean, const Tensor& deviation,
                       Generator* generator) {
  check_deviations(deviation);
  normal_(result, 0, 1, generator);
  entry::mul__Tensor(result, deviation);
  entry::add__Tensor(result, mean, Scalar(int64_t{1}));
}

void normal_of_means(const Tensor& result, const Tensor& mean, double deviation,
                     Generator* generator) {
  normal_(result, 0, deviation, generator);
  entry::add__Tensor(result, mean, Scalar(int64_t{1}));
}

void normal_of_deviations(const Tensor& result, double mean, const Tensor& deviation,
                          Generator* generator) {
  check_deviations(deviation);
  normal_(result, 0, 1, generator);
  entry::mul__Tensor(result, deviation);
  entry::add__Scalar(result, Scalar(mean), Scalar(int64_t{1}));
}

}  // namespace flambeau::inline v1::cpu
