// Storage: the bytes behind tensors. See Note [Memory of a tensor] in storage.cpp.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/memory/small.h"
#include "core/tensor/device.h"
#include "core/tensor/ref.h"

namespace flambeau::inline v1 {

// What will bring a storage's memory up to date when somebody asks for it.
struct Promise : SmallObject {
  virtual ~Promise() = default;
  virtual void keep() = 0;  // throws where it cannot
  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  std::atomic<uint32_t> refs_{1};
};

// Bytes on a device. The deleter is called with its context when the last user is gone.
class Storage : public SmallObject {
 public:
  using Deleter = void (*)(void* data, size_t nbytes, void* context);

  static Ref<Storage> allocate(size_t nbytes, Device device);  // meta: no memory
  static Ref<Storage> wrap(void* data, size_t nbytes, Device device, Deleter deleter,
                           void* context);

  // The memory, where whatever a tensor may reach is there for the host; else null.
  // Acquires: what a thread wrote before it said that the memory is there is seen.
  char* ready() const { return ready_.load(std::memory_order_acquire); }
  void* data() const {  // nbytes() bytes, on the device
    if (promise_.load(std::memory_order_acquire)) [[unlikely]]
      keep_promise();
    return data_;
  }
  size_t nbytes() const { return nbytes_; }
  Device device() const { return device_; }
  bool resizable() const { return resizable_ && !lent(); }
  // Keeps the common prefix. Error when not resizable.
  void resize(size_t nbytes);
  // For set_data, module.to and shared memory. Error when one of them is lent.
  void swap_data(Storage& o);
  // The deleter's context, when this is the deleter.
  void* context_of(Deleter deleter) const { return deleter_ == deleter ? context_ : nullptr; }
  uint32_t use_count() const { return refs_.load(std::memory_order_relaxed); }

  // Somebody outside holds the memory by its address, so it must stay where it is; see Lent.
  void lend() {
    expose();
    lent_.fetch_add(1, std::memory_order_relaxed);
  }
  void take_back() { lent_.fetch_sub(1, std::memory_order_release); }
  bool lent() const { return lent_.load(std::memory_order_acquire) != 0; }

  // Its memory is still to be written: readers take the cold path, which has that done.
  void promise(Ref<Promise> promise);
  void fulfil();  // from now on it is what it should be
  // Somebody outside may read and write the memory at any time from now on.
  void expose();
  bool exposed() const { return exposed_.load() || !resizable_; }

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.load(std::memory_order_acquire) == 1 ||
        refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      destroy();
  }
  // The one Python object of this storage (borrowed), see Note [One Python object].
  std::atomic<void*> py_object{nullptr};

 private:
  Storage(void* data, size_t nbytes, Device device, Deleter deleter, void* context, bool resizable)
      : ready_(device.is_cpu() ? static_cast<char*>(data) : nullptr),
        data_(data),
        nbytes_(nbytes),
        reach_(nbytes),
        deleter_(deleter),
        context_(context),
        device_(device),
        resizable_(resizable) {}
  void destroy();
  void take(void* data, size_t nbytes);
  void settle();  // ready_, from all that it depends on
  [[gnu::cold, gnu::noinline]] void keep_promise() const;

  std::atomic<char*> ready_;
  void* data_;
  size_t nbytes_;
  size_t reach_;  // no tensor reaches further: the most bytes that it ever had
  Deleter deleter_;
  void* context_;
  std::atomic<uint32_t> refs_{1}, lent_{0};
  Device device_;
  bool resizable_;
  std::atomic<bool> exposed_{false};
  std::atomic<Promise*> promise_{nullptr};  // counted
};

// All promises are kept now: memory is about to change in a way that they do not know of.
// Defined where promises are made, in core/dispatch.
extern void (*keep_all_promises)();

// The scope in which a storage's memory is given out: to NumPy, a buffer, DLPack, or code that
// holds its address while Python runs.
class Lent {
 public:
  explicit Lent(Ref<Storage> storage) : storage_(std::move(storage)) { storage_->lend(); }
  ~Lent() { storage_->take_back(); }
  Lent(const Lent&) = delete;
  const Ref<Storage>& storage() const { return storage_; }

 private:
  Ref<Storage> storage_;
};

}  // namespace flambeau::inline v1
