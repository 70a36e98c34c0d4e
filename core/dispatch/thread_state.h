// Everything a thread carries from call to call, in one copyable struct: captured by backward
// nodes, checkpointing and worker threads.
#pragma once

#include <atomic>

#include "core/tensor/device.h"
#include "core/tensor/dtype.h"
#include "core/tensor/keys.h"

namespace flambeau {

struct ThreadState {
  KeySet included = 0;  // layers that are on for every call (modes)
  KeySet excluded = 0;  // layers that are off: grad mode off, or this call is below them
  bool grad_mode = true;
  bool inference_mode = false;
  bool below_autograd = false;
  bool anomaly_mode = false, anomaly_check_nan = true;
  bool multithreading = true, view_replay = false;
  // Python-owned stacks (mode objects, saved-tensor hooks): opaque here, see core/python.
  void* dispatch_modes = nullptr;
  void* function_modes = nullptr;
  void* saved_tensor_hooks = nullptr;
  void* recorder = nullptr;

  void refresh() {  // the autograd bit follows from two facts
    if (grad_mode && !below_autograd)
      excluded &= ~kAutograd;
    else
      excluded |= kAutograd;
  }
};

// Read by every call: at a fixed place in the thread, where no function must be asked for it.
extern thread_local constinit ThreadState thread_state [[gnu::tls_model("initial-exec")]];

// The dtype of floats without one: one for the whole process.
namespace detail {
extern std::atomic<DType> default_dtype;
}
inline DType default_dtype() { return detail::default_dtype.load(std::memory_order_relaxed); }
inline void set_default_dtype(DType dtype) {
  detail::default_dtype.store(dtype, std::memory_order_relaxed);
}

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
  explicit Exclude(KeySet keys)
      : excluded_(thread_state.excluded), below_(thread_state.below_autograd) {
    thread_state.excluded |= keys;
    if (keys & kAutograd) thread_state.below_autograd = true;
  }
  ~Exclude() {
    thread_state.excluded = excluded_;
    thread_state.below_autograd = below_;
  }
  Exclude(const Exclude&) = delete;

 private:
  KeySet excluded_;
  bool below_;
};

}  // namespace flambeau
