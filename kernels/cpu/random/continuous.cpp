#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/cpu/random/random.h"
#include "kernels/cpu/random/store.h"
#include "kernels/cpu/random/stream.h"

namespace flambeau::inline v1 {
namespace {

constexpr int64_t kGroup = 16;  // see Note [Normal numbers] in random_isa.cpp

void uniform_floats(Generator& generator, float* dst, int64_t n, float from, float to) {
  stream<1>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
    random_kernels().uniform_float(words, dst + begin, count, from, to);
  });
}

void uniform_doubles(Generator& generator, double* dst, int64_t n, double from, double to) {
  stream<2>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
    random_kernels().uniform_double(words, dst + begin, count, from, to);
  });
}

void normal_doubles(const uint32_t* words, double* out, int64_t count, double mean, double std) {
  for (int64_t group = 0; group < count; group += kGroup, words += 2 * kGroup, out += kGroup) {
    for (int64_t j = 0; j < kGroup / 2; ++j) {
      const double radius = std::sqrt(-2 * std::log(1 - unit_double(words + 2 * j)));
      const double angle = 2 * std::numbers::pi * unit_double(words + 2 * j + kGroup);
      out[j] = std::fma(radius * std::cos(angle), std, mean);
      out[j + kGroup / 2] = std::fma(radius * std::sin(angle), std, mean);
    }
  }
}

// The last group overlaps the one before it when n is no multiple of 16, and is then made anew
// from further numbers. `whole` tells whether numbers are drawn for the elements that only it has:
// PyTorch draws, and drops, them for its two full formats.
template <int kWordsPerElement, class Group>
void normal_groups(Generator& generator, int64_t n, bool whole, const Group& group) {
  const int64_t grouped = n / kGroup * kGroup;
  stream<kWordsPerElement>(generator, whole ? n : grouped,
                           [&](const uint32_t* words, int64_t begin, int64_t count) {
                             group(words, begin, count / kGroup * kGroup);
                           });
  if (grouped == n) return;
  uint32_t words[kGroup * kWordsPerElement];
  generator.engine.fill(words, kGroup * kWordsPerElement);
  group(words, n - kGroup, kGroup);
}

// element(i, z) for i in [0, n); the second number of an unfinished pair is kept.
template <class Element>
void normal_pairs(Generator& generator, int64_t n, const Element& element) {
  if (n == 0) return;
  int64_t start = 0;
  if (generator.next_normal) {
    element(start++, *generator.next_normal);
    generator.next_normal.reset();
  }
  const int64_t pairs = (n - start) / 2;
  stream<4>(generator, pairs, [&](const uint32_t* words, int64_t begin, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const NormalPair pair = normal_pair(words + 4 * i);
      element(start + 2 * (begin + i), pair.first);
      element(start + 2 * (begin + i) + 1, pair.second);
    }
  });
  if (start + 2 * pairs == n) return;
  uint32_t words[4];
  generator.engine.fill(words, 4);
  const NormalPair pair = normal_pair(words);
  element(n - 1, pair.first);
  generator.next_normal = pair.second;
}

// element(i, u) for i in [0, n), with u in [0, 1).
template <class Element>
void unit_doubles(Generator& generator, int64_t n, const Element& element) {
  stream<2>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
    for (int64_t i = 0; i < count; ++i) element(begin + i, unit_double(words + 2 * i));
  });
}

// f(u) for each element, computed in double whatever the dtype.
template <class F>
void fill_from_unit(const char* op, Generator& generator, DType dtype, void* dst, int64_t n,
                    const F& f) {
  visit_floating(op, dtype, [&](auto stored) {
    auto* out = static_cast<typename decltype(stored)::type*>(dst);
    unit_doubles(generator, n, [&](int64_t i, double u) { out[i] = stored.of(f(u)); });
  });
}

// How many numbers an element takes depends on those before it, so one thread draws them all.
template <class T>
void slopes(Generator& generator, T* dst, const T* src, int64_t n, double from, double to) {
  uint32_t words[2 * kStreamTile];
  for (int64_t begin = 0; begin < n; begin += kStreamTile) {
    const int64_t end = std::min(n, begin + kStreamTile);
    const int64_t drawn = std::count_if(src + begin, src + end, [](T x) { return x <= 0; });
    if (drawn > 0) generator.engine.fill(words, 2 * drawn);
    const uint32_t* next = words;
    for (int64_t i = begin; i < end; ++i) {
      dst[i] = 1;
      if (!(src[i] <= 0)) continue;
      dst[i] = static_cast<T>(unit_double(next) * (to - from) + from);
      next += 2;
    }
  }
}

}  // namespace

void fill_rrelu_slopes(Generator& generator, DType dtype, void* dst, const void* src, int64_t n,
                       double from, double to) {
  if (dtype == DType::float64)
    return slopes(generator, static_cast<double*>(dst), static_cast<const double*>(src), n, from,
                  to);
  slopes(generator, static_cast<float*>(dst), static_cast<const float*>(src), n,
         static_cast<float>(from), static_cast<float>(to));
}

void fill_uniform(Generator& generator, DType dtype, void* dst, int64_t n, double from, double to) {
  if (dtype == DType::float64) {
    return uniform_doubles(generator, static_cast<double*>(dst), n, from, to);
  }
  const auto low = static_cast<float>(from), high = static_cast<float>(to);
  if (dtype == DType::float32) {
    return uniform_floats(generator, static_cast<float*>(dst), n, low, high);
  }
  visit_short("uniform_", dtype, [&](auto stored) {
    auto* out = static_cast<uint16_t*>(dst);
    const uint16_t first = stored.of(from), end = stored.of(to);
    stream<1>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
      float values[kStreamTile];
      random_kernels().uniform_float(words, values, count, low, high);
      store_floats(values, out + begin, count, stored);
      std::replace(out + begin, out + begin + count, end, first);
    });
  });
}

void fill_normal(Generator& generator, DType dtype, void* dst, int64_t n, double mean, double std) {
  if (n < kGroup) return fill_normal_pairs(generator, dtype, dst, n, mean, std);
  if (dtype == DType::float64) {
    auto* out = static_cast<double*>(dst);
    return normal_groups<2>(generator, n, true,
                            [&](const uint32_t* words, int64_t begin, int64_t count) {
                              normal_doubles(words, out + begin, count, mean, std);
                            });
  }
  const auto center = static_cast<float>(mean), width = static_cast<float>(std);
  if (dtype == DType::float32) {
    auto* out = static_cast<float*>(dst);
    return normal_groups<1>(
        generator, n, true, [&](const uint32_t* words, int64_t begin, int64_t count) {
          random_kernels().normal_float(words, out + begin, count, center, width);
        });
  }
  visit_short("normal_", dtype, [&](auto stored) {
    auto* out = static_cast<uint16_t*>(dst);
    normal_groups<1>(generator, n, false, [&](const uint32_t* words, int64_t begin, int64_t count) {
      float values[kStreamTile];
      random_kernels().normal_float(words, values, count, center, width);
      store_floats(values, out + begin, count, stored);
    });
  });
}

void fill_normal_pairs(Generator& generator, DType dtype, void* dst, int64_t n, double mean,
                       double std) {
  visit_floating("normal_", dtype, [&](auto stored) {
    auto* out = static_cast<typename decltype(stored)::type*>(dst);
    normal_pairs(generator, n,
                 [&](int64_t i, double z) { out[i] = stored.of(std::fma(z, std, mean)); });
  });
}

void fill_log_normal(Generator& generator, DType dtype, void* dst, int64_t n, double mean,
                     double std) {
  visit_floating("log_normal_", dtype, [&](auto stored) {
    auto* out = static_cast<typename decltype(stored)::type*>(dst);
    normal_pairs(generator, n, [&](int64_t i, double z) {
      out[i] = stored.of(std::exp(std::fma(z, std, mean)));
    });
  });
}

void fill_exponential(Generator& generator, DType dtype, void* dst, int64_t n, double lambda) {
  const char* op = "exponential_";
  if (dtype == DType::float64) {
    return fill_from_unit(op, generator, dtype, dst, n, [=](double u) {
      return std::max(-1 / lambda * std::log1p(-u), 0x1p-1074);
    });
  }
  if (dtype == DType::float32) {
    auto* out = static_cast<float*>(dst);
    return stream<2>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
      random_kernels().exponential(words, out + begin, count, lambda);
    });
  }
  visit_short(op, dtype, [&](auto stored) {
    auto* out = static_cast<uint16_t*>(dst);
    stream<2>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
      float values[kStreamTile];
      random_kernels().exponential(words, values, count, lambda);
      store_floats(values, out + begin, count, stored);
      // Rounding reaches 0, which the distribution does not.
      std::replace(out + begin, out + begin + count, uint16_t{0}, uint16_t{1});
    });
  });
}

void fill_cauchy(Generator& generator, DType dtype, void* dst, int64_t n, double median,
                 double sigma) {
  fill_from_unit("cauchy_", generator, dtype, dst, n, [=](double u) {
    return std::fma(sigma, std::tan(std::numbers::pi * (u - 0.5)), median);
  });
}

void fill_geometric(Generator& generator, DType dtype, void* dst, int64_t n, double p) {
  visit_real("geometric_", dtype, [&](auto stored) {
    auto* out = static_cast<typename decltype(stored)::type*>(dst);
    unit_doubles(generator, n, [&](int64_t i, double u) {
      out[i] = stored.of(std::ceil(std::log(u) / std::log1p(-p)));
    });
  });
}

}  // namespace flambeau::inline v1
