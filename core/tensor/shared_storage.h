// Storages whose memory other processes share.
#pragma once

#include "core/memory/shared.h"
#include "core/tensor/storage.h"

namespace flambeau::inline v1 {

Ref<Storage> new_shared_storage(size_t nbytes);
Ref<Storage> wrap_shared(memory::SharedBlock* block, size_t nbytes);
// nullptr where it is not shared.
memory::SharedBlock* shared_block(const Storage& storage);
// Moves its memory to where other processes can share it. Error where somebody holds it by address.
void share_memory(Storage& storage);

}  // namespace flambeau::inline v1
