// Everything a thread carries from call to call. ThreadState is what calls look at; a
// ThreadSnapshot is a copy that may be kept and put in force again, here or on another thread:
// backward passes, checkpointing and worker threads do.
#pragma once

#include <atomic>

#include "core/dispatch/counted.h"
#include "core/tensor/device.h"
#include "core/tensor/dtype.h"
#include "core/tensor/keys.h"

namespace flambeau::inline v1 {

// One entry of a stack of modes, hooks, observers or levels: immutable and counted, so that a copy
// of a stack is a pointer. Who pushes derives from it.
class Frame : public Counted {
 public:
  ~Frame() override;  // frees a stack of any depth without recursion
  const Frame* below() const { return below_.get(); }
  uint32_t depth() const { return depth_; }  // of the stack whose top this is

 private:
  friend class Stack;
  Ref<const Frame> below_;
  uint32_t depth_ = 1;
};

// A stack as a thread holds it. Its destructor does nothing, because a variable of the thread with
// one would cost each access a test; whoever pushes pops, and snapshots count for themselves.
class Stack {
 public:
  const Frame* top() const { return top_; }
  explicit operator bool() const { return top_ != nullptr; }
  uint32_t size() const { return top_ ? top_->depth() : 0; }
  const Frame* at(uint32_t index) const;  // 0 is the lowest; nullptr past the end

  void push(Ref<Frame> frame);
  Ref<const Frame> pop();  // nullptr when empty
  // Makes it a copy of a stack; gives back what it was.
  Ref<const Frame> exchange(Ref<const Frame> top);

 private:
  const Frame* top_ = nullptr;
};

// What is set once and read seldom: replaced as a whole when one of it changes.
struct Surroundings : Counted {
  Surroundings() = default;
  Surroundings(const Surroundings& o)
      : Counted(),
        default_device(o.default_device),
        autocast_cache(o.autocast_cache),
        autocast_nesting(o.autocast_nesting),
        autocast_enabled(o.autocast_enabled) {
    for (int i = 0; i < kDeviceTypes; ++i) autocast_dtype[i] = o.autocast_dtype[i];
  }

  Device default_device;  // of factories that are given none
  bool autocast_cache = true;
  int autocast_nesting = 0;
  uint32_t autocast_enabled = 0;  // a bit per device type
  DType autocast_dtype[kDeviceTypes] = {};
};

enum class TorchFunction : uint8_t { enabled, subclasses_off, all_off };

struct ThreadState {
  KeySet included = 0;  // layers that are on for every call (modes)
  KeySet excluded = 0;  // layers that are off: grad mode off, or this call is below them
  bool grad_mode = true;
  bool inference_mode = false;
  bool below_autograd = false;
  bool anomaly_mode = false, anomaly_check_nan = true;
  bool multithreading = true, view_replay = false;
  TorchFunction torch_function = TorchFunction::enabled;
  Stack dispatch_modes, function_modes, saved_tensor_hooks, profilers, captures;
  const Counted* level = nullptr;  // the top one of function transforms; core/autograd/transform.h
  const Surroundings* surroundings_ = nullptr;  // none while all is as it was at the start
  const void* settled_op = nullptr;             // the op whose next entry looks at no registrations

  void refresh() {  // the autograd bit follows from two facts
    if (grad_mode && !below_autograd)
      excluded &= ~kAutograd;
    else
      excluded |= kAutograd;
  }
  // A layer is on while its stack holds something.
  void refresh(Key key, const Stack& stack) {
    if (stack)
      included |= bit(key);
    else
      included &= ~bit(key);
  }
  const Surroundings& surroundings() const {
    return surroundings_ ? *surroundings_ : default_surroundings();
  }
  void set_surroundings(Ref<Surroundings> changed);
  static const Surroundings& default_surroundings();
};

// Read by every call: at a fixed place in the thread, where no function must be asked for it.
extern thread_local constinit ThreadState thread_state [[gnu::tls_model("initial-exec")]];

class ThreadSnapshot {
 public:
  ThreadSnapshot() : ThreadSnapshot(thread_state) {}  // of this thread, now
  ThreadSnapshot(const ThreadSnapshot& o) : ThreadSnapshot(o.state_) {}
  ThreadSnapshot& operator=(const ThreadSnapshot&) = delete;
  ~ThreadSnapshot();
  void restore() const;  // makes this thread carry the same

 private:
  explicit ThreadSnapshot(const ThreadState& state);
  ThreadState state_;
};

// This thread carries what a snapshot says, until the end of the scope.
class WithThreadState {
 public:
  explicit WithThreadState(const ThreadSnapshot& state) { state.restore(); }
  ~WithThreadState() { before_.restore(); }
  WithThreadState(const WithThreadState&) = delete;

 private:
  ThreadSnapshot before_;
};

namespace detail {
// Keys that are on for every call of every thread.
extern std::atomic<KeySet> everywhere [[gnu::visibility("hidden")]];  // the entries read it
// The dtype of floats without one: one for the whole process.
extern std::atomic<DType> default_dtype;
}  // namespace detail
inline DType default_dtype() { return detail::default_dtype.load(std::memory_order_relaxed); }
inline void set_default_dtype(DType dtype) {
  detail::default_dtype.store(dtype, std::memory_order_relaxed);
}
void include_everywhere(KeySet keys);

class GradMode {  // scoped set_grad_enabled
 public:
  explicit GradMode(bool on) : before_(thread_state.grad_mode) { set(on); }
  ~GradMode() { set(before_); }
  GradMode(const GradMode&) = delete;
  static void set(bool on) {
    thread_state.grad_mode = on;
    thread_state.refresh();
  }
  static bool enabled() { return thread_state.grad_mode; }

 private:
  bool before_;
};

// Scope of a layer's body: `keys` are off until it ends.
class Exclude {
 public:
  [[gnu::always_inline]] explicit Exclude(KeySet keys)
      : excluded_(thread_state.excluded), below_(thread_state.below_autograd) {
    thread_state.excluded |= keys;
    if (keys & kAutograd) thread_state.below_autograd = true;
  }
  [[gnu::always_inline]] ~Exclude() {
    thread_state.excluded = excluded_;
    thread_state.below_autograd = below_;
  }
  Exclude(const Exclude&) = delete;

 private:
  KeySet excluded_;
  bool below_;
};

// Scope in which layers outside of this one are on again: a mode or a level runs a program of its
// own, and a call of that program begins at the outermost of `keys`. Autograd, when among them, is
// on as far as grad mode says.
class Reinclude {
 public:
  explicit Reinclude(KeySet keys)
      : excluded_(thread_state.excluded), below_(thread_state.below_autograd) {
    thread_state.excluded &= ~keys;
    if (keys & kAutograd) {
      thread_state.below_autograd = false;
      thread_state.refresh();
    }
  }
  ~Reinclude() {
    thread_state.excluded = excluded_;
    thread_state.below_autograd = below_;
  }
  Reinclude(const Reinclude&) = delete;

 private:
  KeySet excluded_;
  bool below_;
};

}  // namespace flambeau::inline v1
