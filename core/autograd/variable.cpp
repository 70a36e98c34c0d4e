// What a tensor carries for autograd, and how it gets a history.
#include <mutex>

#include "core/autograd/accumulate.h"
#include "core/autograd/arithmetic.h"
#include "core/autograd/transform.h"
#include "core/autograd/view.h"
#include "core/memory/in_turn.h"
#include "core/tensor/rearrange.h"

namespace flambeau::inline v1 {
namespace {

const Ref<Node> no_node;

// Hooks stay with the history they were registered on; only retain_grad follows the tensor.
void move_hooks(const Tensor& t, Node* before, Node& after, uint32_t output_before) {
  AutogradMeta& meta = autograd_meta(t);
  if (!meta.hooks) return;
  meta.hooks->pre.clear();
  meta.hooks->python = nullptr;
  if (!meta.hooks->retained || !before) return;
  auto& from = before->hooks().retains_grad;
  std::erase_if(from, [&](const auto& entry) {
    return entry.first == output_before && entry.second.get() == meta.hooks->retained.get();
  });
  after.hooks().retains_grad.emplace_back(meta.output_nr, meta.hooks->retained);
}

}  // namespace

// ---- metadata

AutogradMeta::~AutogradMeta() {
  if (base.defined()) unlink_view(*this);
  if (grad.defined())  // it may have a gradient too: see Note [Chains]
    memory::in_turn([](void* t) { static_cast<TensorImpl*>(t)->release(); }, grad.forget());
}

void DropAutograd::operator()(AutogradMeta* meta) const { delete meta; }

AutogradMeta& make_autograd_meta(const Tensor& t) {
  auto* const place = reinterpret_cast<AutogradMeta**>(&t.impl()->autograd);
  AutogradMeta* there = nullptr;
  auto* made = new AutogradMeta(t.impl());
  if (__atomic_compare_exchange_n(place, &there, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return *made;
  delete made;
  return *there;
}

void refresh_requires_grad(TensorImpl& t) {
  const AutogradMeta* meta = t.autograd.get();
  const bool on = meta && (meta->requires_grad || meta->grad_fn ||
                           (meta->is_view && (meta->base.keys() & kAutograd)));
  if (on == static_cast<bool>(t.keys & kAutograd)) return;
  t.keys ^= kAutograd;
  if (meta && meta->first_view) refresh_views(*t.autograd);
}

void set_gradient_edge(const Tensor& t, Edge edge) {
  AutogradMeta& meta = autograd_meta(t);
  meta.grad_fn = std::move(edge.node);
  meta.output_nr = edge.input;
  if (meta.is_view) meta.version_at_fn.store(t.impl()->version(), std::memory_order_release);
  // Not written where nothing changes: another thread may be reading it.
  if (meta.first_view || !meta.grad_fn || !needs_grad(t)) refresh_requires_grad(*t.impl());
}

const Ref<Node>& grad_fn(const Tensor& t) {
  AutogradMeta* meta = t.impl()->autograd.get();
  if (!meta) return no_node;
  if (meta->is_view) [[unlikely]]
    refresh_view(t, *meta);
  return meta->grad_fn;
}

// ---- edges

Edge gradient_edge(const Tensor& t) {
  if (const Ref<Node>& fn = grad_fn(t)) return {fn, autograd_meta(t).output_nr};
  return {accumulator_of(t), 0};
}

void collect_edges(Node& node, const Tensor& t) {
  node.add_edge(needs_grad(t) ? gradient_edge(t) : Edge());
}

void collect_edges(Node& node, TensorSpan list) {
  node.reserve_edges(node.num_edges() + list.size());
  for (const Tensor& t : list) collect_edges(node, t);
}

// ---- histories

void set_history(const Tensor& t, const Ref<Node>& node) {
  if (!t.defined() || !is_differentiable(t.dtype())) {
    node->add_undefined_input();
    return;
  }
  const uint32_t output = node->add_input(t);
  set_gradient_edge(t, {node, output});
}

void set_history(TensorSpan list, const Ref<Node>& node) {
  for (const Tensor& t : list) set_history(t, node);
}

void rebase_history(const Tensor& self, const Ref<Node>& node) {
  AutogradMeta& meta = autograd_meta(self);
  if (!is_differentiable(self.dtype())) return;
  if (meta.is_view) return rebase_view(self, meta, node);
  continue_history(self, node);
}

void continue_history(const Tensor& self, const Ref<Node>& node) {
  AutogradMeta& meta = autograd_meta(self);
  if (!is_differentiable(self.dtype())) return;
  const Ref<Node> before = meta.grad_fn;
  const uint32_t output_before = meta.output_nr;
  const uint32_t output = node->add_input(self);
  set_gradient_edge(self, {node, output});
  move_hooks(self, before.get(), *node, output_before);
}

void rebase_hooks(const Tensor& t, Node* before, uint32_t output_before) {
  move_hooks(t, before, *autograd_meta(t).grad_fn, output_before);
}

void check_out(const char* op, bool requires_grad) {
  check(!requires_grad || !GradMode::enabled(), op,
        "(): functions with out=... arguments don't support automatic differentiation, but one of "
        "the arguments requires grad.");
}

void bump_version(const Tensor& t) {
  TensorImpl& impl = *t.impl();
  if (impl.inference) [[unlikely]] {
    check_inference_inplace(t);
    if (!impl.counts_versions()) return;
  }
  impl.bump_version();
}

// ---- the tensor's own methods

bool Tensor::requires_grad() const { return impl_->keys & kAutograd; }

// Of a view whose history is stale this tells what was; Python's is_leaf makes the history first.
bool Tensor::is_leaf() const { return !impl_->autograd || !impl_->autograd->grad_fn; }

void Tensor::set_requires_grad(bool on) const {
  if (!is_leaf()) {
    if (on) return;
    raise(
        "you can only change requires_grad flags of leaf variables. If you want to use a computed "
        "variable in a subgraph that doesn't require differentiation use var_no_grad = "
        "var.detach().");
  }
  check(!on || is_differentiable(dtype()),
        "only Tensors of floating point or complex dtype can require gradients, this one is ",
        dtype_name(dtype()));
  check(!on || !impl_->inference || thread_state.inference_mode,
        "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
  if (!on && !impl_->autograd) return;
  autograd_meta(*this).requires_grad = on;
  refresh_requires_grad(*impl_);
}

Tensor& grad_slot(AutogradMeta& meta) {
  return meta.hooks && meta.hooks->retained ? meta.hooks->retained->grad : meta.grad;
}

Tensor Tensor::grad() const { return impl_->autograd ? grad_slot(*impl_->autograd) : Tensor(); }

void Tensor::set_grad(Tensor grad) const {
  const Rearranging scope;
  if (!grad.defined()) {
    if (impl_->autograd) grad_slot(*impl_->autograd) = Tensor();
    return;
  }
  check(!grad.is(*this), "can't assign Variable as its own grad");
  check(grad.dtype() == dtype(), "attempting to assign a gradient with dtype '",
        dtype_name(grad.dtype()), "' to a tensor with dtype '", dtype_name(dtype()),
        "'. Please convert the gradient, for example with grad.to(tensor.dtype)");
  check(grad.device().type == device().type, "attempting to assign a gradient with device type '",
        device_type_name(grad.device().type), "' to a tensor with device type '",
        device_type_name(device().type),
        "'. Please ensure that the gradient and the tensor are on the same device");
  check(same(grad.sizes(), sizes()), "attempting to assign a gradient of size '",
        show(grad.sizes()), "' to a tensor of size '", show(sizes()),
        "'. Please ensure that the gradient and the tensor are the same size");
  grad_slot(autograd_meta(*this)) = std::move(grad);
}

// ---- other handles on the same memory

namespace {

// Outside inference mode what is detached is a tensor of its own, which may be changed.
void count_own_versions(const Tensor& t) {
  if (t.impl()->inference && !thread_state.inference_mode) t.impl()->version_counter();
}

}  // namespace

Tensor same_memory(const Tensor& t) {
  if (t.keys() & kPythonDispatch & ~thread_state.excluded) [[unlikely]] {
    // A handle of its own would be no tensor of that class, and may have no memory at all.
    const Exclude off(kAutograd | bit(Key::transform_outer));
    Tensor copy = arithmetic::detach(t);
    if (!copy.is(t)) {
      if (!copy.impl()->inference) copy.impl()->share_version(*t.impl());
      return copy;
    }
  }
  Tensor copy = Tensor::alias(t, t.sizes(), t.strides(), t.offset());
  copy.impl()->wrapped_number = t.impl()->wrapped_number;
  if (const auto& payload = t.impl()->payload) {
    copy.impl()->payload = payload->shared();
    copy.impl()->keys |= t.keys() & kTransforms;
  }
  return copy;
}

Tensor detach(const Tensor& t) {
  Tensor out = same_memory(t);
  out.impl()->allow_metadata_change = false;
  count_own_versions(out);
  return out;
}

Tensor variable_data(const Tensor& t) {
  Tensor out = detach(t);
  out.impl()->new_version();
  count_own_versions(out);
  return out;
}

void set_data(const Tensor& t, const Tensor& data) {
  check(data.defined(), "data set to an undefined tensor");
  TensorImpl &to = *t.impl(), &from = *data.impl();
  check(to.layout() == from.layout() && !to.payload == !from.payload &&
            to.device().is_meta() == from.device().is_meta(),
        "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have "
        "incompatible tensor type.");
  check(!needs_grad(t) || is_differentiable(data.dtype()),
        "data set to a tensor that requires gradients must be floating point or complex dtype");
  const Rearranging scope;
  if (to.autograd && (!same(to.sizes(), from.sizes()) || to.dtype() != from.dtype() ||
                      !(to.device() == from.device()))) {
    // The accumulator expects gradients of the former kind.
    const std::lock_guard guard(to.autograd->lock);
    to.autograd->accumulator = nullptr;
  }
  to.set_storage(from.storage());
  to.set_dtype(from.dtype());
  to.set_device(from.device());
  to.set_geometry(from.sizes(), from.strides(), from.offset());
  if (to.layout() != Layout::strided && from.payload) to.payload = from.payload->shared();
  constexpr KeySet lazy = kConjugate | kNegative | bit(Key::backend);
  to.keys = (to.keys & ~lazy) | (from.keys & lazy);
}

const Tensor& detach_(const Tensor& t) {
  AutogradMeta* meta = t.impl()->autograd.get();
  if (!meta) return t;
  check(!meta->is_view,
        "Can't detach views in-place. Use detach() instead. Gradients that are views of a "
        "communication bucket are cleared by Optimizer.zero_grad(set_to_none=True).");
  meta->requires_grad = false;
  meta->output_nr = 0;
  if (meta->hooks) meta->hooks->python = nullptr;
  const Ref<Node> dropped = std::move(meta->grad_fn);
  refresh_requires_grad(*t.impl());
  return t;
}

// ---- hooks

void add_tensor_hook(const Tensor& t, Ref<NodeHook> hook) {
  check(needs_grad(t), "cannot register a hook on a tensor that doesn't require gradient");
  if (const Ref<Node>& fn = grad_fn(t))
    fn->hooks().tensor_pre.emplace_back(autograd_meta(t).output_nr, std::move(hook));
  else
    autograd_meta(t).hooks_or_new().pre.push_back(std::move(hook));
}

void RetainGrad::pre(Tensor* grads, size_t) {
  const Tensor& incoming = grads[0];
  if (!incoming.defined()) return;
  grad = grad.defined() ? arithmetic::add(grad, incoming)
                        : arithmetic::clone(incoming, MemoryFormat::contiguous);
}

void retain_grad(const Tensor& t) {
  check(needs_grad(t), "can't retain_grad on Tensor that has requires_grad=False");
  if (retains_grad(t)) return;
  const Ref<Node>& fn = grad_fn(t);
  if (!fn) return;
  TensorHooks& hooks = autograd_meta(t).hooks_or_new();
  auto hook = Ref<RetainGrad>::adopt(new RetainGrad());
  hook->grad = std::move(autograd_meta(t).grad);
  hooks.retained = hook;
  fn->hooks().retains_grad.emplace_back(autograd_meta(t).output_nr, hook);
}

bool retains_grad(const Tensor& t) {
  const AutogradMeta* meta = t.impl()->autograd.get();
  return meta && meta->hooks && meta->hooks->retained;
}

}  // namespace flambeau::inline v1
