#include <cstring>

#include "core/memory/allocator.h"
#include "core/tensor/tensor.h"

namespace flambeau {
namespace {

void free_cpu(void* data, size_t nbytes, void*) { memory::deallocate(data, nbytes); }

}  // namespace

// Called with the last reference gone when Python's object belongs to the storage; set by the
// binding.
void (*release_storage_object)(Storage*) = nullptr;

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

void Storage::resize(size_t nbytes) {
  if (!resizable_)
    raise("Trying to resize storage that is not resizable: it wraps memory of another owner");
  if (device_.is_meta()) {
    nbytes_ = nbytes;
    return;
  }
  void* data = memory::allocate(nbytes);
  if (data_ && data) std::memcpy(data, data_, nbytes < nbytes_ ? nbytes : nbytes_);
  if (deleter_) deleter_(data_, nbytes_, context_);
  data_ = data;
  nbytes_ = nbytes;
}

void Storage::swap_data(Storage& o) noexcept {
  std::swap(data_, o.data_);
  std::swap(nbytes_, o.nbytes_);
  std::swap(deleter_, o.deleter_);
  std::swap(context_, o.context_);
  std::swap(device_, o.device_);
  std::swap(resizable_, o.resizable_);
}

}  // namespace flambeau
