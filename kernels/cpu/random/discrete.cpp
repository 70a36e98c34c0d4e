#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/cpu/random/random.h"
#include "kernels/cpu/random/store.h"
#include "kernels/cpu/random/stream.h"

namespace flambeau::inline v1 {
namespace {

// From this range on a remainder of 32 bits would favour the smaller numbers too much.
constexpr uint64_t kWideRange = uint64_t{1} << 28;

uint64_t word_64(const uint32_t* words) { return static_cast<uint64_t>(words[0]) << 32 | words[1]; }

// The remainder by a fixed divisor below 2^32: two products instead of a division (Lemire, Kaser
// and Kurz, "Faster remainder by direct computation").
class Remainder {
 public:
  explicit Remainder(uint32_t divisor)
      : divisor_(divisor), inverse_(std::numeric_limits<uint64_t>::max() / divisor + 1) {}

  uint32_t operator()(uint32_t number) const {
    const uint64_t fraction = inverse_ * number;
    return static_cast<uint32_t>((static_cast<unsigned __int128>(fraction) * divisor_) >> 64);
  }

 private:
  uint64_t divisor_, inverse_;
};

// f(word) for each element, with words of 32 or 64 bits.
template <class Stored, class F>
void fill_from_words(Generator& generator, void* dst, int64_t n, const F& f) {
  auto* out = static_cast<typename Stored::type*>(dst);
  stream<1>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[begin + i] = Stored::of(f(words[i]));
  });
}
template <class Stored, class F>
void fill_from_wide_words(Generator& generator, void* dst, int64_t n, const F& f) {
  auto* out = static_cast<typename Stored::type*>(dst);
  stream<2>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[begin + i] = Stored::of(f(word_64(words + 2 * i)));
  });
}

template <class T>
void check_probability(T p) {
  check(p >= 0 && p <= 1, "bernoulli_: expected probabilities in [0, 1], but got ", p);
}

template <class Stored, class Probability>
void bernoulli_each(Generator& generator, void* dst, int64_t n, const void* p) {
  auto* out = static_cast<typename Stored::type*>(dst);
  const auto* probabilities = static_cast<const typename Probability::type*>(p);
  for (int64_t i = 0; i < n; ++i) check_probability(Probability::value(probabilities[i]));
  if constexpr (std::is_same_v<Probability, Plain<double>>) {
    stream<2>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        out[begin + i] = Stored::of(unit_double(words + 2 * i) < probabilities[begin + i] ? 1 : 0);
      }
    });
  } else {
    stream<1>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        const float u = static_cast<float>(words[i] & 0xffffff) * 0x1p-24f;
        out[begin + i] = Stored::of(u < Probability::value(probabilities[begin + i]) ? 1 : 0);
      }
    });
  }
}

// What random_() of integers and of bool takes from a word.
template <class T>
T largest_masked(uint64_t word) {
  return static_cast<T>(word & static_cast<uint64_t>(std::numeric_limits<T>::max()));
}

template <class Stored>
void shuffle(Generator& generator, typename Stored::type* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = Stored::of(i);
  for (int64_t i = 0; i < n - 1; ++i) {
    std::swap(out[i], out[i + generator.random() % static_cast<uint32_t>(n - i)]);
  }
}

template <class Stored>
void shuffle_inside_out(Generator& generator, typename Stored::type* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t other = generator.random64() % static_cast<uint64_t>(i + 1);
    out[i] = Stored::of(i);
    out[i] = out[other];
    out[other] = Stored::of(i);
  }
}

}  // namespace

void fill_bernoulli(Generator& generator, DType dtype, void* dst, int64_t n, double p) {
  // u < p for a multiple u of 2^-53, without rounding.
  const auto threshold = static_cast<uint64_t>(std::ceil(p * 0x1p53));
  visit_real("bernoulli_", dtype, [&](auto stored) {
    using T = typename decltype(stored)::type;
    auto* out = static_cast<T*>(dst);
    const T one = stored.of(1);
    uint64_t bits = 0;
    std::memcpy(&bits, &one, sizeof(one));
    stream<2>(generator, n, [&](const uint32_t* words, int64_t begin, int64_t count) {
      uint8_t hits[kStreamTile];
      random_kernels().bernoulli(words, hits, count, threshold);
      random_kernels().spread(hits, out + begin, count, sizeof(T), bits);
    });
  });
}

void fill_bernoulli(Generator& generator, DType dtype, void* dst, int64_t n, DType p_dtype,
                    const void* p) {
  visit_real("bernoulli_", dtype, [&](auto stored) {
    visit_floating("bernoulli_", p_dtype, [&](auto probability) {
      bernoulli_each<decltype(stored), decltype(probability)>(generator, dst, n, p);
    });
  });
}

void fill_random(Generator& generator, DType dtype, void* dst, int64_t n) {
  visit_real("random_", dtype, [&](auto stored) {
    using Stored = decltype(stored);
    using T = typename Stored::type;
    if constexpr (std::is_same_v<T, double>) {
      constexpr uint64_t end = (uint64_t{1} << Stored::digits) + 1;
      fill_from_wide_words<Stored>(generator, dst, n, [](uint64_t word) { return word % end; });
    } else if constexpr (std::is_same_v<Stored, Plain<T>> && std::is_integral_v<T>) {
      if constexpr (sizeof(T) == 8) {
        fill_from_wide_words<Stored>(generator, dst, n, largest_masked<T>);
      } else {
        fill_from_words<Stored>(generator, dst, n, largest_masked<T>);
      }
    } else {
      constexpr uint32_t end = (uint32_t{1} << Stored::digits) + 1;
      fill_from_words<Stored>(generator, dst, n, [](uint32_t word) { return word % end; });
    }
  });
}

void fill_random_range(Generator& generator, DType dtype, void* dst, int64_t n, uint64_t range,
                       int64_t base) {
  visit_real("random_", dtype, [&](auto stored) {
    using Stored = decltype(stored);
    auto shift = [base](uint64_t offset) {
      return static_cast<int64_t>(offset + static_cast<uint64_t>(base));
    };
    if (range >= kWideRange) {
      fill_from_wide_words<Stored>(generator, dst, n,
                                   [&](uint64_t word) { return shift(word % range); });
    } else {
      const Remainder remainder(static_cast<uint32_t>(range));
      fill_from_words<Stored>(generator, dst, n,
                              [&](uint32_t word) { return shift(remainder(word)); });
    }
  });
}

void fill_random_64_bits(Generator& generator, DType dtype, void* dst, int64_t n) {
  visit_real("random_", dtype, [&](auto stored) {
    fill_from_wide_words<decltype(stored)>(
        generator, dst, n, [](uint64_t word) { return static_cast<int64_t>(word); });
  });
}

void fill_permutation(Generator& generator, DType dtype, void* dst, int64_t n) {
  visit_real("randperm", dtype, [&](auto stored) {
    using Stored = decltype(stored);
    auto* out = static_cast<typename Stored::type*>(dst);
    // From here on a remainder of 32 bits would favour some permutations.
    if (n < std::numeric_limits<uint32_t>::max() / 20) {
      shuffle<Stored>(generator, out, n);
    } else {
      shuffle_inside_out<Stored>(generator, out, n);
    }
  });
}

}  // namespace flambeau::inline v1
