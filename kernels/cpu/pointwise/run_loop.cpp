#include "kernels/cpu/pointwise/run_loop.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/pointwise/pointwise_plan.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kMostBytes = kMostBlock * 16;  // of an operand's block

// Copies `count` elements, and fills the block with the last one: whatever a formula does to it, it
// does to an element that is there.
template <class T>
void pad(char* dst, const char* src, int64_t count, int64_t block) {
  constexpr int64_t size = sizeof(T);
  T last;
  std::memcpy(&last, src + (count - 1) * size, sizeof(T));
  T* const to = reinterpret_cast<T*>(dst);
  for (int64_t i = block - 1; i >= count; --i) to[i] = last;
  std::memcpy(dst, src, static_cast<size_t>(count * size));
}

struct Wide {
  uint64_t half[2];
};

void pad(char* dst, const char* src, int64_t count, int64_t block, int64_t size) {
  switch (size) {
    case 1:
      return pad<uint8_t>(dst, src, count, block);
    case 2:
      return pad<uint16_t>(dst, src, count, block);
    case 4:
      return pad<uint32_t>(dst, src, count, block);
    case 8:
      return pad<uint64_t>(dst, src, count, block);
    default:
      return pad<Wide>(dst, src, count, block);
  }
}

}  // namespace

void run_rest(Loop loop, char* const* ptrs, int64_t n, const void* params, const DType* dtypes,
              int outputs, int operands) {
  int64_t sizes[kMaxOperands], block = 1;
  bool inplace = false;
  for (int k = 0; k < operands; ++k) {
    sizes[k] = static_cast<int64_t>(itemsize(dtypes[k]));
    const auto real = static_cast<int64_t>(itemsize(to_real(dtypes[k])));
    block = std::max(block, kMostBlock / real);
    for (int out = 0; out < outputs && k >= outputs; ++out) inplace |= ptrs[k] == ptrs[out];
  }
  const int64_t count = n % block;
  if (count == 0) return;
  char* at[kMaxOperands];
  if (n > block && !inplace) {  // the last block of all, though a part of it is done
    for (int k = 0; k < operands; ++k) at[k] = ptrs[k] + (n - block) * sizes[k];
    return loop(at, block, params);
  }
  alignas(64) char blocks[kMaxOperands][kMostBytes];
  for (int k = 0; k < operands; ++k) {
    at[k] = blocks[k];
    if (k >= outputs) pad(blocks[k], ptrs[k] + (n - count) * sizes[k], count, block, sizes[k]);
  }
  loop(at, block, params);
  for (int k = 0; k < outputs; ++k) {
    std::memcpy(ptrs[k] + (n - count) * sizes[k], blocks[k], static_cast<size_t>(count * sizes[k]));
  }
}

}  // namespace flambeau::inline v1::cpu
