#include "kernels/cpu/fft/fft.h"

#include <cmath>

#include "kernels/cpu/fft/lines.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

double scale_of(int64_t normalization, double elements) {
  if (normalization == 0) return 1;
  return normalization == 1 ? 1 / std::sqrt(elements) : 1 / elements;
}

// Where each line along `dim` begins, in elements.
std::vector<int64_t> places_of(const Tensor& t, int64_t dim) {
  std::vector<int64_t> places{0};
  for (int64_t d = 0; d < t.dim(); ++d) {
    if (d == dim) continue;
    const int64_t n = t.sizes()[static_cast<size_t>(d)], step = t.strides()[static_cast<size_t>(d)];
    std::vector<int64_t> next;
    next.reserve(places.size() * static_cast<size_t>(n));
    for (const int64_t at : places)
      for (int64_t k = 0; k < n; ++k) next.push_back(at + k * step);
    places = std::move(next);
  }
  return places;
}

template <class T>
void along_as(FftKind kind, const Tensor& out, const Tensor& in, int64_t dim, int64_t n,
              bool forward, double scale) {
  const auto d = static_cast<size_t>(dim);
  const int64_t from = in.is_complex() ? 2 : 1, to = out.is_complex() ? 2 : 1;
  FftJob<T> job{kind,
                n,
                forward,
                static_cast<T>(scale),
                in.data<T>(),
                out.data<T>(),
                places_of(in, dim),
                places_of(out, dim),
                from * in.strides()[d],
                to * out.strides()[d]};
  for (int64_t& at : job.in_places) at *= from;
  for (int64_t& at : job.out_places) at *= to;
  fft_lines(job);
}

void along(FftKind kind, const Tensor& out, const Tensor& in, int64_t dim, int64_t n, bool forward,
           double scale) {
  const bool wide = out.dtype() == DType::float64 || out.dtype() == DType::complex128;
  (wide ? along_as<double> : along_as<float>)(kind, out, in, dim, n, forward, scale);
}

// Transforms of complex numbers along some dimensions, the last ones first.
void along_all(const Tensor& out, const Tensor& in, IntSpan dims, bool forward, double scale) {
  Tensor now = in;
  for (size_t i = dims.size(); i > 0; --i) {
    const auto d = dims[i - 1];
    along(FftKind::complex, out, now, d, out.sizes()[static_cast<size_t>(d)], forward,
          i == 1 ? scale : 1);
    now = out;
  }
}

double count_along(IntSpan sizes, IntSpan dims) {
  double elements = 1;
  for (const int64_t d : dims) elements *= static_cast<double>(sizes[static_cast<size_t>(d)]);
  return elements;
}

Dims wrapped(IntSpan dims, int64_t rank) {
  Dims made(dims);
  for (int64_t& d : made) d += d < 0 ? rank : 0;
  return made;
}

// The elements of a transform of real numbers beyond the first half along the last of `dims`: the
// conjugates of those that lie opposite.
template <class T>
void fill_opposite(const Tensor& out, IntSpan dims) {
  const auto last = static_cast<size_t>(dims.back());
  const IntSpan sizes = out.sizes(), strides = out.strides();
  const int64_t n = sizes[last], half = n / 2 + 1;
  T* const data = out.data<T>();
  Dims at(sizes.size(), 0);
  std::vector<bool> mirrored(sizes.size(), false);
  for (const int64_t d : dims) mirrored[static_cast<size_t>(d)] = true;
  while (true) {
    int64_t to = 0, from = 0;
    for (size_t d = 0; d < sizes.size(); ++d) {
      if (d == last) continue;
      to += at[d] * strides[d];
      from += (mirrored[d] && at[d] > 0 ? sizes[d] - at[d] : at[d]) * strides[d];
    }
    for (int64_t k = half; k < n; ++k) {
      T* const p = data + 2 * (to + k * strides[last]);
      const T* const q = data + 2 * (from + (n - k) * strides[last]);
      p[0] = q[0];
      p[1] = -q[1];
    }
    size_t d = sizes.size();
    while (d > 0 && (d - 1 == last || at[d - 1] + 1 == sizes[d - 1])) at[--d] = 0;
    if (d == 0) return;
    ++at[d - 1];
  }
}

}  // namespace

void fft_c2c(const Tensor& out, const Tensor& self, IntSpan dim, int64_t normalization,
             bool forward) {
  if (out.numel() == 0) return;
  if (dim.empty()) return copy(out, self);
  const Dims dims = wrapped(dim, self.dim());
  along_all(out, self, dims, forward, scale_of(normalization, count_along(self.sizes(), dims)));
}

void fft_r2c(const Tensor& out, const Tensor& self, IntSpan dim, int64_t normalization,
             bool onesided) {
  if (out.numel() == 0) return;
  const Dims dims = wrapped(dim, self.dim());
  const int64_t last = dims.back(), n = self.sizes()[static_cast<size_t>(last)];
  Dims sizes(out.sizes());
  sizes[static_cast<size_t>(last)] = n / 2 + 1;
  const Tensor half = Tensor::alias(out, sizes, out.strides(), out.offset());
  const double scale = scale_of(normalization, count_along(self.sizes(), dims));
  const IntSpan others = IntSpan(dims).first(dims.size() - 1);
  along(FftKind::from_real, half, self, last, n, true, others.empty() ? scale : 1);
  along_all(half, half, others, true, scale);
  if (onesided) return;
  if (out.dtype() == DType::complex128)
    fill_opposite<double>(out, dims);
  else
    fill_opposite<float>(out, dims);
}

void fft_c2r(const Tensor& out, const Tensor& self, IntSpan dim, int64_t normalization) {
  if (out.numel() == 0) return;
  const Dims dims = wrapped(dim, self.dim());
  const int64_t last = dims.back(), n = out.sizes()[static_cast<size_t>(last)];
  const double scale = scale_of(normalization, count_along(out.sizes(), dims));
  const IntSpan others = IntSpan(dims).first(dims.size() - 1);
  Tensor now = self;
  if (!others.empty()) {
    now = empty(self.sizes(), self.options());
    along_all(now, self, others, false, 1);
  }
  along(FftKind::to_real, out, now, last, n, false, scale);
}

}  // namespace flambeau::inline v1::cpu
