// Products of most of a line's elements. They run in double with an exponent of their own.
#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/cpu/pointwise/pointwise_plan.h"
#include "kernels/cpu/scan/scan.h"

namespace flambeau::inline v1::cpu {
namespace {

double size_of(double v) { return std::abs(v); }
double size_of(std::complex<double> v) { return std::max(std::abs(v.real()), std::abs(v.imag())); }
double conjugate(double v) { return v; }
std::complex<double> conjugate(std::complex<double> v) { return std::conj(v); }
double product(double a, double b) { return a * b; }
// Without the library's care for infinities, which here come from elements alone.
std::complex<double> product(std::complex<double> a, std::complex<double> b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}
double times_power(double v, int64_t e) {
  return std::ldexp(v, static_cast<int>(std::clamp<int64_t>(e, -5000, 5000)));
}
std::complex<double> times_power(std::complex<double> v, int64_t e) {
  return {times_power(v.real(), e), times_power(v.imag(), e)};
}

// value * 2^exponent: neither overflows nor underflows. 0, infinity and NaN keep exponent 0.
template <class T>
struct Scaled {
  T value{1};
  int64_t exponent = 0;

  Scaled() = default;
  explicit Scaled(T v, int64_t e = 0) : value(v), exponent(e) {
    const double size = size_of(v);
    if (size == 0 || !std::isfinite(size)) {
      exponent = 0;
      return;
    }
    const int power = std::ilogb(size);
    if (power == 0) return;
    value = times_power(v, -power);
    exponent += power;
  }
  T whole() const { return times_power(value, exponent); }
  friend Scaled operator*(const Scaled& a, const Scaled& b) {
    return Scaled(product(a.value, b.value), a.exponent + b.exponent);
  }
  friend Scaled operator+(const Scaled& a, const Scaled& b) {
    if (size_of(a.value) == 0) return b;
    if (size_of(b.value) == 0) return a;
    const Scaled &large = a.exponent >= b.exponent ? a : b, &small = &large == &a ? b : a;
    return Scaled(large.value + times_power(small.value, small.exponent - large.exponent),
                  large.exponent);
  }
};

// `t` seen with `dim` last.
Tensor lines(const Tensor& t, int64_t dim) {
  Dims sizes(t.sizes()), strides(t.strides());
  if (t.dim() > 0) {
    const int64_t d = dim < 0 ? dim + t.dim() : dim, n = sizes[d], s = strides[d];
    sizes.erase(d);
    strides.erase(d);
    sizes.push_back(n);
    strides.push_back(s);
  }
  return Tensor::alias(t, sizes, strides, t.offset());
}

Tensor packed_lines(const Tensor& t, int64_t dim, DType dtype) {
  const Tensor seen = lines(t, dim);
  const Tensor made = empty(seen.sizes(), {dtype, t.device()});
  copy(made, seen);
  return made;
}

// f(line, result, n) over lines of double or complex<double>, for each of `inputs`' lines.
template <class F>
void over_lines(const Tensor& out, const Tensor& self, int64_t dim, F&& f) {
  if (out.numel() == 0) return;
  const DType dtype = self.is_complex() ? DType::complex128 : DType::float64;
  const Tensor x = packed_lines(self, dim, dtype), y = empty(x.sizes(), {dtype, out.device()});
  const int64_t n = self.dim() == 0 ? 1 : x.sizes().back(), count = x.numel() / n;
  parallel_for(count, std::max<int64_t>(1, kGrain / 16 / n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(x, y, i * n, n);
  });
  copy(lines(out, dim), y);
}

// Whether no element is so large or small that eight of them leave the range of a double, nor
// infinite, nor NaN; and where the zeros are.
struct Sizes {
  bool plain = true;
  int64_t zeros = 0, last_zero = 0;
};
Sizes sizes_of(const double* x, int64_t n) {
  Sizes found;
  for (int64_t i = 0; i < n; ++i) {
    const double size = std::abs(x[i]);
    found.plain &= (size == 0) | ((size >= 0x1p-60) & (size <= 0x1p60));
    found.zeros += size == 0;
  }
  if (found.zeros > 0)
    for (int64_t i = 0; i < n; ++i)
      if (x[i] == 0) found.last_zero = i;
  return found;
}

// The product of all but the zeros, of elements of plain sizes.
Scaled<double> product_of_plain(const double* x, int64_t n) {
  constexpr int64_t kTogether = 8;
  double value = 1;
  int64_t exponent = 0;
  for (int64_t i = 0; i < n; i += kTogether) {
    double v[kTogether];
    for (int64_t k = 0; k < kTogether; ++k) v[k] = i + k < n && x[i + k] != 0 ? x[i + k] : 1.0;
    for (int64_t half = kTogether / 2; half > 0; half /= 2)
      for (int64_t k = 0; k < half; ++k) v[k] *= v[k + half];
    value *= v[0];
    for (; std::abs(value) > 0x1p300; exponent += 300) value *= 0x1p-300;
    for (; std::abs(value) < 0x1p-300; exponent -= 300) value *= 0x1p300;
  }
  return Scaled<double>(value, exponent);
}

// The product of all, divided by the one: to the last bit but one as good as theirs.
bool others_of_plain(const double* x, double* y, int64_t n) {
  const Sizes sizes = sizes_of(x, n);
  if (!sizes.plain) return false;
  if (sizes.zeros > 1) {
    std::fill(y, y + n, 0.0);
    return true;
  }
  const Scaled<double> all = product_of_plain(x, n);
  if (sizes.zeros == 1) {
    std::fill(y, y + n, 0.0);
    y[sizes.last_zero] = all.whole();
    return true;
  }
  // In two steps: the first stays in range, so the second alone rounds.
  const auto exponent = static_cast<int>(std::clamp<int64_t>(all.exponent, -1300, 1300));
  const double half = std::ldexp(1.0, exponent / 2),
               rest = std::ldexp(1.0, exponent - exponent / 2);
  for (int64_t i = 0; i < n; ++i) y[i] = all.value / x[i] * half * rest;
  return true;
}
bool others_of_plain(const std::complex<double>*, std::complex<double>*, int64_t) { return false; }

template <class T>
void line_of_others(const T* x, T* y, int64_t n) {
  if (others_of_plain(x, y, n)) return;
  std::vector<Scaled<T>> before(static_cast<size_t>(n));
  Scaled<T> running;
  for (int64_t i = 0; i < n; ++i) {
    before[i] = running;
    running = running * Scaled<T>(x[i]);
  }
  running = Scaled<T>();
  for (int64_t i = n - 1; i >= 0; --i) {
    y[i] = (before[i] * running).whole();
    running = running * Scaled<T>(x[i]);
  }
}

// With s[k] = g[k] + x[k + 1] s[k + 1], element k has the gradient s[k] x[0] ... x[k - 1].
template <class T>
void line_of_cumprod(const T* g, const T* x, T* y, int64_t n) {
  std::vector<Scaled<T>> sums(static_cast<size_t>(n));
  Scaled<T> running(g[n - 1]);
  sums[n - 1] = running;
  for (int64_t k = n - 2; k >= 0; --k) {
    running = Scaled<T>(g[k]) + running * Scaled<T>(conjugate(x[k + 1]));
    sums[k] = running;
  }
  running = Scaled<T>();
  for (int64_t k = 0; k < n; ++k) {
    y[k] = (sums[k] * running).whole();
    running = running * Scaled<T>(conjugate(x[k]));
  }
}

}  // namespace

void prod_others(const Tensor& out, const Tensor& self, int64_t dim) {
  over_lines(out, self, dim, [](const Tensor& x, const Tensor& y, int64_t at, int64_t n) {
    if (x.is_complex())
      line_of_others(x.data<std::complex<double>>() + at, y.data<std::complex<double>>() + at, n);
    else
      line_of_others(x.data<double>() + at, y.data<double>() + at, n);
  });
}

void cumprod_grad(const Tensor& out, const Tensor& grad, const Tensor& self, int64_t dim) {
  const DType dtype = self.is_complex() ? DType::complex128 : DType::float64;
  const Tensor g = packed_lines(grad, dim, dtype);
  over_lines(out, self, dim, [&](const Tensor& x, const Tensor& y, int64_t at, int64_t n) {
    if (x.is_complex())
      line_of_cumprod(g.data<std::complex<double>>() + at, x.data<std::complex<double>>() + at,
                      y.data<std::complex<double>>() + at, n);
    else
      line_of_cumprod(g.data<double>() + at, x.data<double>() + at, y.data<double>() + at, n);
  });
}

}  // namespace flambeau::inline v1::cpu
