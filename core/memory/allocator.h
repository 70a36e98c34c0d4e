// Memory for tensor data on the CPU: a caching allocator with size classes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flambeau::memory {

// At least `size` bytes, aligned to 64; size 0 gives nullptr. Small classes come from thread-local
// caches, large ones from a shared cache; blocks of 2 MiB and more ask for huge pages. A request is
// held against the memory that the machine and the cgroup can still give. Failure throws
// OutOfMemory, which names the size; the dispatcher adds the op.
void* allocate(size_t size);
void deallocate(void* block, size_t size) noexcept;

struct Stats {
  uint64_t allocated_bytes, peak_allocated_bytes, cached_bytes, allocations, cache_hits, system_allocations;
};
Stats stats();
void reset_peak();
void trim();  // gives all cached blocks back to the system

}  // namespace flambeau::memory
