#include "core/tensor/storage.h"

#include <algorithm>
#include <cstring>

#include "core/memory/allocator.h"
#include "core/tensor/error.h"
#include "core/tensor/rearrange.h"

namespace flambeau {
namespace {

// Note [Memory of a tensor]
// A tensor is made within its storage: its geometry is checked there once, where views, set_ and
// as_strided make it, and never again. What can go wrong later goes wrong in the storage: it has
// no memory that the host may touch, or was resized to less than it had, so that tensors may reach
// past its end. `ready()` is null in all these cases, so that Tensor::bytes(), which every reader
// and kernel passes, leaves its one straight path and has the extent of its own tensor checked.

void free_cpu(void* data, size_t nbytes, void*) { memory::deallocate(data, nbytes); }

}  // namespace

Ref<Storage> Storage::allocate(size_t nbytes, Device device) {
  if (device.is_meta())
    return Ref<Storage>::adopt(new Storage(nullptr, nbytes, device, nullptr, nullptr, true));
  if (!device.is_cpu())
    raise<NotImplementedError>("no backend is registered for device '", device.str(),
                               "': this build has cpu and meta");
  void* data = memory::allocate(nbytes);
  return Ref<Storage>::adopt(new Storage(data, nbytes, device, free_cpu, nullptr, true));
}

Ref<Storage> Storage::wrap(void* data, size_t nbytes, Device device, Deleter deleter,
                           void* context) {
  return Ref<Storage>::adopt(new Storage(data, nbytes, device, deleter, context, false));
}

void Storage::destroy() {
  if (deleter_) deleter_(data_, nbytes_, context_);
  delete this;
}

void Storage::take(void* data, size_t nbytes) {
  data_ = data;
  nbytes_ = nbytes;
  reach_ = std::max(reach_, nbytes);
  ready_ = device_.is_cpu() && nbytes == reach_ ? static_cast<char*>(data) : nullptr;
}

void Storage::resize(size_t nbytes) {
  const Rearranging scope(*this);
  constexpr const char* kRefused = "Trying to resize storage that is not resizable: ";
  if (!resizable_) raise(kRefused, "it wraps memory of another owner");
  if (lent())
    raise(kRefused,
          "its memory is in use by a NumPy array, a buffer, a DLPack capsule or another storage; "
          "delete that first, or resize a clone");
  if (device_.is_meta()) return take(nullptr, nbytes);
  void* data = memory::allocate(nbytes);
  if (data_ && data) std::memcpy(data, data_, std::min(nbytes, nbytes_));
  if (deleter_) deleter_(data_, nbytes_, context_);
  take(data, nbytes);
}

void Storage::swap_data(Storage& o) {
  const Rearranging scope(*this), other(o);
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

}  // namespace flambeau
