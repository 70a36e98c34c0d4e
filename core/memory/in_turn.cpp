#include "core/memory/in_turn.h"

#include <cstddef>
#include <cstdlib>

namespace flambeau::inline v1::memory {
namespace {

struct Call {
  void (*free)(void*);
  void* object;
};
// Plain, so that it also serves objects that die when the thread ends.
struct Waiting {
  Call* calls;
  size_t size, capacity;
  bool busy;
};
thread_local constinit Waiting waiting [[gnu::tls_model("initial-exec")]] = {nullptr, 0, 0, false};

bool put(Waiting& w, Call call) {
  if (w.size == w.capacity) {
    const size_t capacity = w.capacity ? 2 * w.capacity : 16;
    auto* const grown = static_cast<Call*>(std::realloc(w.calls, capacity * sizeof(Call)));
    if (!grown) return false;
    w.calls = grown;
    w.capacity = capacity;
  }
  w.calls[w.size++] = call;
  return true;
}

}  // namespace

void in_turn(void (*free)(void*), void* object) noexcept {
  Waiting& w = waiting;
  if (w.busy) {
    if (!put(w, {free, object})) free(object);
    return;
  }
  w.busy = true;
  free(object);
  while (w.size) {
    const Call next = w.calls[--w.size];
    next.free(next.object);
  }
  std::free(w.calls);
  w = {};
}

}  // namespace flambeau::inline v1::memory
