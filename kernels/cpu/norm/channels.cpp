#include "kernels/cpu/norm/channels.h"

#include <type_traits>

#include "core/parallel/isa.h"

namespace flambeau::inline v1::cpu {
namespace baseline {
extern const AllChannelKernels channel_kernels;
}
namespace avx2 {
extern const AllChannelKernels channel_kernels;
}
namespace avx512 {
extern const AllChannelKernels channel_kernels;
}

Channels channels_of(const Tensor& x) {
  const IntSpan sizes = x.sizes();
  int64_t plane = 1;
  for (size_t d = 2; d < sizes.size(); ++d) plane *= sizes[d];
  const MemoryFormat format = x.suggest_memory_format();
  return {format, sizes[0], sizes[1], plane, plane == 1 || format != MemoryFormat::contiguous};
}

template <class T>
const ChannelKernels<T>& channel_kernels_of(DType stored) {
  static const AllChannelKernels& all =
      of_isa(baseline::channel_kernels, avx2::channel_kernels, avx512::channel_kernels);
  if constexpr (std::is_same_v<T, double>)
    return all.f64;
  else
    return stored == DType::float16 ? all.f16 : stored == DType::bfloat16 ? all.bf16 : all.f32;
}
template const ChannelKernels<float>& channel_kernels_of<float>(DType);
template const ChannelKernels<double>& channel_kernels_of<double>(DType);

std::vector<double> numbers_of(const Tensor& t, int64_t n, double otherwise) {
  std::vector<double> values(static_cast<size_t>(n), otherwise);
  if (!t.defined() || n == 0) return values;
  const Tensor p = packed(t, t.dtype());
  convert(DType::float64, values.data(), p.dtype(), p.bytes(), n);
  return values;
}

void deliver_numbers(const Tensor& t, const std::vector<double>& values) {
  if (!t.defined() || t.numel() == 0) return;
  const Tensor p = place_for(t, t.dtype());
  convert(p.dtype(), p.bytes(), DType::float64, values.data(), t.numel());
  deliver(t, p);
}

}  // namespace flambeau::inline v1::cpu
