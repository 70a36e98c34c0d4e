#include "kernels/cpu/resample/grid_kernels.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

inline float rounded_down(float x) { return __builtin_floorf(x); }
inline double rounded_down(double x) { return __builtin_floor(x); }
inline float rounded(float x) { return __builtin_nearbyintf(x); }
inline double rounded(double x) { return __builtin_nearbyint(x); }
inline float rest(float x, float y) { return __builtin_fmodf(x, y); }
inline double rest(double x, double y) { return __builtin_fmod(x, y); }

// A coordinate, and its slope.
template <class T>
struct Coordinate {
  T at, slope;
};

// From [-1, 1] to places of elements.
template <class T>
inline Coordinate<T> place_of(T x, int64_t size, bool align_corners) {
  const T n = static_cast<T>(size);
  if (align_corners) return {(x + 1) / 2 * (n - 1), (n - 1) / 2};
  return {((x + 1) * n - 1) / 2, n / 2};
}

template <class T>
inline Coordinate<T> clipped(Coordinate<T> c, int64_t size) {
  const T most = static_cast<T>(size - 1);
  if (!(c.at > 0)) return {0, 0};
  return c.at >= most ? Coordinate<T>{most, 0} : c;
}

// Mirrored at the ends, which are given times 2, as often as it takes.
template <class T>
inline Coordinate<T> mirrored(Coordinate<T> c, int64_t low, int64_t high) {
  if (low == high) return {0, 0};
  const T first = static_cast<T>(low) / 2, span = static_cast<T>(high - low) / 2;
  T x = c.at - first;
  const T sign = x < 0 ? T(-1) : T(1);
  x *= sign;
  const T extra = rest(x, span), flips = rounded_down(x / span);
  const bool back = rest(flips, T(2)) != 0;
  return back ? Coordinate<T>{span - extra + first, -sign * c.slope}
              : Coordinate<T>{extra + first, sign * c.slope};
}

template <class T>
inline Coordinate<T> bounded(Coordinate<T> c, int64_t size, const GridHow& how) {
  if (how.padding == kBorder) return clipped(c, size);
  if (how.padding != kReflection) return c;
  const Coordinate<T> m =
      how.align_corners ? mirrored(c, 0, 2 * (size - 1)) : mirrored(c, -1, 2 * size - 1);
  return clipped(m, size);
}

// The place of a number, -1 outside.
template <class T>
inline int64_t inside(T x, int64_t size) {
  return x >= 0 && x < static_cast<T>(size) ? static_cast<int64_t>(x) : -1;
}

// A place that no image can have, and no number, lies outside.
template <class T>
inline T of_an_image(T x) {
  return x > T(-2147483648.0) && x < T(2147483648.0) ? x : T(-100);
}

// What a point reads along one dimension.
template <class T>
struct Line {
  int64_t count, places[4];
  T weights[4], slopes[4], bends[4];  // and the first and second slopes of weights
};

template <class T>
inline T cubic_near(T x) {
  constexpr T a = T(-0.75);
  return ((a + 2) * x - (a + 3)) * x * x + 1;
}
template <class T>
inline T cubic_far(T x) {
  constexpr T a = T(-0.75);
  return (((x - 5) * x + 8) * x - 4) * a;
}
template <class T>
inline T slope_near(T x) {
  constexpr T a = T(-0.75);
  return (3 * (a + 2) * x - 2 * (a + 3)) * x;
}
template <class T>
inline T slope_far(T x) {
  constexpr T a = T(-0.75);
  return ((3 * x - 10) * x + 8) * a;
}

template <class T>
inline T bend_near(T x) {
  constexpr T a = T(-0.75);
  return 6 * (a + 2) * x - 2 * (a + 3);
}
template <class T>
inline T bend_far(T x) {
  constexpr T a = T(-0.75);
  return (6 * x - 10) * a;
}

template <class T>
inline void line_of(Line<T>& line, T x, int64_t size, const GridHow& how) {
  Coordinate<T> c = place_of(x, size, how.align_corners);
  if (how.interpolation == kBicubic) {
    const T low = rounded_down(c.at), t = c.at - low;
    line.count = 4;
    for (int k = 0; k < 4; ++k)
      line.places[k] = inside(bounded<T>({low + static_cast<T>(k - 1), 0}, size, how).at, size);
    const T weights[] = {cubic_far(t + 1), cubic_near(t), cubic_near(1 - t), cubic_far(2 - t)};
    const T slopes[] = {slope_far(t + 1), slope_near(t), -slope_near(1 - t), -slope_far(2 - t)};
    const T bends[] = {bend_far(t + 1), bend_near(t), bend_near(1 - t), bend_far(2 - t)};
    for (int k = 0; k < 4; ++k) {
      line.weights[k] = weights[k];
      line.slopes[k] = slopes[k] * c.slope;
      line.bends[k] = bends[k] * c.slope * c.slope;
    }
    return;
  }
  c = bounded(c, size, how);
  c.at = of_an_image(c.at);
  if (how.interpolation == kNearest) {
    line.count = 1;
    line.places[0] = inside(rounded(c.at), size);
    line.weights[0] = 1;
    line.slopes[0] = line.bends[0] = 0;
    return;
  }
  const T low = rounded_down(c.at);
  line.count = 2;
  line.places[0] = inside(low, size);
  line.places[1] = inside(low + 1, size);
  line.weights[0] = low + 1 - c.at;
  line.weights[1] = c.at - low;
  line.slopes[0] = -c.slope;
  line.slopes[1] = c.slope;
  line.bends[0] = line.bends[1] = 0;
}

// The weights alone, of images that are interpolated: most of what is asked for.
template <class T>
bool bilinear_taps(GridTaps<T>& taps, const T* grid, int64_t points, const GridHow& how) {
  const int64_t sizes[] = {how.sizes[1], how.sizes[0]};
  T at[2][kGridBlock];
  for (int64_t d = 0; d < 2; ++d) {
    if (how.padding == kZeros)
      for (int64_t p = 0; p < points; ++p)
        at[d][p] = place_of(grid[2 * p + d], sizes[d], how.align_corners).at;
    else
      for (int64_t p = 0; p < points; ++p)
        at[d][p] =
            bounded(place_of(grid[2 * p + d], sizes[d], how.align_corners), sizes[d], how).at;
  }
  const T width = static_cast<T>(sizes[0]), height = static_cast<T>(sizes[1]);
  int64_t outside = 0;
  for (int64_t p = 0; p < points; ++p) {
    const T x = of_an_image(at[0][p]), y = of_an_image(at[1][p]);
    const T left = rounded_down(x), top = rounded_down(y);
    const bool in_left = (left >= 0) & (left < width), in_top = (top >= 0) & (top < height);
    const bool in_right = (left >= -1) & (left + 1 < width);
    const bool in_bottom = (top >= -1) & (top + 1 < height);
    const int64_t place = static_cast<int64_t>(top) * sizes[0] + static_cast<int64_t>(left);
    const T right_part = x - left, left_part = left + 1 - x;
    const T bottom_part = y - top, top_part = top + 1 - y;
    taps.places[0][p] = in_left & in_top ? place : -1;
    taps.places[1][p] = in_right & in_top ? place + 1 : -1;
    taps.places[2][p] = in_left & in_bottom ? place + sizes[0] : -1;
    taps.places[3][p] = in_right & in_bottom ? place + sizes[0] + 1 : -1;
    taps.weights[0][p] = left_part * top_part;
    taps.weights[1][p] = right_part * top_part;
    taps.weights[2][p] = left_part * bottom_part;
    taps.weights[3][p] = right_part * bottom_part;
    outside += !(in_left & in_right & in_top & in_bottom);
  }
  taps.count = 4;
  return outside == 0;
}

template <class T>
void taps_of(GridTaps<T>& taps, const T* grid, const T* way, int64_t points, const GridHow& how,
             bool slopes) {
  taps.points = points;
  if (how.rank == 2 && how.interpolation == kBilinear && !way && !slopes) {
    taps.inside = bilinear_taps(taps, grid, points, how);
    return;
  }
  taps.inside = true;
  for (int64_t p = 0; p < points; ++p, grid += how.rank) {
    Line<T> lines[3];  // columns, rows, depth
    lines[2] = {1, {0}, {1}, {0}, {0}};
    for (int64_t d = 0; d < how.rank; ++d)
      line_of(lines[d], grid[d], how.sizes[how.rank - 1 - d], how);
    const int64_t height = how.sizes[how.rank - 2], width = how.sizes[how.rank - 1];
    int64_t at = 0;
    for (int64_t k = 0; k < lines[2].count; ++k)
      for (int64_t i = 0; i < lines[1].count; ++i)
        for (int64_t j = 0; j < lines[0].count; ++j, ++at) {
          const int64_t tap[] = {j, i, k};
          const int64_t deep = lines[2].places[k], row = lines[1].places[i];
          const int64_t column = lines[0].places[j];
          const bool there = deep >= 0 && row >= 0 && column >= 0;
          taps.inside = taps.inside && there;
          taps.places[at][p] = there ? (deep * height + row) * width + column : -1;
          // The product over dimensions, of which `first` and `second` give a slope.
          const auto product = [&](int64_t first, int64_t second) {
            T made = 1;
            for (int64_t d = 0; d < 3; ++d) {
              const Line<T>& line = lines[d];
              const int order = (d == first) + (d == second);
              made *= order == 0   ? line.weights[tap[d]]
                      : order == 1 ? line.slopes[tap[d]]
                                   : line.bends[tap[d]];
            }
            return made;
          };
          T weight = way ? T(0) : product(-1, -1);
          for (int64_t d = 0; d < how.rank && way; ++d) weight += product(d, -1) * way[d];
          taps.weights[at][p] = weight;
          for (int64_t d = 0; d < 3 && slopes; ++d) {
            T slope = way ? T(0) : product(d, -1);
            for (int64_t e = 0; e < how.rank && way; ++e) slope += product(d, e) * way[e];
            taps.slopes[d][at][p] = slope;
          }
        }
    taps.count = at;
    if (way) way += how.rank;
  }
}

template <class T>
void read(T* out, const T* plane, const GridTaps<T>& taps) {
  if (taps.inside && taps.count == 4) {
    for (int64_t p = 0; p < taps.points; ++p)
      out[p] = ((T(0) + plane[taps.places[0][p]] * taps.weights[0][p] +
                 plane[taps.places[1][p]] * taps.weights[1][p]) +
                plane[taps.places[2][p]] * taps.weights[2][p]) +
               plane[taps.places[3][p]] * taps.weights[3][p];
    return;
  }
  T sums[kGridBlock] = {};
  for (int64_t k = 0; k < taps.count; ++k) {
    const int64_t* const places = taps.places[k];
    const T* const weights = taps.weights[k];
    for (int64_t p = 0; p < taps.points; ++p) {
      const T v = plane[places[p] < 0 ? 0 : places[p]];
      sums[p] += places[p] < 0 ? T(0) : v * weights[p];
    }
  }
  for (int64_t p = 0; p < taps.points; ++p) out[p] = sums[p];
}

template <class T>
void write(T* plane, const T* grad, const GridTaps<T>& taps) {
  for (int64_t p = 0; p < taps.points; ++p)
    for (int64_t k = 0; k < taps.count; ++k)
      if (taps.places[k][p] >= 0) plane[taps.places[k][p]] += taps.weights[k][p] * grad[p];
}

template <class T>
void slope(T* out, const T* plane, const T* grad, const GridTaps<T>& taps, int64_t rank) {
  T sums[3][kGridBlock] = {};
  for (int64_t k = 0; k < taps.count; ++k) {
    const int64_t* const places = taps.places[k];
    for (int64_t p = 0; p < taps.points; ++p) {
      const T v = places[p] < 0 ? T(0) : plane[places[p] < 0 ? 0 : places[p]] * grad[p];
      for (int64_t d = 0; d < 3; ++d) sums[d][p] += places[p] < 0 ? T(0) : v * taps.slopes[d][k][p];
    }
  }
  for (int64_t p = 0; p < taps.points; ++p)
    for (int64_t d = 0; d < rank; ++d) out[p * rank + d] += sums[d][p];
}

template <class T>
constexpr GridLoops<T> loops() {
  return {taps_of<T>, read<T>, write<T>, slope<T>};
}

}  // namespace

extern const GridKernels grid_kernels;
const GridKernels grid_kernels = {loops<float>(), loops<double>()};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
