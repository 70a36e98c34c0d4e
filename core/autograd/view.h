// Views and their bases: what variable.cpp needs of view.cpp.
#pragma once

#include "core/autograd/node.h"

namespace flambeau::inline v1 {

// The views of a base follow when it begins or ceases to require grad.
void refresh_views(AutogradMeta& base);
void unlink_view(AutogradMeta& view);
// A view's grad_fn is made anew when the base or another view was modified in place since.
void refresh_view(const Tensor& view, AutogradMeta& meta);
// Writing to a view is an op on its base: CopySlices becomes the base's history.
void rebase_view(const Tensor& view, AutogradMeta& meta, const Ref<Node>& node);
// The tensor's grad_fn has changed from `before`: moves what follows the tensor.
void rebase_hooks(const Tensor& t, Node* before, uint32_t output_before);
void check_inference_inplace(const Tensor& t);

// Another tensor over the same memory, without history. The class of a tensor for which
// __torch_dispatch__ answers says what that is.
Tensor same_memory(const Tensor& t);

// The history of the view that `owner`, a CopySlices, wrote to; `data` shares the view's memory.
Edge history_after_slice(const Tensor& data, const Ref<Node>& owner);

}  // namespace flambeau::inline v1
