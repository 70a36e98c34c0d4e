#include "core/autograd/accumulate.h"

#include "core/autograd/arithmetic.h"
#include "core/autograd/formulas.h"
#include "core/tensor/rearrange.h"

namespace flambeau::inline v1 {
namespace {

// An op may put its result there without anybody noticing.
bool ours_alone(const Tensor& t) {
  const TensorImpl& impl = *t.impl();
  if (impl.use_count() != 1 || !impl.dense() || !impl.storage() || (impl.keys & ~kAutograd))
    return false;
  if (impl.storage()->use_count() == 1) return true;
  keep_all_promises();  // an op that has yet to run holds what it reads and writes
  return impl.storage()->use_count() == 1;
}

bool is_strided(const Tensor& t) { return t.layout() == Layout::strided; }

// A strided and a sparse gradient make a strided one, for which the strided one stands first.
Tensor sum_of(const Tensor& a, const Tensor& b) {
  return is_strided(b) && !is_strided(a) ? arithmetic::add(b, a) : arithmetic::add(a, b);
}

Tensor copy_for(const Tensor& grad, const Tensor& variable) {
  if (!is_strided(grad)) return arithmetic::clone(grad, MemoryFormat::preserve);
  if (variable.impl()->dense() && variable.layout() == Layout::strided &&
      same(grad.sizes(), variable.sizes()))
    return arithmetic::clone_strided(grad, variable.strides());
  return arithmetic::clone(grad, MemoryFormat::contiguous);
}

}  // namespace

bool obeys_layout(const Tensor& grad, const Tensor& variable) {
  if (!variable.impl()->dense()) return grad.is_contiguous();
  const IntSpan sizes = grad.sizes(), has = grad.strides(), wanted = variable.strides();
  if (sizes.size() != wanted.size()) return false;
  for (size_t d = 0; d < sizes.size(); ++d)
    if (sizes[d] == 1 ? has[d] == 0 : has[d] != wanted[d]) return false;
  return true;
}

void accumulate_into(Tensor& into, Tensor grad) {
  if (!into.defined())
    into = std::move(grad);
  else if (!wants_ops({&into, &grad}) && ours_alone(into) && !grad.impl()->payload)
    arithmetic::add_(into, grad);
  else
    into = sum_of(into, grad);
}

AccumulateGrad::AccumulateGrad(const Tensor& leaf) : variable(leaf) {
  sequence_nr = UINT64_MAX;
  is_accumulator_ = true;
  add_input(leaf);
}

AccumulateGrad::~AccumulateGrad() {
  AutogradMeta* meta = variable.impl()->autograd.get();
  if (!meta) return;
  const std::lock_guard guard(meta->lock);
  // Another one may have taken its place after the last reference to this one was gone.
  if (meta->accumulator == this) meta->accumulator = nullptr;
}

void AccumulateGrad::apply(const Tensor* grads, Tensor*) {
  check(!grad_fn(variable), "leaf variable has been moved into the graph interior");
  const AutogradMeta& meta = autograd_meta(variable);
  if (grads[0].defined() && meta.requires_grad) {
    if (!mutex_.try_lock()) {
      const Away away;
      call_unlocked([](void* mutex) { static_cast<std::mutex*>(mutex)->lock(); }, &mutex_);
    }
    const std::lock_guard guard(mutex_, std::adopt_lock);
    accumulate(grads[0]);
  }
  // Also where nothing was added: who waits for all leaves, waits for this one.
  if (meta.hooks && meta.hooks->post_accumulate) {
    const Ref<NodeHook> hook = meta.hooks->post_accumulate;
    hook->accumulated(variable);
  }
}

void AccumulateGrad::accumulate(const Tensor& grad) {
  AutogradMeta& meta = autograd_meta(variable);
  check(
      same(grad.sizes(), variable.sizes()), "backward: the gradient of a leaf has the shape ",
      show(grad.sizes()), " that the leaf had when it was used, but the leaf was given the shape ",
      show(variable.sizes()), " in place since: reshape it before it is used, or use a view of it");
  if (meta.grad.defined()) {
    if (GradMode::enabled() || (is_strided(grad) && !is_strided(meta.grad)))
      meta.grad = sum_of(meta.grad, grad);
    else
      arithmetic::add_(meta.grad, grad);
    return;
  }
  if (!GradMode::enabled() && !is_strided(grad) && grad.impl()->use_count() == 1) {
    meta.grad = detach(grad);  // what it consists of is nobody else's
    return;
  }
  if (GradMode::enabled() || !ours_alone(grad) || !obeys_layout(grad, variable)) {
    meta.grad = copy_for(grad, variable);
    return;
  }
  // Nobody will see it under another name, unless Python has.
  const TensorImpl& impl = *grad.impl();
  meta.grad = impl.autograd || impl.py_object.load(std::memory_order_relaxed) ? detach(grad) : grad;
}

Ref<Node> accumulator_of(const Tensor& leaf) {
  AutogradMeta* meta = leaf.impl()->autograd.get();
  if (!meta || !meta->requires_grad) return {};
  const std::lock_guard guard(meta->lock);
  if (meta->accumulator && meta->accumulator->try_retain())
    return Ref<Node>::adopt(meta->accumulator);
  auto node = Ref<Node>::adopt(new AccumulateGrad(leaf));
  meta->accumulator = node.get();
  return node;
}

}  // namespace flambeau::inline v1
