// The gradient of borders that repeat elements.
#include <algorithm>
#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/cpu/rearrange/join.h"

namespace flambeau::inline v1::cpu {
namespace {

struct Folded {
  int64_t size, padded, left;
};

// One dimension without its border, each element of which is added to where it came from; `inner`
// elements lie at each place.
template <class T>
void fold(const T* from, T* to, const Folded& d, int64_t inner, int64_t mode) {
  const int64_t first = std::clamp<int64_t>(d.left, 0, d.padded);
  const int64_t end = std::clamp<int64_t>(d.left + d.size, 0, d.padded);
  // What is not there got nothing.
  const int64_t begin = std::clamp<int64_t>(first - d.left, 0, d.size);
  std::fill_n(to, begin * inner, T(0));
  std::copy_n(from + first * inner, (end - first) * inner, to + begin * inner);
  std::fill(to + (begin + end - first) * inner, to + d.size * inner, T(0));
  const auto add = [&](int64_t k) {
    T* const sum = to + border_source(k - d.left, d.size, mode) * inner;
    for (int64_t i = 0; i < inner; ++i) sum[i] += from[k * inner + i];
  };
  for (int64_t k = 0; k < first; ++k) add(k);
  for (int64_t k = end; k < d.padded; ++k) add(k);
}

// Planes of `dims`, the outermost first.
template <class T>
void fold_planes(const T* from, T* to, int64_t planes, const std::vector<Folded>& dims,
                 int64_t inner, int64_t mode) {
  int64_t padded = inner, size = inner;
  for (const Folded& d : dims) {
    padded *= d.padded;
    size *= d.size;
  }
  constexpr int64_t kGrain = 32768;
  parallel_for(planes, std::max<int64_t>(1, kGrain / padded), [&](int64_t p, int64_t last) {
    std::vector<T> rooms[2];
    for (; p < last; ++p) {
      const T* plane = from + p * padded;
      int64_t behind = inner, outer = padded / inner;
      for (size_t k = dims.size(); k-- > 0;) {
        const Folded& d = dims[k];
        outer /= d.padded;
        T* made = to + p * size;
        if (k > 0) {
          rooms[k % 2].resize(static_cast<size_t>(outer * d.size * behind));
          made = rooms[k % 2].data();
        }
        for (int64_t o = 0; o < outer; ++o)
          fold(plane + o * d.padded * behind, made + o * d.size * behind, d, behind, mode);
        behind *= d.size;
        plane = made;
      }
    }
  });
}

}  // namespace

void edge_border_backward(const Tensor& result, const Tensor& grad, IntSpan pad, int64_t mode) {
  if (result.numel() == 0) return;
  if (grad.numel() == 0) return fill(result, 0);  // all was cut off
  const int64_t rank = static_cast<int64_t>(pad.size()) / 2, first = result.dim() - rank;
  // Channels that are neighbours lie at each place together.
  MemoryFormat format = first == 2 ? result.suggest_memory_format() : MemoryFormat::contiguous;
  if (!result.is_contiguous(format)) format = MemoryFormat::contiguous;
  const bool last = format != MemoryFormat::contiguous;
  const DType stored = result.dtype();
  const bool half = stored == DType::float16 || stored == DType::bfloat16;
  const DType dtype = half ? DType::float32 : stored;
  const Tensor g = packed(grad, dtype, format), made = place_for(result, dtype, format);
  std::vector<Folded> dims;
  for (int64_t d = first; d < result.dim(); ++d)
    dims.push_back({made.size(d), g.size(d), pad[2 * (result.dim() - 1 - d)]});
  const int64_t inner = (last ? made.size(1) : 1) * (is_complex(dtype) ? 2 : 1);
  int64_t planes = last ? made.size(0) : 1;
  for (int64_t d = 0; d < first && !last; ++d) planes *= made.size(d);
  if (dtype == DType::float64 || dtype == DType::complex128)
    fold_planes(reinterpret_cast<const double*>(g.bytes()), reinterpret_cast<double*>(made.bytes()),
                planes, dims, inner, mode);
  else
    fold_planes(reinterpret_cast<const float*>(g.bytes()), reinterpret_cast<float*>(made.bytes()),
                planes, dims, inner, mode);
  deliver(result, made);
}

}  // namespace flambeau::inline v1::cpu
