#include "core/memory/blocks.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#include "core/memory/size_class.h"

namespace flambeau::inline v1::memory {
namespace {

void* map(size_t size) noexcept {
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return block == MAP_FAILED ? nullptr : block;
}

// Huge pages begin at multiples of their size. Kernels since 6.7 place large mappings there
// themselves; for others a larger mapping is cut to fit.
void* map_aligned(size_t size) noexcept {
  auto is_aligned = [](void* block) { return reinterpret_cast<uintptr_t>(block) % kHugePage == 0; };
  void* block = map(size);
  if (block == nullptr || is_aligned(block)) return block;
  munmap(block, size);
  char* wide = static_cast<char*>(map(size + kHugePage));
  if (wide == nullptr) return map(size);
  const size_t before = kHugePage - reinterpret_cast<uintptr_t>(wide) % kHugePage;
  munmap(wide, before);
  if (before < kHugePage) munmap(wide + before + size, kHugePage - before);
  return wide + before;
}

}  // namespace

void* system_allocate(size_t size) noexcept {
  if (size < kHugePage) {
    void* block = nullptr;
    return posix_memalign(&block, kAlignment, size) == 0 ? block : nullptr;
  }
  void* block = map_aligned(size);
  if (block != nullptr) madvise(block, size, MADV_HUGEPAGE);  // advice: may be refused
  return block;
}

void system_release(void* block, size_t size) noexcept {
  if (size < kHugePage) {
    std::free(block);
  } else {
    munmap(block, size);
  }
}

}  // namespace flambeau::inline v1::memory
