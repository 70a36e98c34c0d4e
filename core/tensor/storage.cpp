#include "core/tensor/storage.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>

#include "core/memory/allocator.h"
#include "core/tensor/device_table.h"
#include "core/tensor/error.h"
#include "core/tensor/rearrange.h"

namespace flambeau::inline v1 {
namespace {

// Note [Memory of a tensor]
// A tensor is made within its storage: its geometry is checked there once, where views, set_ and
// as_strided make it, and never again. What can go wrong later goes wrong in the storage: it has
// no memory that the host may touch, or was resized to less than it had, so that tensors may reach
// past its end. `ready()` is null in all these cases, so that Tensor::bytes(), which every reader
// and kernel passes, leaves its one straight path and has the extent of its own tensor checked.

void free_cpu(void* data, size_t nbytes, void*) { memory::deallocate(data, nbytes); }

// Memory of another device; the context says which.
void* encoded(Device device) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(device.type) << 8 |
                                 static_cast<uint8_t>(device.index));
}
void free_elsewhere(void* data, size_t nbytes, void* context) {
  const auto code = reinterpret_cast<uintptr_t>(context);
  const Device device{static_cast<DeviceType>(code >> 8), static_cast<int8_t>(code & 0xff)};
  require_device(device.type).free(data, nbytes, device.index, current_stream(device));
}

class DeviceOutOfMemory : public memory::OutOfMemory {
 public:
  DeviceOutOfMemory(size_t nbytes, Device device)
      : OutOfMemory(nbytes, 0),
        text_(concat("out of memory on device '", device.str(), "': tried to allocate ", nbytes,
                     " bytes; free tensors or use smaller ones")) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

void* allocate_elsewhere(size_t nbytes, Device device) {
  void* const data =
      require_device(device.type).allocate(nbytes, device.index, current_stream(device));
  if (!data && nbytes && !device.is_meta()) throw DeviceOutOfMemory(nbytes, device);
  return data;
}

}  // namespace

Ref<Storage> Storage::allocate(size_t nbytes, Device device) {
  if (device.is_cpu()) [[likely]] {
    void* data = memory::allocate(nbytes);
    return Ref<Storage>::adopt(new Storage(data, nbytes, device, free_cpu, nullptr, true));
  }
  device = resolved(device);
  void* data = allocate_elsewhere(nbytes, device);
  return Ref<Storage>::adopt(
      new Storage(data, nbytes, device, free_elsewhere, encoded(device), true));
}

Ref<Storage> Storage::wrap(void* data, size_t nbytes, Device device, Deleter deleter,
                           void* context) {
  return Ref<Storage>::adopt(new Storage(data, nbytes, device, deleter, context, false));
}

void Storage::destroy() {
  if (Promise* const promise = promise_.load(std::memory_order_relaxed)) promise->release();
  if (deleter_) deleter_(data_, nbytes_, context_);
  delete this;
}

void Storage::take(void* data, size_t nbytes) {
  data_ = data;
  nbytes_ = nbytes;
  reach_ = std::max(reach_, nbytes);
  settle();
}

void Storage::settle() {
  const bool whole = device_.is_cpu() && nbytes_ == reach_ && !promise_.load();
  ready_.store(whole ? static_cast<char*>(data_) : nullptr, std::memory_order_release);
}

void (*keep_all_promises)() = [] {};

// Held while a promise is looked up or dropped, never while one is kept.
static std::mutex promises;
[[maybe_unused]] static const int fork_handler =
    pthread_atfork([] { promises.lock(); }, [] { promises.unlock(); }, [] { promises.unlock(); });

void Storage::promise(Ref<Promise> promise) {
  promise_.store(promise.forget(), std::memory_order_release);
  settle();
}
void Storage::fulfil() {
  Ref<Promise> dropped;  // dies after the lock is given back
  const std::lock_guard lock(promises);
  dropped = Ref<Promise>::adopt(promise_.exchange(nullptr));
  settle();
}
void Storage::keep_promise() const {
  Ref<Promise> held;
  {
    const std::lock_guard lock(promises);
    held = Ref<Promise>(promise_.load());
  }
  if (held) held->keep();
}
void Storage::expose() {
  exposed_ = true;  // first: what is promised from now on reads the memory at once
  keep_all_promises();
}

void Storage::resize(size_t nbytes) {
  const Rearranging scope;
  constexpr const char* kRefused = "Trying to resize storage that is not resizable: ";
  if (!resizable_) raise<NoMemory>(kRefused, "it wraps memory of another owner");
  if (lent())
    raise<NoMemory>(
        kRefused,
        "its memory is in use by a NumPy array, a buffer, a DLPack capsule or another storage; "
        "delete that first, or resize a clone");
  void* data = allocate_elsewhere(nbytes, device_);
  if (data_ && data) copy_bytes(data, device_, data_, device_, std::min(nbytes, nbytes_));
  if (deleter_) deleter_(data_, nbytes_, context_);
  take(data, nbytes);
}

void Storage::swap_data(Storage& o) {
  const Rearranging scope;
  check(!lent() && !o.lent(), "swap_data: the memory of a storage is in use by its address");
  std::swap(deleter_, o.deleter_);
  std::swap(context_, o.context_);
  std::swap(device_, o.device_);
  std::swap(resizable_, o.resizable_);
  void* const data = data_;
  const size_t nbytes = nbytes_;
  take(o.data_, o.nbytes_);
  o.take(data, nbytes);
}

}  // namespace flambeau::inline v1
