// Pooling by averages: bands that divide.
#include <algorithm>

#include "kernels/cpu/pool/pool.h"
#include "kernels/cpu/pool/windows.h"
#include "kernels/cpu/resample/bands.h"

namespace flambeau::inline v1::cpu {
namespace {

void add_window(Band& band, int64_t begin, int64_t end, int64_t divisor) {
  band.begin.push_back(begin);
  band.count.push_back(end - begin);
  band.most = std::max(band.most, end - begin);
  band.divisors.push_back(divisor);
}

// Of images like `image`, pooled to images like `pooled`.
std::vector<Band> window_bands(const Tensor& image, const Tensor& pooled, IntSpan kernel_size,
                               IntSpan stride, IntSpan padding, bool count_include_pad,
                               std::optional<int64_t> divisor, int64_t rank) {
  std::vector<Band> bands;
  for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
    const int64_t at = static_cast<int64_t>(d) - rank;
    const int64_t kernel = along(kernel_size, d), pad = along(padding, d);
    const int64_t step = stride.empty() ? kernel : along(stride, d);
    Band band;
    band.in = image.size(at);
    band.out = pooled.size(at);
    for (int64_t o = 0; o < band.out; ++o) {
      const int64_t from = o * step - pad, to = std::min(from + kernel, band.in + pad);
      const int64_t begin = std::max<int64_t>(from, 0), end = std::min(to, band.in);
      // One number for all stands at the first dimension.
      const int64_t own = count_include_pad ? to - from : end - begin;
      add_window(band, begin, end, !divisor ? own : d == 0 ? *divisor : 1);
    }
    bands.push_back(std::move(band));
  }
  return bands;
}

std::vector<Band> even_bands(const Tensor& image, const Tensor& pooled, int64_t rank) {
  std::vector<Band> bands;
  for (int64_t d = -rank; d < 0; ++d) {
    Band band;
    band.in = image.size(d);
    band.out = pooled.size(d);
    for (int64_t o = 0; o < band.out; ++o) {
      const int64_t begin = even_begin(o, band.out, band.in), end = even_end(o, band.out, band.in);
      add_window(band, begin, end, end - begin);
    }
    bands.push_back(std::move(band));
  }
  return bands;
}

std::vector<Band> transposed(std::vector<Band> bands) {
  for (Band& band : bands) band = cpu::transposed(band);
  return bands;
}

}  // namespace

void avg_pool(const Tensor& out, const Tensor& self, IntSpan kernel_size, IntSpan stride,
              IntSpan padding, bool count_include_pad, std::optional<int64_t> divisor,
              int64_t rank) {
  if (out.numel() == 0) return;
  apply_bands(
      out, self,
      window_bands(self, out, kernel_size, stride, padding, count_include_pad, divisor, rank));
}

void avg_pool_backward(const Tensor& out, const Tensor& grad, IntSpan kernel_size, IntSpan stride,
                       IntSpan padding, bool count_include_pad, std::optional<int64_t> divisor,
                       int64_t rank) {
  if (out.numel() == 0) return;
  apply_bands(out, grad,
              transposed(window_bands(out, grad, kernel_size, stride, padding, count_include_pad,
                                      divisor, rank)));
}

void adaptive_avg_pool(const Tensor& out, const Tensor& self, int64_t rank) {
  if (out.numel() == 0) return;
  apply_bands(out, self, even_bands(self, out, rank));
}

void adaptive_avg_pool_backward(const Tensor& out, const Tensor& grad, int64_t rank) {
  if (out.numel() == 0) return;
  apply_bands(out, grad, transposed(even_bands(out, grad, rank)));
}

}  // namespace flambeau::inline v1::cpu
