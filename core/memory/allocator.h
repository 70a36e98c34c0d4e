// Memory for tensor data on the CPU: a caching allocator with size classes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace flambeau::inline v1::memory {

class OutOfMemory : public std::runtime_error {
 public:
  OutOfMemory(size_t requested, uint64_t available);
  size_t requested() const { return requested_; }

 private:
  size_t requested_;
};

// A tensor of more bytes than can be counted. As with OutOfMemory, the dispatcher adds the op.
class SizeOverflow : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// At least `size` bytes, aligned to 64; size 0 gives nullptr. Blocks of up to 64 KiB come from
// thread-local caches, larger ones from a shared cache; blocks of 2 MiB and more ask for huge
// pages. A request is held against the memory that the machine and the cgroup can still give, what
// lies in caches included. Failure throws OutOfMemory, which names the size; the dispatcher adds
// the op. Any thread may free any block, with the size it was asked for.
void* allocate(size_t size);
void deallocate(void* block, size_t size) noexcept;

struct Stats {
  uint64_t allocated_bytes;       // as asked for
  uint64_t peak_allocated_bytes;  // exact for one thread, else at most 2 MiB a thread off
  uint64_t cached_bytes;          // free blocks that are kept
  uint64_t allocations, cache_hits, system_allocations;
};
Stats stats();
void reset_peak();
// Gives cached blocks back to the system: all but those that other threads keep for themselves.
void trim();

}  // namespace flambeau::inline v1::memory
