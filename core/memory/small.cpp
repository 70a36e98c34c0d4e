#include "core/memory/small.h"

#include <cstdlib>
#include <new>

namespace flambeau::inline v1 {
namespace {

void* allocate_or_throw(size_t size) {
  void* block = std::malloc(size);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

#ifdef FLAMBEAU_NO_CACHE

void* small_alloc(size_t size) { return allocate_or_throw(size == 0 ? 1 : size); }
void small_free(void* block, size_t) noexcept { std::free(block); }

#else

namespace small {
namespace {

// Room for a burst, such as the nodes of a large graph that is freed at once, at no more than
// 6 MiB for all classes of a thread together.
constexpr size_t kBytesPerClass = 128 * 1024;

constexpr size_t block_size(size_t c) { return c == 0 ? kStep : c * kStep; }
constexpr uint32_t capacity(size_t c) {
  return static_cast<uint32_t>(kBytesPerClass / block_size(c));
}

constinit Cache empty_cache{};

enum class Stage : uint8_t { unused, active, ended };
thread_local constinit Stage stage [[gnu::tls_model("initial-exec")]] = Stage::unused;

void release(Block*& list, uint32_t& room, uint32_t count) noexcept {
  for (; count > 0 && list != nullptr; --count) {
    Block* block = list;
    list = block->next;
    ++room;
    std::free(block);
  }
}

// A thread_local object rather than a pthread key: the library stays loaded until it has run.
struct AtThreadEnd {
  AtThreadEnd() { stage = Stage::active; }
  ~AtThreadEnd() {
    Cache* own = cache;
    cache = &empty_cache;
    stage = Stage::ended;
    for (size_t c = 0; c < kClasses; ++c) release(own->head[c], own->room[c], UINT32_MAX);
    std::free(own);
  }
};

// False when this thread has no cache of its own and cannot have one: it is ending, or memory is.
bool activate() noexcept {
  if (stage == Stage::active) return true;
  if (stage == Stage::ended) return false;
  auto* own = static_cast<Cache*>(std::calloc(1, sizeof(Cache)));
  if (own == nullptr) return false;
  for (size_t c = 0; c < kClasses; ++c) own->room[c] = capacity(c);
  cache = own;
  thread_local AtThreadEnd at_thread_end;
  return true;
}

}  // namespace

thread_local constinit Cache* cache = &empty_cache;

void* alloc_slow(size_t size) {
  if (size > kMaxSize) return allocate_or_throw(size);
  return allocate_or_throw(block_size(size_class(size)));
}

void free_slow(void* block, size_t size) noexcept {
  if (size > kMaxSize || !activate()) return std::free(block);
  const size_t c = size_class(size);
  if (cache->room[c] == 0) release(cache->head[c], cache->room[c], capacity(c) / 2);
  small_free(block, size);
}

}  // namespace small

#endif

}  // namespace flambeau::inline v1
