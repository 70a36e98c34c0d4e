// Copying of patches; compiled once per instruction set. See Note [Patches].
#include <type_traits>

#include "kernels/cpu/conv/patches.h"
#include "kernels/cpu/matmul/gemm/simd.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t clamped(int64_t x, int64_t low, int64_t high) {
  return smaller(larger(x, low), high);
}

// Elements are copied as unsigned integers of their size.
template <int Size>
struct ElementOf;
template <>
struct ElementOf<2> {
  using type = uint16_t;
};
template <>
struct ElementOf<4> {
  using type = uint32_t;
};
template <>
struct ElementOf<8> {
  using type = uint64_t;
};

// Which lanes to load from p + lane, in the form that loads take; the others are 0, and no memory
// of theirs is touched. kJoinable: sets can be joined, whatever lies between them.
#if defined(__AVX512BW__)
template <class T>
struct Lanes {
  static constexpr bool kJoinable = true;
  uint32_t mask;

  void join(Lanes other) { mask |= other.mask; }
  static Lanes of(int64_t first, int64_t count) {
    return {static_cast<uint32_t>(((uint64_t{1} << count) - 1) << first)};
  }
  Vec<T> load_from(const T* p) const {
    if constexpr (sizeof(T) == 2) {
      return (Vec<T>)_mm512_maskz_loadu_epi16(mask, p);
    } else if constexpr (sizeof(T) == 4) {
      return (Vec<T>)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(mask), p);
    } else {
      return (Vec<T>)_mm512_maskz_loadu_epi64(static_cast<__mmask8>(mask), p);
    }
  }
};
#else
template <class T>
struct Lanes {
  static constexpr bool kJoinable = false;
  int64_t first, count;

  static Lanes of(int64_t first, int64_t count) { return {first, count}; }
  Vec<T> load_from(const T* p) const {
    if (count == kLanes<T>) return load(p);
    alignas(kVectorBytes) T lanes[kLanes<T>] = {};
    for (int64_t i = first; i < first + count; ++i) lanes[i] = p[i];
    return load(lanes);
  }
};
#if defined(__AVX2__)
template <>
struct Lanes<uint32_t> {
  static constexpr bool kJoinable = true;
  Mask mask;

  void join(Lanes other) { mask = _mm256_or_si256(mask, other.mask); }
  static Lanes of(int64_t first, int64_t count) {
    return {
        _mm256_andnot_si256(first_lanes<uint32_t>(first), first_lanes<uint32_t>(first + count))};
  }
  Vec<uint32_t> load_from(const uint32_t* p) const { return load(p, mask); }
};
template <>
struct Lanes<uint64_t> {
  static constexpr bool kJoinable = true;
  Mask mask;

  void join(Lanes other) { mask = _mm256_or_si256(mask, other.mask); }
  static Lanes of(int64_t first, int64_t count) {
    return {
        _mm256_andnot_si256(first_lanes<uint64_t>(first), first_lanes<uint64_t>(first + count))};
  }
  Vec<uint64_t> load_from(const uint64_t* p) const {
    return (Vec<uint64_t>)_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), mask);
  }
};
#endif
#endif

template <class T>
inline void store_first(T* p, Vec<T> v, int64_t count) {
  if (count == kLanes<T>) return store(p, v);
#if defined(__AVX512BW__)
  const uint64_t mask = (uint64_t{1} << count) - 1;
  if constexpr (sizeof(T) == 2)
    _mm512_mask_storeu_epi16(p, (__mmask32)mask, (__m512i)v);
  else if constexpr (sizeof(T) == 4)
    _mm512_mask_storeu_epi32(p, (__mmask16)mask, (__m512i)v);
  else
    _mm512_mask_storeu_epi64(p, (__mmask8)mask, (__m512i)v);
#else
  for (int64_t i = 0; i < count; ++i) p[i] = v[i];
#endif
}

// ---- planes: a vector of pixels at a time
// Lanes whose input pixels lie in one row of the input: lane i is at p + i * step.
template <class T, int Step>
struct PieceLanes {
  static constexpr bool kJoinable = false;
  int16_t first, count;

  static PieceLanes of(int64_t first, int64_t count) {
    return {static_cast<int16_t>(first), static_cast<int16_t>(count)};
  }
  Vec<T> load_from(const T* p, int64_t step) const {
    alignas(kVectorBytes) T lanes[kLanes<T>] = {};
    for (int64_t i = first; i < first + count; ++i) lanes[i] = p[i * step];
    return load(lanes);
  }
};
template <class T>
struct PieceLanes<T, 1> {
  static constexpr bool kJoinable = Lanes<T>::kJoinable;
  Lanes<T> lanes;

  void join(PieceLanes other) { lanes.join(other.lanes); }
  static PieceLanes of(int64_t first, int64_t count) { return {Lanes<T>::of(first, count)}; }
  Vec<T> load_from(const T* p, int64_t) const { return lanes.load_from(p); }
};
template <class T>
struct PieceLanes<T, 2> {
  static constexpr bool kJoinable = Lanes<T>::kJoinable;
  Lanes<T> low, high;  // of the two vectors from p on

  void join(PieceLanes other) {
    low.join(other.low);
    high.join(other.high);
  }
  static PieceLanes of(int64_t first, int64_t count) {
    constexpr int L = kLanes<T>;
    const int64_t from = 2 * first, to = 2 * (first + count) - 1;
    const int64_t from_low = smaller(from, L), from_high = larger(from - L, 0);
    return {Lanes<T>::of(from_low, larger(smaller(to, L) - from, 0)),
            Lanes<T>::of(from_high, larger(to - L - from_high, 0))};
  }
  Vec<T> load_from(const T* p, int64_t) const {
    constexpr int L = kLanes<T>;
    const Vec<T> first = low.load_from(p), second = high.load_from(p + L);
    decltype(first < second) even;
    for (int i = 0; i < L; ++i) even[i] = 2 * i;
    return __builtin_shuffle(first, second, even);
  }
};

template <class T, int Step>
struct Piece {
  int64_t offset;  // of lane 0
  PieceLanes<T, Step> lanes;

  Vec<T> load_from(const T* plane, int64_t step) const {
    return lanes.load_from(plane + offset, step);
  }
};

// The part of a vector of pixels that lies in one row of the grid.
struct GridRun {
  int64_t first, count;
  int64_t image, row, col;  // of lane 0's pixel, whose column may be negative
};

// A pixel of the grid, which moves on.
struct GridPixel {
  int64_t image, row, col;

  GridPixel(const PatchSource& src, int64_t pixel)
      : image(pixel / src.grid_w / src.grid_h),
        row(pixel / src.grid_w % src.grid_h),
        col(pixel % src.grid_w) {}
  // To the rows that the next `pixels` pixels lie in.
  int take_runs(const PatchSource& src, int64_t pixels, GridRun* runs) {
    int count = 0;
    for (int64_t lane = 0; lane < pixels; ++count) {
      const int64_t length = smaller(pixels - lane, src.grid_w - col);
      runs[count] = {lane, length, image, row, col - lane};
      lane += length;
      col += length;
      if (col < src.grid_w) continue;
      col = 0;
      if (++row < src.grid_h) continue;
      row = 0;
      ++image;
    }
    return count;
  }
};

// Columns of the grid whose input pixel for a tap is inside the image.
struct Columns {
  int64_t begin, end;

  Columns(const PatchSource& src, int64_t off_w, int64_t step) {
    begin = off_w < 0 ? (step - 1 - off_w) / step : 0;
    end = src.in_w - off_w <= 0 ? 0 : (src.in_w - off_w + step - 1) / step;
  }
};

// Where the vectors of some pixels come from, for some taps.
template <class T, int Step>
struct PieceTable {
  static constexpr int kEntries = 512, kPieces = 512;
  struct Entry {
    int16_t first, count;  // of pieces
  } entries[kEntries];
  Piece<T, Step> pieces[kPieces];

  // Vectors and taps that surely fit together.
  static int64_t vectors_at_once(const PatchSource& src, int64_t taps) {
    return larger(1, kPieces / (taps * most_pieces(src)));
  }
  static int64_t taps_at_once(const PatchSource& src, int64_t taps) {
    return smaller(taps, kPieces / most_pieces(src));
  }
  static int64_t most_pieces(const PatchSource& src) {
    return smaller(kLanes<T>, (kLanes<T> - 1) / src.grid_w + 2);
  }

  void fill(const PatchSource& src, int64_t pixel, int64_t pixels, int64_t first_tap,
            int64_t last_tap) {
    constexpr int L = kLanes<T>;
    const int64_t step = Step ? Step : src.step_w, vectors = (pixels + L - 1) / L;
    GridPixel at(src, pixel);
    GridRun runs[L];
    int used = 0;
    for (int64_t v = 0; v < vectors; ++v) {
      const int run_count = at.take_runs(src, smaller(L, pixels - v * L), runs);
      for (int64_t s = 0; s < smaller(src.taps_w, last_tap); ++s) {
        // Taps of one column differ in the rows that they read alone.
        Piece<T, Step> in_row[L];
        int64_t rows[L];
        const int inside = columns_inside(src, runs, run_count, src.off_w[s], step, in_row, rows);
        int64_t tap = s;
        for (int64_t r = 0; tap < last_tap; ++r, tap += src.taps_w) {
          if (tap < first_tap) continue;
          const int first_used = used;
          for (int i = 0; i < inside; ++i) {
            const int64_t row = rows[i] + src.off_h[r];
            if (row < 0 || row >= src.in_h) continue;
            Piece<T, Step> piece = in_row[i];
            piece.offset += row * src.h_stride;
            if constexpr (PieceLanes<T, Step>::kJoinable) {
              // Rows follow each other without a gap where the grid is as wide as the image.
              if (used > first_used && pieces[used - 1].offset == piece.offset) {
                pieces[used - 1].lanes.join(piece.lanes);
                continue;
              }
            }
            pieces[used++] = piece;
          }
          entries[(tap - first_tap) * vectors + v] = {static_cast<int16_t>(first_used),
                                                      static_cast<int16_t>(used - first_used)};
        }
      }
    }
  }

 private:
  // The pieces of those runs that reach into the image with a column's taps, as for row 0, and the
  // rows of a tap with offset 0.
  static int columns_inside(const PatchSource& src, const GridRun* runs, int run_count,
                            int64_t off_w, int64_t step, Piece<T, Step>* pieces, int64_t* rows) {
    const Columns inside(src, off_w, step);
    int used = 0;
    for (int i = 0; i < run_count; ++i) {
      const GridRun& run = runs[i];
      const int64_t first = larger(run.first, inside.begin - run.col);
      const int64_t count = smaller(run.first + run.count, inside.end - run.col) - first;
      if (count <= 0) continue;
      pieces[used] = {src.image(run.image) + run.col * step + off_w,
                      PieceLanes<T, Step>::of(first, count)};
      rows[used++] = run.row * src.step_h;
    }
    return used;
  }
};

// One vector of pixels for a tap, of some channels.
template <class T, int Step>
inline void copy_vector(const Piece<T, Step>* pieces, int count, int64_t step, const T* plane,
                        int64_t c_stride, int64_t channels, T* dst, int64_t dst_stride) {
  if (count == 1) {
    const Piece<T, Step> piece = pieces[0];
    for (int64_t c = 0; c < channels; ++c, plane += c_stride, dst += dst_stride) {
      store(dst, piece.load_from(plane, step));
    }
  } else if (count == 2) {
    const Piece<T, Step> first = pieces[0], second = pieces[1];
    for (int64_t c = 0; c < channels; ++c, plane += c_stride, dst += dst_stride) {
      store(dst, first.load_from(plane, step) | second.load_from(plane, step));
    }
  } else {
    for (int64_t c = 0; c < channels; ++c, plane += c_stride, dst += dst_stride) {
      Vec<T> x{};
      for (int i = 0; i < count; ++i) x |= pieces[i].load_from(plane, step);
      store(dst, x);
    }
  }
}

template <int Size, int Step>
void copy_planes_by(const PatchSource& src, int64_t pixel, int64_t pixels, int64_t from, int64_t to,
                    const PatchPanels& dst) {
  using T = typename ElementOf<Size>::type;
  using Table = PieceTable<T, Step>;
  constexpr int L = kLanes<T>;
  constexpr int64_t kTogether = 16;  // channels: their rows stay in the first-level cache
  Table table;
  const int64_t taps = src.taps_h * src.taps_w;
  const int64_t some_taps = Table::taps_at_once(src, taps);
  const int64_t some = Table::vectors_at_once(src, some_taps);
  // Elements of channels [from / taps, to / taps) are whole, but for those of the first taps.
  const int64_t first_channel = from / taps, last_channel = (to + taps - 1) / taps;
  const int64_t first_whole = from % taps, last_whole = to % taps;
  for (int64_t p = 0; p < pixels; p += some * L) {
    const int64_t count = smaller(some * L, pixels - p), vectors = (count + L - 1) / L;
    const int64_t first_in_panel = p % dst.pixels;
    T* const pixels_at = static_cast<T*>(dst.data) + p / dst.pixels * dst.panel;
    for (int64_t t = 0; t < taps; t += some_taps) {
      const int64_t t_end = smaller(t + some_taps, taps);
      table.fill(src, pixel + p, count, t, t_end);
      for (int64_t c0 = first_channel; c0 < last_channel; c0 += kTogether) {
        for (int64_t tap = t; tap < t_end; ++tap) {
          const int64_t c_first = larger(c0, first_channel + (tap < first_whole));
          const int64_t c_last = smaller(c0 + kTogether, to / taps + (tap < last_whole));
          for (int64_t c = c_first, c_end; c < c_last; c = c_end) {
            // Those of one slice.
            c_end = src.slice ? smaller(c_last, (c / src.slice + 1) * src.slice) : c_last;
            const T* const plane = reinterpret_cast<const T*>(src.data) + src.channel(c);
            T* row = pixels_at + (c * taps + tap - from) * dst.pitch;
            for (int64_t v = 0, in_panel = first_in_panel; v < vectors; ++v) {
              const auto entry = table.entries[(tap - t) * vectors + v];
              copy_vector(table.pieces + entry.first, entry.count, src.step_w, plane, src.c_stride,
                          c_end - c, row + in_panel, taps * dst.pitch);
              in_panel += L;
              if (in_panel == dst.pixels) {
                in_panel = 0;
                row += dst.panel;
              }
            }
          }
        }
      }
    }
  }
}

template <int Size>
void copy_planes(const PatchSource& src, int64_t pixel, int64_t pixels, int64_t from, int64_t to,
                 const PatchPanels& dst) {
  if (from >= to) return;
  if (src.step_w == 1) return copy_planes_by<Size, 1>(src, pixel, pixels, from, to, dst);
  if (src.step_w == 2) return copy_planes_by<Size, 2>(src, pixel, pixels, from, to, dst);
  copy_planes_by<Size, 0>(src, pixel, pixels, from, to, dst);
}

// ---- rows: a pixel at a time
template <class T>
inline void copy_run(const T* from, int64_t count, T* to) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= count; i += L) store(to + i, load(from + i));
  if (i < count) store_first(to + i, Lanes<T>::of(0, count - i).load_from(from + i), count - i);
}
template <class T>
inline void clear_run(int64_t count, T* to) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= count; i += L) store(to + i, Vec<T>{});
  if (i < count) store_first(to + i, Vec<T>{}, count - i);
}

template <int Size>
void copy_rows(const PatchSource& src, int64_t pixel, int64_t pixels, int64_t from, int64_t to,
               int64_t width, void* dst, int64_t pitch) {
  using T = typename ElementOf<Size>::type;
  const T* const data = reinterpret_cast<const T*>(src.data);
  // Taps of one row are a single run where their pixels are neighbours without gaps.
  const bool merged =
      src.w_stride == src.channels &&
      (src.taps_w <= 1 || src.off_w[src.taps_w - 1] - src.off_w[0] == src.taps_w - 1);
  const int64_t span = merged ? src.taps_w : 1, run = span * src.channels;
  const int64_t runs_w = src.taps_w / (span ? span : 1);
  const int64_t first = run ? from / run : 0, last = run ? (to + run - 1) / run : 0;
  // A panel's elements mostly lie in one run, of which an inner pixel has all.
  const bool single = last - first == 1;
  const int64_t run_h = single ? src.off_h[first / runs_w] : 0;
  const int64_t run_w = single ? src.off_w[first % runs_w] : 0;
  const int64_t skipped = from - first * run, kept = to - first * run;
  int64_t col = pixel % src.grid_w, row = pixel / src.grid_w % src.grid_h;
  int64_t image = pixel / src.grid_w / src.grid_h;
  for (int64_t i = 0; i < pixels; ++i) {
    T* const line = static_cast<T*>(dst) + i * pitch - from;
    const T* const pixels_of = data + src.image(image);
    const int64_t run_row = row * src.step_h + run_h, run_col = col * src.step_w + run_w;
    const bool whole = single && run_row >= 0 && run_row < src.in_h &&
                       run_col * src.channels + skipped >= 0 &&
                       run_col * src.channels + kept <= src.in_w * src.channels;
    if (whole) {
      copy_run(pixels_of + run_row * src.h_stride + run_col * src.w_stride + skipped, to - from,
               line + from);
    }
    int64_t r = runs_w ? first / runs_w : 0, s = runs_w ? first % runs_w : 0;
    for (int64_t t = whole ? last : first; t < last; ++t) {
      const int64_t begin = larger(from, t * run), end = smaller(to, (t + 1) * run);
      const int64_t in_row = row * src.step_h + src.off_h[r];
      const int64_t in_col = col * src.step_w + src.off_w[s];
      // Elements [low, high) of the line come from inside the image.
      int64_t low = begin, high = begin;
      if (in_row >= 0 && in_row < src.in_h) {
        low = clamped(t * run - in_col * src.channels, begin, end);
        high = clamped(t * run + smaller(span, src.in_w - in_col) * src.channels, low, end);
      }
      clear_run(low - begin, line + begin);
      copy_run(pixels_of + in_row * src.h_stride + in_col * src.w_stride + (low - t * run),
               high - low, line + low);
      clear_run(end - high, line + high);
      if (++s == runs_w) {
        s = 0;
        ++r;
      }
    }
    clear_run(width - (to - from), line + to);
    if (++col == src.grid_w) {
      col = 0;
      if (++row == src.grid_h) {
        row = 0;
        ++image;
      }
    }
  }
}

}  // namespace

extern const ConvKernels conv_kernels;
const ConvKernels conv_kernels = {
    {copy_planes<2>, copy_rows<2>}, {copy_planes<4>, copy_rows<4>}, {copy_planes<8>, copy_rows<8>}};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
