#include "kernels/cpu/order/radix.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/order/order_kernels.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int kDigitBits = 8;
constexpr int kDigits = 1 << kDigitBits;
using Counts = std::array<uint32_t, kDigits>;

template <class Word>
int digit(Word word, int pass) {
  return static_cast<int>(word >> (4 * sizeof(Word) + kDigitBits * pass)) & (kDigits - 1);
}

// Below this, comparing is faster than counting.
constexpr int64_t kSmallSort = 96;
// From this on a sort is done in chunks, by all threads; chunks of a fixed size, so that the work
// does not depend on the number of threads (the result never does).
constexpr int64_t kParallelSort = 1 << 17, kChunk = 1 << 16;

template <class Word>
void distribute(const Word* from, Word* to, int64_t n, int pass, Counts& next) {
  for (int64_t i = 0; i < n; ++i) to[next[digit(from[i], pass)]++] = from[i];
}

// Counts to first places; false when all words have one digit, so that a pass would change nothing.
bool to_places(Counts& counts, int64_t n) {
  uint32_t total = 0;
  for (uint32_t& c : counts) {
    if (c == n) return false;
    total += std::exchange(c, total);
  }
  return true;
}

template <class Word>
Word* serial_sort(Word* words, Word* scratch, int64_t n, int passes) {
  std::vector<Counts> counts(passes, Counts{});
  for (int64_t i = 0; i < n; ++i)
    for (int p = 0; p < passes; ++p) ++counts[p][digit(words[i], p)];
  for (int p = 0; p < passes; ++p) {
    if (!to_places(counts[p], n)) continue;
    distribute(words, scratch, n, p, counts[p]);
    std::swap(words, scratch);
  }
  return words;
}

template <class Word>
Word* chunked_sort(Word* words, Word* scratch, int64_t n, int passes) {
  const int64_t chunks = (n + kChunk - 1) / kChunk;
  std::vector<Counts> counts(chunks);
  for (int p = 0; p < passes; ++p) {
    parallel_for(n, kChunk, [&](int64_t begin, int64_t end) {
      Counts& c = counts[begin / kChunk];
      c.fill(0);
      for (int64_t i = begin; i < end; ++i) ++c[digit(words[i], p)];
    });
    // Chunk c puts its words with digit d behind those with smaller digits, and behind those of the
    // chunks before it that have the same.
    uint32_t total = 0;
    bool one_digit = false;
    for (int d = 0; d < kDigits; ++d) {
      const uint32_t before = total;
      for (Counts& c : counts) total += std::exchange(c[d], total);
      one_digit = one_digit || total - before == n;
    }
    if (one_digit) continue;
    parallel_for(n, kChunk, [&](int64_t begin, int64_t end) {
      distribute(words + begin, scratch, end - begin, p, counts[begin / kChunk]);
    });
    std::swap(words, scratch);
  }
  return words;
}

}  // namespace

template <class Word>
Word* sort_words(Word* words, Word* scratch, int64_t n, int key_bits, bool parallel) {
  if constexpr (sizeof(Word) == 8)
    if (const auto rank = order_kernels().rank; rank && n <= kMostRanked) {
      rank(words, scratch, n);
      return scratch;
    }
  if (n < kSmallSort) {
    std::sort(words, words + n);
    return words;
  }
  const int passes = key_bits / kDigitBits;
  return parallel && n >= kParallelSort ? chunked_sort(words, scratch, n, passes)
                                        : serial_sort(words, scratch, n, passes);
}

template uint64_t* sort_words(uint64_t*, uint64_t*, int64_t, int, bool);
template unsigned __int128* sort_words(unsigned __int128*, unsigned __int128*, int64_t, int, bool);

}  // namespace flambeau::inline v1::cpu
