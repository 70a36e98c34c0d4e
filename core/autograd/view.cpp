#include "core/autograd/view.h"

#include <mutex>

#include "core/autograd/arithmetic.h"
#include "core/autograd/engine.h"
#include "core/autograd/formulas_lazy.h"
#include "core/autograd/transform.h"
#include "core/tensor/rearrange.h"

namespace flambeau::inline v1 {

// ---- the list of a base's views, see Note [Views of a base]

namespace {

void link_view(AutogradMeta& view) {
  AutogradMeta& base = autograd_meta(view.base);
  const std::lock_guard guard(base.lock);
  view.next_view = base.first_view;
  if (base.first_view) base.first_view->previous_view = &view;
  base.first_view = &view;
}

}  // namespace

void unlink_view(AutogradMeta& view) {
  AutogradMeta& base = autograd_meta(view.base);
  const std::lock_guard guard(base.lock);
  (view.previous_view ? view.previous_view->next_view : base.first_view) = view.next_view;
  if (view.next_view) view.next_view->previous_view = view.previous_view;
}

void refresh_views(AutogradMeta& base) {
  const std::lock_guard guard(base.lock);
  for (AutogradMeta* view = base.first_view; view; view = view->next_view)
    refresh_requires_grad(*view->self);
}

// ---- making views

namespace {

ViewReplay::Step step_between(const Tensor& from, const Tensor& to) {
  using Step = ViewReplay::Step;
  if (from.is_complex() && !to.is_complex()) return Step::real;
  if (!from.is_complex() && to.is_complex()) return Step::complex;
  if (formula::is_conj(from) != formula::is_conj(to)) return Step::conjugate;
  if (formula::is_neg(from) != formula::is_neg(to)) return Step::negative;
  return Step::strided;
}

bool same_lazy_bits(const Tensor& a, const Tensor& b) {
  if (!(a.keys() & kTransforms)) [[likely]]
    return !((a.keys() ^ b.keys()) & (kConjugate | kNegative));
  return formula::is_conj(a) == formula::is_conj(b) && formula::is_neg(a) == formula::is_neg(b);
}

// Whether as_strided on the base gives the view.
bool is_strided(const Tensor& of, const AutogradMeta& from, const Tensor& view) {
  return of.dtype() == view.dtype() && same_lazy_bits(of, view) && !(from.is_view && from.replay);
}

// One geometry on top of another is the last of the two.
void add_step(ViewReplay& replay, ViewReplay::Step step, const Tensor& view) {
  auto& items = replay.items;
  if (step == ViewReplay::Step::strided && !items.empty() && items.back().step == step)
    items.pop_back();
  items.push_back({step, Dims(view.sizes()), Dims(view.strides()), view.offset()});
}

std::unique_ptr<ViewReplay> replay_of(const Tensor& of, const Tensor& view) {
  const AutogradMeta* meta = of.impl()->autograd.get();
  const ViewReplay* before = meta && meta->is_view ? meta->replay.get() : nullptr;
  auto replay = std::make_unique<ViewReplay>();
  if (before) {
    replay->items = before->items;
  } else if (meta && meta->is_view) {
    add_step(*replay, ViewReplay::Step::strided, of);
  }
  add_step(*replay, step_between(of, view), view);
  return replay;
}

// Other bytes under another name are no function of the base's numbers.
bool differentiable_view(DType of, DType view) {
  return of == view || (is_differentiable(of) && is_differentiable(view) &&
                        is_complex(of) != is_complex(view) && to_real(of) == to_real(view));
}

Creation creation_now(Creation made, Creation of) {
  if (thread_state.inference_mode)
    made = Creation::inference;
  else if (!GradMode::enabled() && made != Creation::in_custom_function)
    made = Creation::no_grad;
  return made == Creation::plain || of == Creation::inference ? of : made;
}

}  // namespace

Tensor ViewReplay::operator()(const Tensor& base, int64_t shift) const {
  Tensor t = base;
  for (const Item& item : items) {
    switch (item.step) {
      case Step::strided:
        t = arithmetic::as_strided(t, item.sizes, item.strides, item.offset + shift);
        break;
      case Step::real:
        t = arithmetic::view_as_real(t);
        shift *= 2;
        break;
      case Step::complex:
        t = arithmetic::view_as_complex(t);
        shift /= 2;
        break;
      case Step::conjugate:
        t = arithmetic::conj_view(t);
        break;
      case Step::negative:
        t = arithmetic::neg_view(t);
        break;
    }
  }
  return t;
}

Tensor as_view(const Tensor& of, Tensor view, Creation creation) {
  if (of.impl()->inference || !differentiable_view(of.dtype(), view.dtype())) return view;
  const AutogradMeta& from = autograd_meta(of);
  const bool nested = from.is_view;
  AutogradMeta& meta = autograd_meta(view);
  meta.is_view = true;
  meta.base = nested ? from.base : of;
  meta.creation = creation_now(creation, nested ? from.creation : Creation::plain);
  meta.version_at_fn.store(view.impl()->version(), std::memory_order_relaxed);
  if (!is_strided(of, from, view)) [[unlikely]]
    meta.replay = replay_of(of, view);
  link_view(meta);
  view.impl()->keys |= meta.base.keys() & kAutograd;
  return view;
}

TensorVec as_view(const Tensor& of, TensorVec views, Creation creation) {
  for (Tensor& view : views) view = as_view(of, std::move(view), creation);
  return views;
}

// The version is the caller's to bump.
void take_geometry(const Tensor& self, const Tensor& alias) {
  const Rearranging scope;
  AutogradMeta* meta = self.impl()->autograd.get();
  if (meta && meta->is_view && meta->replay)
    add_step(*meta->replay, ViewReplay::Step::strided, alias);
  self.impl()->set_geometry(alias.sizes(), alias.strides(), alias.offset());
}

// ---- in-place rules

namespace {

std::string subject(const AutogradMeta& meta, bool indirect) {
  const char* how = indirect ? "its base or another view of its base has been" : "is being";
  const bool untracked = meta.creation == Creation::inference || meta.creation == Creation::no_grad;
  std::string which = meta.grad_fn ? concat("Output ", meta.output_nr, " of ",
                                            forward_name(*meta.grad_fn), " is a view")
                                   : "A view was created in";
  if (!untracked && meta.grad_fn) return concat(which, " and ", how, " modified inplace.");
  if (meta.grad_fn) which += " of a view which was created in";
  if (meta.creation == Creation::inference)
    return concat(which, " inference mode and ", how, " modified inplace in normal mode.");
  return concat(which, " no_grad mode and ", how, " modified inplace with grad mode enabled.");
}

const char* advice(Creation creation) {
  switch (creation) {
    case Creation::plain:
      return "";
    case Creation::multi_output:
      return " This view is the output of a function that returns multiple views. Such functions "
             "do not allow the output views to be modified inplace. You should replace the "
             "inplace operation by an out-of-place one.";
    case Creation::no_grad:
      return " Given that this use case is ambiguous and error-prone, it is forbidden. You can "
             "clarify your code by moving both the view and the inplace either both inside the "
             "no_grad block (if you don't want the inplace to be tracked) or both outside (if you "
             "want the inplace to be tracked).";
    case Creation::inference:
      return " Given that this use case is ambiguous and error-prone, it is forbidden. You can "
             "clarify your code by moving both the view and the inplace either both inside the "
             "inference_mode block (if you don't want the inplace to be tracked) or both outside "
             "(if you want the inplace to be tracked).";
    case Creation::in_custom_function:
      return " This view was created inside a custom Function (or because an input was returned "
             "as-is) and the autograd logic to handle view+inplace would override the custom "
             "backward associated with the custom Function, leading to incorrect gradients. This "
             "behavior is forbidden. You can fix this by cloning the output of the custom "
             "Function.";
  }
  return "";
}

void check_creation(const AutogradMeta& meta, bool indirect, const char* op) {
  if (meta.creation == Creation::plain) return;
  raise(op, *op ? ": " : "", subject(meta, indirect), advice(meta.creation));
}

}  // namespace

void check_inference_inplace(const Tensor& t) {
  check(t.impl()->counts_versions() || thread_state.inference_mode,
        "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a "
        "clone to get a normal tensor before doing inplace update.");
}

void check_inplace(const Tensor& self, bool requires_grad, const char* op) {
  check_inference_inplace(self);
  if (!requires_grad || !GradMode::enabled()) return;
  const AutogradMeta* meta = self.impl()->autograd.get();
  if (!meta) return;
  if (meta->is_view) {
    check_creation(*meta, false, op);
    check(!needs_grad(self) || !meta->base.is_leaf(), op,
          ": a view of a leaf Variable that requires grad is being used in an in-place operation.");
  }
  check(!needs_grad(self) || meta->grad_fn, op,
        ": a leaf Variable that requires grad is being used in an in-place operation.");
}

// ---- in-place on views

namespace {

// The history of a base one of whose views was written to: `inner` is what was done to the view.
struct CopySlices final : Node {
  const char* name() const override { return "CopySlices"; }
  void apply(const Tensor* grads, Tensor* out) override;
  void release_variables() override;
  ~CopySlices() override {
    if (inner) inner->owner = nullptr;
  }

  Tensor slice_of(const Tensor& whole) const {
    const int64_t shift = whole.offset() - base_offset;
    if (replay) return (*replay)(whole, shift);
    return arithmetic::as_strided(whole, view_sizes, view_strides, view_offset + shift);
  }

  Ref<Node> inner;
  TensorOptions base_options;
  Dims base_sizes, base_strides, view_sizes, view_strides;
  int64_t base_offset = 0, view_offset = 0;
  std::unique_ptr<ViewReplay> replay;
  SpinLock lock;
};

void CopySlices::release_variables() {
  Ref<Node> dropped;
  const std::lock_guard guard(lock);
  dropped = std::move(inner);
}

void CopySlices::apply(const Tensor* grads, Tensor* out) {
  if (!grads[0].defined()) return;
  Ref<Node> run;
  {
    const std::lock_guard guard(lock);
    run = inner;
  }
  check(static_cast<bool>(run), kFreedGraph);
  const Tensor whole = arithmetic::new_empty_strided(grads[0], base_sizes, base_strides);
  arithmetic::copy_(whole, grads[0]);
  const Tensor slice = slice_of(whole);
  const Tensor inner_grad = arithmetic::clone(slice, MemoryFormat::contiguous);
  run->apply(&inner_grad, out);
  if (!needs(0)) return;
  // What the inner node leaves undefined is zero, but only on the slice.
  if (out[0].defined())
    arithmetic::copy_(slice, out[0]);
  else
    arithmetic::zero_(slice);
  out[0] = whole;
}

Ref<Node> copy_slices(const Tensor& view, const AutogradMeta& meta, const Ref<Node>& inner) {
  const Tensor& base = meta.base;
  auto node = Ref<CopySlices>::adopt(new CopySlices());
  begin_node(*node);
  node->inner = inner;
  node->base_options = base.options();
  node->base_sizes.assign(base.sizes());
  node->base_strides.assign(base.strides());
  node->view_sizes.assign(view.sizes());
  node->view_strides.assign(view.strides());
  node->base_offset = base.offset();
  node->view_offset = view.offset();
  if (meta.replay) node->replay = std::make_unique<ViewReplay>(*meta.replay);
  node->add_input(base);
  node->reserve_edges(inner->num_edges());
  node->add_edge(needs_grad(base) ? gradient_edge(base) : Edge());
  for (size_t i = 1; i < inner->num_edges(); ++i) node->add_edge(inner->edge(i));
  inner->owner = node.get();
  return node;
}

}  // namespace

void rebase_view(const Tensor& view, AutogradMeta& meta, const Ref<Node>& inner) {
  check(inner->num_inputs() == 0,
        "Functions which modify views in-place must return a single "
        "Variable");
  inner->add_input(view);
  const Tensor base = meta.base;
  AutogradMeta& base_meta = autograd_meta(base);
  const Ref<Node> before = base_meta.grad_fn;
  const uint32_t output_before = base_meta.output_nr;
  meta.output_nr = 0;
  set_gradient_edge(base, {copy_slices(view, meta, inner), 0});
  rebase_hooks(base, before.get(), output_before);
  grad_fn(view);  // made anew, on top of the base's
}

namespace {

// The history of what the view's geometry cuts out of the base as it is now.
Edge view_history(const Tensor& view, const AutogradMeta& meta) {
  const GradMode on(true);
  // A base that has ceased to require grad still gets a node, one that leads nowhere.
  const bool ended = !needs_grad(meta.base);
  const Tensor base = ended ? detach(meta.base) : meta.base;
  if (ended) base.set_requires_grad(true);
  const Tensor again =
      meta.replay ? (*meta.replay)(base)
                  : arithmetic::as_strided(base, view.sizes(), view.strides(), view.offset());
  const AutogradMeta& made = *again.impl()->autograd;
  if (ended) made.grad_fn->edge(0) = Edge();
  return {made.grad_fn, made.output_nr};
}

}  // namespace

// A view whose grad_fn is older than the memory gets one that goes to the base as it is now.
void refresh_view(const Tensor& view, AutogradMeta& meta) {
  const uint32_t version = view.impl()->version();
  if (version == meta.version_at_fn.load(std::memory_order_acquire)) return;
  if (!needs_grad(meta.base)) {
    const std::lock_guard guard(meta.lock);
    if (!meta.grad_fn) return;
  }
  check_creation(meta, true, "");
  Edge edge = view_history(view, meta);
  Ref<Node> before;
  uint32_t output_before;
  {
    const std::lock_guard guard(meta.lock);
    if (meta.version_at_fn.load(std::memory_order_relaxed) == version)
      return;  // another thread was faster
    before = meta.grad_fn;
    output_before = meta.output_nr;
    set_gradient_edge(view, std::move(edge));
  }
  rebase_hooks(view, before.get(), output_before);
}

Edge history_after_slice(const Tensor& data, const Ref<Node>& owner) {
  const auto& slices = static_cast<const CopySlices&>(*owner);
  const Tensor base = Tensor::alias(data, slices.base_options.dtype, slices.base_sizes,
                                    slices.base_strides, slices.base_offset);
  set_gradient_edge(base, {owner, 0});
  const GradMode on(true);
  // Only the geometry counts. The data of a transform or of a class without memory goes unseen, and
  // what is asked is autograd, of no level and no class.
  const Exclude off(kTransforms | kPythonDispatch);
  if (data.impl()->storage()->device().type != data.device().type) {
    const size_t item = base.itemsize();
    const auto end = [&](IntSpan sizes, IntSpan strides, int64_t offset) {
      return static_cast<size_t>(offset) * item + span_bytes(sizes, strides, item);
    };
    const size_t reach = std::max(end(base.sizes(), base.strides(), base.offset()),
                                  end(slices.view_sizes, slices.view_strides, slices.view_offset));
    base.impl()->set_storage(Storage::allocate(reach, Device{DeviceType::meta}));
    base.impl()->keys &= ~bit(Key::backend);
  }
  const Tensor view = slices.slice_of(base);
  return {view.impl()->autograd->grad_fn, view.impl()->autograd->output_nr};
}

}  // namespace flambeau::inline v1
