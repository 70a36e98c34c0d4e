#include "core/tensor/shared_storage.h"

#include <cstring>

#include "core/tensor/error.h"

namespace flambeau::inline v1 {
namespace {

void free_shared(void*, size_t, void* block) {
  memory::shared_release(static_cast<memory::SharedBlock*>(block));
}

}  // namespace

Ref<Storage> wrap_shared(memory::SharedBlock* block, size_t nbytes) {
  return Storage::wrap(memory::shared_data(block), nbytes, Device{}, free_shared, block);
}

Ref<Storage> new_shared_storage(size_t nbytes) {
  return wrap_shared(memory::shared_allocate(nbytes), nbytes);
}

memory::SharedBlock* shared_block(const Storage& storage) {
  return static_cast<memory::SharedBlock*>(storage.context_of(free_shared));
}

void share_memory(Storage& storage) {
  if (shared_block(storage)) return;
  check<NotImplementedError>(storage.device().is_cpu(), "share_memory_: memory of device '",
                             storage.device().str(),
                             "' cannot be shared between processes: use .cpu()");
  check(!storage.lent(),
        "share_memory_: the memory is in use by a NumPy array, a buffer, a DLPack capsule or "
        "another storage, which would no longer see the tensor: share a clone");
  const Ref<Storage> shared = new_shared_storage(storage.nbytes());
  if (storage.nbytes()) std::memcpy(shared->data(), storage.data(), storage.nbytes());
  storage.swap_data(*shared);
}

}  // namespace flambeau::inline v1
