// Freelists for the small objects that every call makes: tensors, storages, autograd nodes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flambeau::inline v1 {

namespace small {

constexpr size_t kMaxSize = 768;
constexpr size_t kStep = 16;
constexpr size_t kClasses = kMaxSize / kStep + 1;  // class c holds blocks of c * 16 bytes

constexpr size_t size_class(size_t size) { return (size + kStep - 1) / kStep; }

struct Block {
  Block* next;
};

struct Cache {
  Block* head[kClasses];
  uint32_t room[kClasses];  // blocks that may still be pushed
};

// A thread starts on an empty cache that accepts nothing, so the fast path needs no test for a
// first use, and it returns to that cache when it ends, so objects that die later are safe. One
// pointer, and initial-exec, because a library that is loaded late gets little static TLS.
extern thread_local constinit Cache* cache [[gnu::tls_model("initial-exec")]];

[[gnu::cold, gnu::noinline]] void* alloc_slow(size_t size);
[[gnu::cold, gnu::noinline]] void free_slow(void* block, size_t size) noexcept;

}  // namespace small

// Blocks of up to kMaxSize bytes from thread-local freelists by size class; larger ones from
// malloc. A block may be freed on another thread than the one that took it: it joins that thread's
// list, and what a list has no room for goes back to malloc in batches. Sanitizer builds
// (FLAMBEAU_NO_CACHE, the same in all that is linked together) go to malloc each time, so that
// errors are seen.
#ifdef FLAMBEAU_NO_CACHE
void* small_alloc(size_t size);
void small_free(void* block, size_t size) noexcept;
#else
[[gnu::always_inline]] inline void* small_alloc(size_t size) {
  if (size > small::kMaxSize) [[unlikely]]
    return small::alloc_slow(size);
  const size_t c = small::size_class(size);
  small::Cache& cache = *small::cache;
  small::Block* block = cache.head[c];
  if (block == nullptr) [[unlikely]]
    return small::alloc_slow(size);
  cache.head[c] = block->next;
  ++cache.room[c];
  return block;
}

inline void small_free(void* block, size_t size) noexcept {
  const size_t c = small::size_class(size);
  small::Cache& cache = *small::cache;
  if (size > small::kMaxSize || cache.room[c] == 0) [[unlikely]] {
    return small::free_slow(block, size);
  }
  --cache.room[c];
  small::Block* freed = static_cast<small::Block*>(block);
  freed->next = cache.head[c];
  cache.head[c] = freed;
}
#endif

// Gives a class freelist-backed new and delete; a class with virtual destructor may derive from it.
struct SmallObject {
  static void* operator new(size_t size) { return small_alloc(size); }
  static void* operator new(size_t, void* place) { return place; }
  static void operator delete(void* block, size_t size) noexcept { small_free(block, size); }
};

}  // namespace flambeau::inline v1
