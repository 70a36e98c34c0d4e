// The inner loops of sorting; one table per instruction set.
#pragma once

#include <cstdint>

#include "kernels/cpu/pointwise/convert.h"

namespace flambeau::inline v1::cpu {

// Note [Order keys]
// Elements are ordered by unsigned keys, of 32 bits for types of up to 4 bytes and else of 64: the
// smaller key comes first. Both zeros have one key, and so have all NaNs, which come after
// everything. For a descending order keys are complemented, so that NaNs come first, as in PyTorch.
// A key with the element's position below it is one number, a word: equal elements keep their
// order however words are sorted. A word is a uint64_t, or an unsigned __int128 of a 64-bit key.
struct OrderKernels {
  // words[i] of src[i], for i < n; positions count from `first`.
  void (*words[kStoredTypes])(const void* src, void* words, int64_t n, int64_t first,
                              bool descending);
  // The same for those elements only whose key is below `bound`; gives how many there are. There
  // must be room for n words.
  int64_t (*below[kStoredTypes])(const void* src, void* words, int64_t n, int64_t first,
                                 bool descending, uint64_t bound);
  // The elements that the keys of words stand for; zeros come out positive, NaNs as one.
  void (*elements[kStoredTypes])(const void* words, void* dst, int64_t n, bool descending);
  // Of 64-bit integers: the lowest and highest key, and words of 64 bits for keys that are counted
  // from `low` upwards or, descending, from `high` downwards.
  void (*range)(const void* src, int64_t n, bool is_signed, uint64_t* low, uint64_t* high);
  void (*narrow_words)(const void* src, void* words, int64_t n, int64_t first, bool is_signed,
                       bool descending, uint64_t low, uint64_t high);
  void (*narrow_elements)(const void* words, void* dst, int64_t n, bool is_signed, bool descending,
                          uint64_t low, uint64_t high);
  // The positions in words of 64 and of 128 bits.
  void (*positions[2])(const void* words, int64_t* dst, int64_t n);
  // Sorts up to kMostRanked words of 64 bits that are in the order of their positions; may be null.
  void (*rank)(const uint64_t* words, uint64_t* sorted, int64_t n);
  // starts[i] = whether element i is another than element i - 1, for 0 < i < n.
  void (*starts[kStoredTypes])(const void* src, bool* starts, int64_t n);
};
constexpr int64_t kMostRanked = 128;

const OrderKernels& order_kernels();  // of isa()

namespace baseline {
extern const OrderKernels order_kernels;
}
namespace avx2 {
extern const OrderKernels order_kernels;
}
namespace avx512 {
extern const OrderKernels order_kernels;
}

}  // namespace flambeau::inline v1::cpu
