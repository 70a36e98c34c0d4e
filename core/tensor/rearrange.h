// Who computes while who else changes the memory or the geometry of tensors.
#pragma once

#include <atomic>

namespace flambeau::inline v1 {

// Note [Memory that moves]
// Kernels run outside Python's lock, so another thread may resize a tensor, give it other memory
// or reshape it in place in the middle of one. Who computes without the lock says so
// (`Computing`); who changes what others may know of (`Rearranging`) takes the lock and waits
// until nobody else computes without it. New kernels then keep the lock, or wait, so the wait is
// as long as the longest kernel that runs. Both know nothing of Python: its lock is handed in, and
// a C++ program has one of its own instead.
//
// Where a hook in Python is called in the middle, nothing is being read: `Pause` leaves the scope,
// so that hooks may rearrange. A kernel that rearranges itself (out= of another size) does so when
// it alone computes; two such at once cannot both wait, and the second is an error.

namespace detail {
extern std::atomic<int> rearranging;  // threads that wait to, or do
}
// Whether a kernel had better keep the lock.
inline bool others_rearrange() { return detail::rearranging.load(std::memory_order_relaxed) > 0; }

class Computing {
 public:
  struct HasLock {};
  explicit Computing(HasLock);         // begun with the lock, which is then given up
  explicit Computing(bool on = true);  // begun without
  ~Computing();
  Computing(const Computing&) = delete;

 private:
  bool on_;
};

// Begun and ended with the lock.
class Pause {
 public:
  Pause();
  ~Pause();
  Pause(const Pause&) = delete;

 private:
  int depth_;
};

// While a thread waits for another one: begun and ended without the lock, if it computes at all.
class Away {
 public:
  Away();
  ~Away();
  Away(const Away&) = delete;

 private:
  int depth_;
};

class Rearranging {
 public:
  Rearranging();
  ~Rearranging();
  Rearranging(const Rearranging&) = delete;

 private:
  bool on_ = false, alone_ = false;
  void* lock_ = nullptr;
};

// Python's lock. `yield` gives it up for a moment.
struct SharedLock {
  void* (*take)();  // also where this thread has it already
  void (*leave)(void* taken);
  void (*yield)();
};
void set_shared_lock(const SharedLock& lock);

}  // namespace flambeau::inline v1
