#include "core/tensor/rearrange.h"

#include <pthread.h>

#include <chrono>
#include <mutex>
#include <thread>

#include "core/tensor/error.h"
#include "core/tensor/storage.h"

namespace flambeau::inline v1 {

std::atomic<int> detail::rearranging{0};

namespace {

std::atomic<int> computing{0};
thread_local constinit int computing_depth [[gnu::tls_model("initial-exec")]] = 0;
thread_local constinit int rearranging_depth [[gnu::tls_model("initial-exec")]] = 0;
std::mutex only_one;  // that rearranges while it computes

void wait_a_little() { std::this_thread::sleep_for(std::chrono::microseconds(20)); }

std::mutex own_lock;
SharedLock shared_lock = {[]() -> void* {
                            own_lock.lock();
                            return nullptr;
                          },
                          [](void*) { own_lock.unlock(); },
                          [] {
                            own_lock.unlock();
                            wait_a_little();
                            own_lock.lock();
                          }};

void enter() {
  computing.fetch_add(1);
  // Who rearranges has announced it before it looks at `computing`: one of the two sees the other.
  while (detail::rearranging.load() > 0 && rearranging_depth == 0) {
    computing.fetch_sub(1);
    while (others_rearrange()) wait_a_little();
    computing.fetch_add(1);
  }
}

// The child of a fork has this thread alone: nobody else computes, or waits to rearrange.
void after_fork_in_child() {
  computing = computing_depth > 0;
  detail::rearranging = rearranging_depth > 0;
  new (&only_one) std::mutex;
}
[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, after_fork_in_child);

}  // namespace

void set_shared_lock(const SharedLock& lock) { shared_lock = lock; }

// With the lock nobody else is rearranging, and who waits to will look again.
Computing::Computing(HasLock) : on_(true) {
  if (computing_depth++ == 0) computing.fetch_add(1);
}
Computing::Computing(bool on) : on_(on) {
  if (on_ && computing_depth++ == 0) enter();
}
Computing::~Computing() {
  if (on_ && --computing_depth == 0) computing.fetch_sub(1);
}

Pause::Pause() : depth_(computing_depth) {
  computing_depth = 0;
  if (depth_ > 0) computing.fetch_sub(1);
}
Pause::~Pause() {
  if (depth_ > 0) computing.fetch_add(1);
  computing_depth = depth_;
}

Away::Away() : depth_(computing_depth) {
  computing_depth = 0;
  if (depth_ > 0) computing.fetch_sub(1);
}
Away::~Away() {
  if (depth_ > 0) enter();
  computing_depth = depth_;
}

Rearranging::Rearranging() {
  if (rearranging_depth > 0) return;
  keep_all_promises();
  const int own = computing_depth > 0;
  if (own) {
    alone_ = only_one.try_lock();
    check(alone_,
          "two calls on different threads would change the size or the memory of tensors while "
          "both compute: give out= tensors that have the right size already");
  }
  on_ = true;
  detail::rearranging.fetch_add(1);
  lock_ = shared_lock.take();
  while (computing.load() != own) shared_lock.yield();
  ++rearranging_depth;
}

Rearranging::~Rearranging() {
  if (!on_) return;
  --rearranging_depth;
  shared_lock.leave(lock_);
  detail::rearranging.fetch_sub(1);
  if (alone_) only_one.unlock();
}

}  // namespace flambeau::inline v1
