#include "kernels/cpu/conv/filters.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/parallel/parallel.h"
#include "kernels/cpu/matmul/gemm/scratch.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kPackLanes = 112, kChannelsTogether = 32;
// Outs that are copied at a time where their elements lie side by side.
constexpr int64_t kOutsTogether = 256;
// Elements of a panel that stay near until they are put in order.
constexpr int64_t kWovenElements = 128;

// Where a filter's taps lie, from its first one on.
std::vector<int64_t> tap_offsets(const ConvPass& pass) {
  std::vector<int64_t> offsets;
  for (int64_t r : pass.taps_h->filter) {
    for (int64_t s : pass.taps_w->filter) {
      offsets.push_back(r * pass.filters.r_stride + s * pass.filters.s_stride);
    }
  }
  return offsets;
}

// The filters as a matrix, outs x elements of a patch in the order of patches.
class FilterMatrix {
 public:
  FilterMatrix(const ConvMath& math, const ConvPass& pass, bool ins_last)
      : pass_(pass), ins_last_(ins_last) {
    if (in_order(pass, ins_last)) {
      data_ = pass.filters.data;
      out_ = pass.filters.out_stride;
      element_ = 1;
      group_ = pass.filters.group_stride;
      return;
    }
    const int64_t elements = pass.source.elements();
    const bool by_element = pass.filters.out_stride == 1 && pass.outs > 1;
    out_ = by_element ? 1 : padded(elements, math.element);
    element_ = by_element ? padded(pass.outs, math.element) : 1;
    group_ = by_element ? elements * element_ : pass.outs * out_;
    copy_.emplace(pass.groups * group_ * math.element);
    data_ = copy_->data();
    if (math.element == 2) copy<uint16_t>();
    if (math.element == 4) copy<uint32_t>();
    if (math.element == 8) copy<uint64_t>();
  }

  const char* at(int64_t group, int64_t out, int64_t element, int bytes) const {
    return data_ + (group * group_ + out * out_ + element * element_) * bytes;
  }
  int64_t out_stride() const { return out_; }
  int64_t element_stride() const { return element_; }

  // Whether the filters are such a matrix already.
  static bool in_order(const ConvPass& pass, bool ins_last) {
    const PatchSource& src = pass.source;
    const FilterView& f = pass.filters;
    if (src.elements() == 0) return true;
    const int64_t s_stride = ins_last ? src.channels : 1;
    const int64_t in_stride = ins_last ? 1 : src.taps_h * src.taps_w;
    return identity(*pass.taps_h) && identity(*pass.taps_w) &&
           (src.channels == 1 || (f.in_stride == in_stride && f.is_even(src.channels))) &&
           (src.taps_w == 1 || f.s_stride == s_stride) &&
           (src.taps_h == 1 || f.r_stride == src.taps_w * s_stride);
  }

 private:
  static bool identity(const Taps& taps) {
    for (size_t i = 0; i < taps.filter.size(); ++i) {
      if (taps.filter[i] != static_cast<int64_t>(i)) return false;
    }
    return true;
  }
  // An odd number of cache lines, so that rows do not compete for the same sets.
  static int64_t padded(int64_t elements, int bytes) {
    const int64_t line = 64 / bytes;
    return (ceil_div(elements, line) | 1) * line;
  }

  // A few outs at a time, because neighbours in one order are far apart in the other; all of them
  // where they are neighbours in both.
  template <class T>
  void copy() {
    const FilterView& f = pass_.filters;
    const int64_t ins = pass_.source.channels;
    const std::vector<int64_t> taps = tap_offsets(pass_);
    const int64_t tap_count = std::ssize(taps);
    const int64_t tap_step = ins_last_ ? ins : 1, in_step = ins_last_ ? 1 : tap_count;
    const int64_t together = out_ == 1 ? kOutsTogether : 16;
    const int64_t chunks = ceil_div(pass_.outs, together);
    parallel_tasks(pass_.groups * chunks, [&](int64_t t) {
      const int64_t group = t / chunks, first = t % chunks * together;
      const int64_t count = std::min(together, pass_.outs - first);
      const T* const from =
          reinterpret_cast<const T*>(f.data) + group * f.group_stride + first * f.out_stride;
      T* const to = reinterpret_cast<T*>(copy_->data()) + group * group_ + first * out_;
      for (int64_t c = 0; c < ins; ++c) {
        const T* const filter = from + f.in(c);
        T* const element = to + c * in_step * element_;
        if (out_ == 1) {
          for (int64_t i = 0; i < tap_count; ++i) {
            std::copy_n(filter + taps[static_cast<size_t>(i)], count,
                        element + i * tap_step * element_);
          }
          continue;
        }
        for (int64_t out = 0; out < count; ++out) {
          for (int64_t i = 0; i < tap_count; ++i) {
            element[out * out_ + i * tap_step] =
                filter[out * f.out_stride + taps[static_cast<size_t>(i)]];
          }
        }
      }
    });
  }

  const ConvPass& pass_;
  const bool ins_last_;
  std::optional<Scratch> copy_;
  const char* data_;
  int64_t out_, element_, group_;  // distances, in elements
};

void prefetch(const char* first, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(first + i);
}

// Whether the taps of a filter's channel lie side by side, in whatever order.
bool has_woven_taps(const ConvPass& pass) {
  const std::vector<int64_t> taps = tap_offsets(pass);
  if (taps.size() < 2) return false;
  const auto [least, most] = std::minmax_element(taps.begin(), taps.end());
  return *most - *least + 1 == std::ssize(taps);
}

}  // namespace

PackedFilters::PackedFilters(const ConvMath& math, const ConvPass& pass,
                             const std::vector<PatchStep>& steps, FilterPacking packing)
    : f_(*math.kernels),
      steps_(steps),
      packing_(packing),
      ins_(pass.source.channels),
      step_bytes_(as_rows() ? packed_a_bytes(f_, pass.outs)
                            : packed_b_bytes(f_, pass.outs, steps[0].depth)),
      packed_(pass.groups * std::ssize(steps) * step_bytes_) {
  if (!as_rows() && f_.depth_unit == 1 && has_woven_taps(pass)) {
    pack_woven(math, pass);
  } else if (as_rows() && math.packs_panels() && !FilterMatrix::in_order(pass, ins_last())) {
    if (math.element == 4) copy_rows<uint32_t>(pass);
    if (math.element == 8) copy_rows<uint64_t>(pass);
  } else {
    pack_matrix(math, pass);
  }
}

void PackedFilters::put(GemmBlock& block, int64_t group, const Region::Step& part,
                        int64_t out) const {
  const char* const from = at(group, part.step, out);
  if (as_rows()) {
    block.a = from;
  } else {
    block.b = from + part.skipped / f_.depth_unit * f_.b_unit;
    block.b_depth = steps_[static_cast<size_t>(part.step)].depth;
  }
}

char* PackedFilters::at(int64_t group, int64_t step, int64_t out) const {
  char* const base = packed_.data() + (group * std::ssize(steps_) + step) * step_bytes_;
  const int64_t depth = steps_[static_cast<size_t>(step)].depth;
  return base + (as_rows() ? packed_a_bytes(f_, out) : packed_b_bytes(f_, out, depth));
}

int64_t PackedFilters::step_of(int64_t element) const {
  const auto after =
      std::upper_bound(steps_.begin(), steps_.end(), element,
                       [](int64_t e, const PatchStep& step) { return e < step.from; });
  return after - steps_.begin() - 1;
}

void PackedFilters::pack_matrix(const ConvMath& math, const ConvPass& pass) {
  const FilterMatrix matrix(math, pass, ins_last());
  const int64_t lanes = round_up(kPackLanes, as_rows() ? f_.mr : f_.nr);
  const int64_t chunks = ceil_div(pass.outs, lanes), steps = std::ssize(steps_);
  parallel_tasks(pass.groups * steps * chunks, [&](int64_t t) {
    const int64_t out = t % chunks * lanes, count = std::min(lanes, pass.outs - out);
    const int64_t step = t / chunks % steps, group = t / chunks / steps;
    const PatchStep& s = steps_[static_cast<size_t>(step)];
    (as_rows() ? f_.pack_a : f_.pack_b)(matrix.at(group, out, s.from, math.element),
                                        matrix.out_stride(), matrix.element_stride(), false, count,
                                        s.depth, at(group, step, out));
  });
}

// Panels are packed as the filters lie, a few channels at a time, and their rows handed out to the
// steps.
void PackedFilters::pack_woven(const ConvMath& math, const ConvPass& pass) {
  const FilterView& f = pass.filters;
  const std::vector<int64_t> offsets = tap_offsets(pass);
  const int64_t taps = std::ssize(offsets);
  const int64_t first_tap = *std::min_element(offsets.begin(), offsets.end());
  const int64_t together = std::max<int64_t>(1, kWovenElements / taps);
  const int64_t chunks = ceil_div(ins_, together), panels = ceil_div(pass.outs, f_.nr);
  const auto row_bytes = static_cast<size_t>(f_.b_unit);
  parallel_tasks(pass.groups * panels * chunks, [&](int64_t t) {
    const int64_t first = t % chunks * together, end = std::min(first + together, ins_);
    const int64_t out = t / chunks % panels * f_.nr, group = t / chunks / panels;
    const int64_t outs = std::min<int64_t>(f_.nr, pass.outs - out);
    const char* const src =
        f.data + (group * f.group_stride + out * f.out_stride + first_tap) * math.element;
    const Scratch panel((end - first) * taps * f_.b_unit);
    if (f.in_stride == taps && f.is_even(ins_)) {
      f_.pack_b(src + f.in(first) * math.element, f.out_stride, 1, false, outs,
                (end - first) * taps, panel.data());
    } else {
      char* dst = panel.data();
      for (int64_t in = first; in < end; ++in, dst += taps * f_.b_unit) {
        if (f.out_stride == taps && in + 1 < end)
          prefetch(src + f.in(in + 1) * math.element, outs * taps * math.element);
        f_.pack_b(src + f.in(in) * math.element, f.out_stride, 1, false, outs, taps, dst);
      }
    }
    for (int64_t tap = 0; tap < taps; ++tap) {
      const char* row = panel.data() + (offsets[static_cast<size_t>(tap)] - first_tap) * f_.b_unit;
      int64_t step = step_of(tap * ins_ + first);
      for (int64_t in = first; in < end; ++step) {
        const PatchStep& s = steps_[static_cast<size_t>(step)];
        const int64_t last = std::min(end, s.end() - tap * ins_);
        char* dst = at(group, step, out) + (tap * ins_ + in - s.from) * f_.b_unit;
        for (; in < last; ++in, row += taps * f_.b_unit, dst += f_.b_unit) {
          std::memcpy(dst, row, row_bytes);
        }
      }
    }
  });
}

// Straight from the filters to rows.
template <class T>
void PackedFilters::copy_rows(const ConvPass& pass) {
  constexpr int64_t bytes = sizeof(T);
  const FilterView& f = pass.filters;
  const std::vector<int64_t> taps = tap_offsets(pass);
  const int64_t tap_count = std::ssize(taps);
  std::vector<int64_t> places;  // in a row, of each channel's taps
  for (int64_t c = 0; c < ins_; ++c) {
    for (int64_t t = 0; t < tap_count; ++t) {
      const int64_t e = ins_last() ? t * ins_ + c : c * tap_count + t;
      const int64_t step = step_of(e);
      places.push_back(step * (step_bytes_ / bytes) + e - steps_[static_cast<size_t>(step)].from);
    }
  }
  // A few channels for all outs; what lies side by side comes one after the other.
  const int64_t chunks = ceil_div(ins_, kChannelsTogether);
  const bool outs_inside = f.out_stride <= f.in_stride;
  parallel_tasks(pass.groups * chunks, [&](int64_t t) {
    const int64_t group = t / chunks, first = t % chunks * kChannelsTogether;
    const int64_t end = std::min(first + kChannelsTogether, ins_);
    const T* const filters = reinterpret_cast<const T*>(f.data) + group * f.group_stride;
    T* const rows = reinterpret_cast<T*>(at(group, 0, 0));
    const auto copy = [&](int64_t out, int64_t c) {
      const int64_t* const place = places.data() + c * tap_count;
      const T* const filter = filters + out * f.out_stride + f.in(c);
      T* const row = rows + out * (f_.a_row / bytes);
      for (size_t i = 0; i < taps.size(); ++i) row[place[i]] = filter[taps[i]];
    };
    if (outs_inside) {
      for (int64_t c = first; c < end; ++c)
        for (int64_t out = 0; out < pass.outs; ++out) copy(out, c);
    } else {
      for (int64_t out = 0; out < pass.outs; ++out)
        for (int64_t c = first; c < end; ++c) copy(out, c);
    }
  });
}

}  // namespace flambeau::inline v1::cpu
