#include "kernels/cpu/resample/bands.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/cpu/resample/bands_kernels.h"

namespace flambeau::inline v1::cpu {
namespace {

const BandKernels& band_kernels() {
  static const BandKernels& chosen =
      of_isa(baseline::band_kernels, avx2::band_kernels, avx512::band_kernels);
  return chosen;
}

bool is_identity(const Band& band) {
  if (!band.weights.empty() || !band.divisors.empty() || band.in != band.out) return false;
  for (int64_t o = 0; o < band.out; ++o)
    if (band.begin[o] != o || band.count[o] != 1) return false;
  return true;
}

// The tables of what is done along a row.
template <class T>
class Along {
 public:
  Along(const Band& band, int64_t inner, int64_t lanes, bool divided) {
    for (const double weight : band.weights) weights_.push_back(as_weight(weight));
    if (divided) {
      for (int64_t o = 0; o < band.out; ++o)
        divisors_.insert(divisors_.end(), inner,
                         static_cast<T>(band.divisors.empty() ? 1 : band.divisors[o]));
    }
    plan_ = {band.in,
             band.out,
             inner,
             band.most,
             band.begin.data(),
             band.count.data(),
             weights_.empty() ? nullptr : weights_.data(),
             divided ? divisors_.data() : nullptr,
             nullptr,
             nullptr,
             nullptr};
    if (lanes > 0 && inner < lanes) make_blocks(band, inner, lanes);
  }
  Along(const Along&) = delete;
  const BandAlong<T>& plan() const { return plan_; }

 private:
  // Integers may be negative, whose words are those of signed ones.
  static T as_weight(double weight) {
    if constexpr (std::is_floating_point_v<T>)
      return static_cast<T>(weight);
    else
      return static_cast<T>(static_cast<int64_t>(weight));
  }

  // See BandBlock. There are none where no block would have its elements close by.
  void make_blocks(const Band& band, int64_t inner, int64_t lanes) {
    const int64_t n = band.out * inner, count = (n + lanes - 1) / lanes;
    bool any = false;
    std::vector<size_t> firsts;
    places_.resize(static_cast<size_t>(count * lanes));
    for (int64_t b = 0; b < count; ++b) {
      const int64_t first = b * lanes, end = std::min(n, first + lanes);
      const auto place = [&](int64_t i) { return band.begin[i / inner] * inner + i % inner; };
      int64_t low = place(first), high = low, most = 0, least = band.count[first / inner];
      for (int64_t i = first; i < end; ++i) {
        low = std::min(low, place(i));
        high = std::max(high, place(i));
        most = std::max(most, band.count[i / inner]);
        least = std::min(least, band.count[i / inner]);
      }
      const bool close = high - low < 4 * lanes;
      any = any || close;
      blocks_.push_back({close ? low : -1, most, least < most, high - low >= 2 * lanes});
      firsts.push_back(block_weights_.size());
      if (!close) continue;
      for (int64_t i = first; i < end; ++i) places_[i] = static_cast<BandPlace<T>>(place(i) - low);
      if (least == most && band.weights.empty()) continue;
      for (int64_t k = 0; k < most; ++k)
        for (int64_t i = first; i < first + lanes; ++i) {
          const int64_t o = std::min(i, end - 1) / inner;
          const bool there = k < band.count[o];
          const double weight = band.weights.empty() ? 1 : band.weights[o * band.most + k];
          block_weights_.push_back(there ? as_weight(weight) : std::numeric_limits<T>::quiet_NaN());
        }
    }
    if (!any) return;
    for (const size_t first : firsts) pointers_.push_back(block_weights_.data() + first);
    plan_.blocks = blocks_.data();
    plan_.places = places_.data();
    plan_.block_weights = pointers_.data();
  }

  BandAlong<T> plan_;
  std::vector<T> weights_, divisors_, block_weights_;
  std::vector<BandBlock> blocks_;
  std::vector<BandPlace<T>> places_;
  std::vector<const T*> pointers_;
};

// Planes of three dimensions, each row's places `inner` elements wide.
template <class T>
void run(const BandLoops<T>& loops, char* out, const char* in, int64_t planes,
         const std::vector<Band>& bands, int64_t inner, int64_t item) {
  const Band &deep = bands[0], &high = bands[1], &wide = bands[2];
  bool divided = false, plain = deep.weights.empty() && high.weights.empty();
  for (const Band& band : bands) divided = divided || !band.divisors.empty();
  const Along<T> along(wide, inner, loops.lanes, divided);
  const int64_t in_row = wide.in * inner, out_row = wide.out * inner;
  const int64_t in_plane = deep.in * high.in * in_row, rows = deep.out * high.out;
  const bool moves_rows = is_identity(wide), same_type = item == sizeof(T);
  const int64_t cost = deep.most * high.most * in_row + wide.most * out_row;
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(cost, 1));
  parallel_for(planes * rows, grain, [&](int64_t r, int64_t end) {
    std::vector<T> room(static_cast<size_t>(in_row));
    std::vector<BandTap> taps, before;
    int64_t plane_before = -1;
    for (; r < end; ++r) {
      const int64_t plane = r / rows, d = r % rows / high.out, h = r % high.out;
      char* const to = out + r * out_row * item;
      taps.clear();
      for (int64_t i = 0; i < deep.count[d]; ++i)
        for (int64_t j = 0; j < high.count[h]; ++j) {
          const double by_depth = deep.weights.empty() ? 1 : deep.weights[d * deep.most + i];
          const double by_row = high.weights.empty() ? 1 : high.weights[h * high.most + j];
          taps.push_back({((deep.begin[d] + i) * high.in + high.begin[h] + j) * in_row,
                          static_cast<double>(static_cast<T>(by_depth) * static_cast<T>(by_row))});
        }
      const bool alone = plain && taps.size() == 1;
      if (alone && !divided && plane == plane_before && before.size() == 1 &&
          before[0].offset == taps[0].offset) {
        std::memcpy(to, to - out_row * item, out_row * item);  // the same row once more
        continue;
      }
      plane_before = plane;
      before = taps;
      const char* const from = in + plane * in_plane * item;
      const T* row = room.data();
      if (alone && same_type) {
        row = reinterpret_cast<const T*>(from) + taps[0].offset;
      } else {
        T* const sums =
            moves_rows && same_type && !divided ? reinterpret_cast<T*>(to) : room.data();
        loops.gather(sums, from, taps.data(), static_cast<int64_t>(taps.size()), in_row, plain);
        if (sums != room.data()) continue;
      }
      int64_t by = deep.divisors.empty() ? 1 : deep.divisors[d];
      if (!high.divisors.empty()) by *= high.divisors[h];
      loops.along(to, row, along.plan(), static_cast<T>(by));
    }
  });
}

}  // namespace

Band identity_band(int64_t size) {
  Band band{size, size, 1, {}, {}, {}, {}};
  for (int64_t i = 0; i < size; ++i) band.begin.push_back(i);
  band.count.assign(size, 1);
  return band;
}

Band transposed(const Band& band) {
  Band made{band.out, band.in, 0, {}, {}, {}, {}};
  made.begin.assign(band.in, 0);
  made.count.assign(band.in, 0);
  for (int64_t o = 0; o < band.out; ++o)
    for (int64_t i = band.begin[o]; i < band.begin[o] + band.count[o]; ++i) {
      if (made.count[i] == 0) made.begin[i] = o;
      made.count[i] = o - made.begin[i] + 1;
      made.most = std::max(made.most, made.count[i]);
    }
  // Both ends rise, for elements that went nowhere too.
  for (int64_t i = 1; i < band.in; ++i)
    if (made.count[i] == 0) made.begin[i] = made.begin[i - 1] + made.count[i - 1];
  if (band.weights.empty() && band.divisors.empty()) return made;
  made.weights.assign(band.in * made.most, 0);
  for (int64_t o = 0; o < band.out; ++o)
    for (int64_t k = 0; k < band.count[o]; ++k) {
      const int64_t i = band.begin[o] + k;
      double weight = band.weights.empty() ? 1 : band.weights[o * band.most + k];
      if (!band.divisors.empty()) weight /= static_cast<double>(band.divisors[o]);
      made.weights[i * made.most + o - made.begin[i]] = weight;
    }
  return made;
}

namespace {

// How planes lie: with channels as neighbours, or one after the other.
struct Planes {
  MemoryFormat format;
  int64_t count, inner;

  Planes(const Tensor& out, int64_t rank) : format(MemoryFormat::contiguous), count(1), inner(1) {
    const int64_t first = out.dim() - rank;
    if (first == 2 && out.is_contiguous(out.suggest_memory_format()))
      format = out.suggest_memory_format();
    if (format != MemoryFormat::contiguous) {
      count = out.size(0);
      inner = out.size(1);
      return;
    }
    for (int64_t d = 0; d < first; ++d) count *= out.size(d);
  }
};

// A band's weights as integers: as many bits as the largest leaves room for.
struct Bytes {
  std::vector<int16_t> weights;
  Band integers;  // the same band with these weights
  ByteBand band;

  explicit Bytes(const Band& of) : band{of.out, of.most, of.begin.data(), of.count.data(), {}, 0} {
    const double most =
        of.weights.empty() ? 1 : *std::max_element(of.weights.begin(), of.weights.end());
    integers = of;
    integers.weights.clear();
    while (band.shift < 22 && static_cast<int>(0.5 + most * (1 << (band.shift + 1))) < 1 << 15)
      ++band.shift;
    for (int64_t i = 0; i < of.out * of.most; ++i) {
      const double weight = (of.weights.empty() ? 1 : of.weights[i]) * (1 << band.shift);
      weights.push_back(static_cast<int16_t>(weight < 0 ? weight - 0.5 : weight + 0.5));
      integers.weights.push_back(weights.back());
    }
    band.weights = weights.data();
  }
  Bytes(const Bytes&) = delete;
};

}  // namespace

void apply_byte_bands(const Tensor& out, const Tensor& in, const Band& rows, const Band& columns) {
  if (out.numel() == 0) return;
  const Planes planes(out, 2);
  const int64_t inner = planes.inner, in_row = columns.in * inner, out_row = columns.out * inner;
  const Tensor x = packed(in, DType::uint8, planes.format);
  const Tensor y = place_for(out, DType::uint8, planes.format);
  const Bytes high(rows), wide(columns);
  const ByteLoops& loops = band_kernels().bytes;
  const Along<uint32_t> along(wide.integers, inner, loops.lanes, false);
  BandAlong<uint32_t> plan = along.plan();
  for (int64_t b = 0; plan.blocks && b * loops.lanes < out_row; ++b)
    if (plan.blocks[b].base < 0) plan.blocks = nullptr;  // all of them, or none
  constexpr int64_t kRows = 32;  // of the result, that are made of what is in the cache
  const int64_t blocks = (rows.out + kRows - 1) / kRows;
  parallel_for(planes.count * blocks, 1, [&](int64_t task, int64_t end) {
    std::vector<uint8_t> room;
    std::vector<uint32_t> words(static_cast<size_t>(in_row));
    for (; task < end; ++task) {
      const int64_t plane = task / blocks, first = task % blocks * kRows;
      const int64_t last = std::min(first + kRows, rows.out);
      const int64_t from = rows.begin[first], to = rows.begin[last - 1] + rows.count[last - 1];
      room.resize(static_cast<size_t>((to - from) * out_row));
      const uint8_t* const source = x.data<uint8_t>() + plane * rows.in * in_row;
      uint8_t* const made = y.data<uint8_t>() + plane * rows.out * out_row;
      for (int64_t r = from; r < to; ++r)
        loops.along(room.data() + (r - from) * out_row, source + r * in_row, wide.band, plan,
                    words.data());
      for (int64_t o = first; o < last; ++o)
        loops.across(made + o * out_row, room.data() - from * out_row, high.band, o, out_row);
    }
  });
  deliver(out, y);
}

void apply_bands(const Tensor& out, const Tensor& in, std::vector<Band> bands) {
  if (out.numel() == 0) return;
  const Planes planes(out, static_cast<int64_t>(bands.size()));
  const Tensor x = packed(in, in.dtype(), planes.format);
  const Tensor y = place_for(out, out.dtype(), planes.format);
  while (bands.size() < 3) bands.insert(bands.begin(), identity_band(1));
  const auto apply = [&](const auto& loops) {
    run(loops, y.bytes(), x.bytes(), planes.count, bands, planes.inner,
        static_cast<int64_t>(y.itemsize()));
  };
  const BandKernels& kernels = band_kernels();
  switch (out.dtype()) {
    case DType::float64:
      apply(kernels.f64);
      break;
    case DType::float16:
      apply(kernels.f16);
      break;
    case DType::bfloat16:
      apply(kernels.bf16);
      break;
    case DType::int64:
      apply(kernels.i64);
      break;
    case DType::uint8:
      apply(kernels.u8);
      break;
    default:
      apply(kernels.f32);
  }
  deliver(out, y);
}

}  // namespace flambeau::inline v1::cpu
