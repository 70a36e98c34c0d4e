// Freelists for the small objects that every call makes: tensors, storages, autograd nodes.
#pragma once

#include <cstddef>

namespace flambeau {

// Blocks of up to 512 bytes from thread-local freelists by 16-byte class; larger ones from malloc.
// A block may be freed on another thread than the one that took it. Sanitizer builds
// (FLAMBEAU_NO_CACHE) go to malloc each time, so that errors are seen.
void* small_alloc(size_t size);
void small_free(void* block, size_t size) noexcept;

// Gives a class freelist-backed new and delete; a class with virtual destructor may derive from it.
struct SmallObject {
  static void* operator new(size_t size) { return small_alloc(size); }
  static void* operator new(size_t, void* place) { return place; }
  static void operator delete(void* block, size_t size) noexcept { small_free(block, size); }
};

}  // namespace flambeau
