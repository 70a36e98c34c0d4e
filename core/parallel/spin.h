// Waiting without giving up the processor, for as long as that is likely to be worth it.
#pragma once

#include <time.h>

#include <cstdint>

namespace flambeau::inline v1 {

inline void relax_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

inline int64_t nanoseconds() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

// Waking a sleeper takes 5 to 100 microseconds, so a wait that is likely to be shorter than
// kLongWait is spun through, and whether it is likely is told from the last one.
//
// A thread that lost its processor while it spun has found that there are more runnable threads
// than processors: spinning then takes time from the very thread it waits for. It stops at once,
// and does not spin again in its next kCalm waits.
class Spinner {
 public:
  void begin() {
    looks_ = 0;
    pauses_ = 0;
    if (calm_ > 0) --calm_;
  }

  // To be called between two looks at what is waited for; false when it is time to sleep.
  bool again() {
    if (calm_ > 0) return false;
    relax_cpu();
    if (++pauses_ % kPausesPerLook != 0) return true;
    const int64_t now = nanoseconds();
    if (looks_++ == 0) started_ = looked_ = now;
    const int64_t gap = now - looked_;
    looked_ = now;
    if (gap > kPreempted) calm_ = kCalm;
    return gap <= kPreempted && now - started_ < patience_;
  }

  // What was waited for is there.
  void end() {
    if (looks_ > 0) patience_ = nanoseconds() - started_ < kLongWait ? kLongWait : kShortWait;
  }

 private:
  static constexpr uint32_t kPausesPerLook = 16;
  static constexpr int64_t kShortWait = 50'000, kLongWait = 400'000;  // nanoseconds
  static constexpr int64_t kPreempted = 100'000;
  static constexpr int kCalm = 100;

  int64_t started_ = 0, looked_ = 0, patience_ = kShortWait;
  uint32_t looks_ = 0, pauses_ = 0;
  int calm_ = 0;
};

}  // namespace flambeau::inline v1
