#include <vector>

#include "flambeau/kernels/index.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/math/cast.h"

namespace flambeau::inline v1::cpu {
namespace {

template <class T>
bool is_nan(T x) {
  return x != x;
}

// Visits the elements of the index in order; `place` is where an element's line begins in `to`.
template <class T, class C>
void keep_extremes(const Tensor& to, const Tensor& index, const Tensor& src, int64_t d,
                   bool largest) {
  const IntSpan sizes = index.sizes(), steps = to.strides();
  const auto dims = sizes.size();
  const int64_t length = to.sizes()[static_cast<size_t>(d)];
  const int64_t *const places = index.data<int64_t>(), total = index.numel();
  const T* const from = src.data<T>();
  T* const out = to.data<T>();
  std::vector<int64_t> at(dims, 0);
  int64_t line = 0;
  for (int64_t i = 0; i < total; ++i) {
    const int64_t place = places[i];
    check(place >= 0 && place < length, "_scatter_extreme: index ", place,
          " is out of bounds for dimension ", d, " with size ", length);
    T* const old = out + line + place * steps[static_cast<size_t>(d)];
    const C a = math::cast<C>(*old), b = math::cast<C>(from[i]);
    if (is_nan(b) || (largest ? b > a : b < a)) *old = from[i];
    for (size_t k = dims; k-- > 0;) {  // one element on
      const bool counted = k != static_cast<size_t>(d);
      if (++at[k] < sizes[k]) {
        if (counted) line += steps[k];
        break;
      }
      at[k] = 0;
      if (counted) line -= (sizes[k] - 1) * steps[k];
    }
  }
}

}  // namespace

void _scatter_extreme(const Tensor& result, const Tensor& self, int64_t dim, const Tensor& index,
                      const Tensor& src, bool largest) {
  if (index.numel() == 0) return copy(result, self);
  const Tensor place = place_for(result, self.dtype());
  copy(place, self);
  const int64_t one[] = {1};
  const auto line = [&](const Tensor& t) {
    return t.dim() > 0 ? t : Tensor::alias(t, one, one, t.offset());
  };
  const Tensor to = line(place), where = packed(line(index), DType::int64), all = line(src);
  const Tensor used =
      packed(Tensor::alias(all, where.sizes(), all.strides(), all.offset()), self.dtype());
  const int64_t d = wrap_dim(dim, to.dim(), "_scatter_extreme");
  const auto run = [&](auto stored, auto computed) {
    keep_extremes<decltype(stored), decltype(computed)>(to, where, used, d, largest);
  };
  switch (self.dtype()) {
    case DType::float64:
      run(double{}, double{});
      break;
    case DType::float32:
      run(float{}, float{});
      break;
    case DType::float16:
      run(math::float16{}, float{});
      break;
    case DType::bfloat16:
      run(math::bfloat16{}, float{});
      break;
    case DType::uint64:
      run(uint64_t{}, uint64_t{});
      break;
    case DType::int64:
      run(int64_t{}, int64_t{});
      break;
    case DType::int32:
      run(int32_t{}, int32_t{});
      break;
    case DType::uint32:
      run(uint32_t{}, uint32_t{});
      break;
    case DType::int16:
      run(int16_t{}, int16_t{});
      break;
    case DType::uint16:
      run(uint16_t{}, uint16_t{});
      break;
    case DType::int8:
      run(int8_t{}, int8_t{});
      break;
    default:
      run(uint8_t{}, uint8_t{});
  }
  deliver(result, place);
}

}  // namespace flambeau::inline v1::cpu
