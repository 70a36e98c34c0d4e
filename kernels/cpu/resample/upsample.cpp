#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/cpu/resample/bands.h"
#include "kernels/cpu/resample/resample.h"

namespace flambeau::inline v1::cpu {
namespace {

// T is what PyTorch computes places in, so that they are rounded alike.
template <class T>
T step_of(int64_t in, int64_t out, bool align_corners, std::optional<double> scale) {
  if (align_corners) return out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0);
  if (scale && *scale > 0) return static_cast<T>(1.0 / *scale);
  return static_cast<T>(in) / static_cast<T>(out);
}

void add_to(Band& band, int64_t begin, const std::vector<double>& weights) {
  band.begin.push_back(begin);
  band.count.push_back(static_cast<int64_t>(weights.size()));
  band.weights.insert(band.weights.end(), weights.begin(), weights.end());
  band.weights.resize(band.begin.size() * static_cast<size_t>(band.most));
}

// Of images, sizes alone say what the nearest element is where they are equal or one is twice the
// other, whatever the scale.
Band nearest_band(int64_t in, int64_t out, bool exact, std::optional<double> scale, bool image) {
  if (image && !exact && (in == out || out == 2 * in)) scale.reset();
  Band band{in, out, 1, {}, {}, {}, {}};
  const float step = step_of<float>(in, out, false, scale);
  for (int64_t o = 0; o < out; ++o) {
    const float at = exact ? (static_cast<float>(o) + 0.5f) * step : static_cast<float>(o) * step;
    band.begin.push_back(std::min(static_cast<int64_t>(std::floor(at)), in - 1));
  }
  band.count.assign(out, 1);
  return band;
}

// The filter of four neighbours; `a` is its slope at 1.
template <class T>
T cubic_filter(T x, T a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// Two or four neighbours; those beyond the edge are the edge's.
template <class T>
Band neighbours_band(int64_t in, int64_t out, bool cubic, bool align_corners,
                     std::optional<double> scale) {
  if (!cubic && in == out) return identity_band(in);
  Band band{in, out, std::min<int64_t>(cubic ? 4 : 2, in), {}, {}, {}, {}};
  const T step = step_of<T>(in, out, align_corners, scale);
  for (int64_t o = 0; o < out; ++o) {
    T at = align_corners ? step * static_cast<T>(o) : step * (static_cast<T>(o) + T(0.5)) - T(0.5);
    if (!cubic && at < 0) at = 0;
    const int64_t place = std::min(static_cast<int64_t>(std::floor(at)), in - 1);
    const T part = std::clamp(at - static_cast<T>(place), T(0), T(1));
    if (!cubic) {
      if (place + 1 < in)
        add_to(band, place, {static_cast<double>(T(1) - part), static_cast<double>(part)});
      else
        add_to(band, place, {1.0});
      continue;
    }
    const T a = T(-0.75), back = T(1) - part;
    const T weights[] = {cubic_filter(part + 1, a), cubic_filter(part, a), cubic_filter(back, a),
                         cubic_filter(back + 1, a)};
    const int64_t first = std::clamp<int64_t>(place - 1, 0, in - 1);
    std::vector<double> sums(std::clamp<int64_t>(place + 2, 0, in - 1) - first + 1, 0.0);
    for (int64_t k = 0; k < 4; ++k)
      sums[std::clamp<int64_t>(place - 1 + k, 0, in - 1) - first] +=
          static_cast<double>(weights[k]);
    add_to(band, first, sums);
  }
  return band;
}

template <class T>
T filtered(Resampling how, T x) {
  if (how == Resampling::cubic_aa) return cubic_filter(x, T(-0.5));
  if (how == Resampling::linear_aa) return std::max(T(1) - std::abs(x), T(0));
  if (x == 0) return 1;
  if (x <= -3 || x >= 3) return 0;
  const T angle = x * std::numbers::pi_v<T>;
  return std::sin(angle) / angle * (std::sin(angle / 3) / (angle / 3));
}

// All elements under a filter that is as wide as the step, or as the filter itself.
template <class T>
Band smooth_band(int64_t in, int64_t out, Resampling how, bool align_corners,
                 std::optional<double> scale) {
  const T step = step_of<T>(in, out, align_corners, scale);
  const T half = how == Resampling::linear_aa ? T(1) : how == Resampling::cubic_aa ? T(2) : T(3);
  const T reach = step >= 1 ? half * step : half, narrow = step >= 1 ? T(1) / step : T(1);
  Band band{in, out, std::min(static_cast<int64_t>(std::ceil(reach)) * 2 + 1, in), {}, {}, {}, {}};
  const int64_t widest = static_cast<int64_t>(std::ceil(reach)) * 2 + 1;
  for (int64_t o = 0; o < out; ++o) {
    const T middle = step * (static_cast<T>(o) + T(0.5));
    const int64_t begin =
        std::clamp<int64_t>(static_cast<int64_t>(middle - reach + T(0.5)), 0, in - 1);
    const int64_t end = std::min(static_cast<int64_t>(middle + reach + T(0.5)), in);
    const int64_t count = std::clamp<int64_t>(end - begin, 0, std::min(widest, in - begin));
    std::vector<T> weights;
    T total = 0;
    for (int64_t k = 0; k < count; ++k) {
      const T x = (static_cast<T>(k + begin) - middle + T(0.5)) * narrow;
      weights.push_back(filtered(how, x));
      total += weights.back();
    }
    std::vector<double> parts;
    for (const T w : weights) parts.push_back(static_cast<double>(total != 0 ? w / total : w));
    add_to(band, begin, parts);
  }
  return band;
}

template <class T>
std::vector<Band> bands_of(const Tensor& image, const Tensor& made, Resampling how,
                           bool align_corners, Scales scales) {
  std::vector<Band> bands;
  const int64_t rank = static_cast<int64_t>(scales.size());
  bool same = true;  // sizes: what passes over no element keeps all of them, whatever the scale
  for (int64_t k = 1; k <= rank; ++k) same = same && image.size(-k) == made.size(-k);
  int64_t d = -rank;
  for (const std::optional<double>& scale : scales) {
    const int64_t in = image.size(d), out = made.size(d);
    ++d;
    if (how == Resampling::nearest || how == Resampling::nearest_exact)
      bands.push_back(nearest_band(in, out, how != Resampling::nearest, scale, scales.size() == 2));
    else if (how == Resampling::linear || how == Resampling::cubic)
      bands.push_back(neighbours_band<T>(in, out, how == Resampling::cubic, align_corners, scale));
    else if (same)
      bands.push_back(identity_band(in));
    else
      bands.push_back(smooth_band<T>(in, out, how, align_corners, scale));
  }
  return bands;
}

std::vector<Band> bands_of_any(const Tensor& image, const Tensor& made, Resampling how,
                               bool align_corners, Scales scales) {
  const DType dtype = image.dtype();
  return dtype == DType::float64 || dtype == DType::uint8
             ? bands_of<double>(image, made, how, align_corners, scales)
             : bands_of<float>(image, made, how, align_corners, scales);
}

}  // namespace

void upsample(const Tensor& out, const Tensor& in, Resampling how, bool align_corners,
              Scales scales) {
  if (out.numel() == 0) return;
  std::vector<Band> bands = bands_of_any(in, out, how, align_corners, scales);
  const bool nearest = how == Resampling::nearest || how == Resampling::nearest_exact;
  if (in.dtype() == DType::uint8 && !nearest) return apply_byte_bands(out, in, bands[0], bands[1]);
  apply_bands(out, in, std::move(bands));
}

void upsample_backward(const Tensor& out, const Tensor& grad, Resampling how, bool align_corners,
                       Scales scales) {
  if (out.numel() == 0) return;
  std::vector<Band> bands = bands_of_any(out, grad, how, align_corners, scales);
  for (Band& band : bands) band = transposed(band);
  apply_bands(out, grad, std::move(bands));
}

}  // namespace flambeau::inline v1::cpu
