// The autograd layer of ops that were defined at run time and for which no gradient was registered.
#include <string>

#include "core/autograd/node.h"
#include "core/dispatch/registrations.h"

namespace flambeau::inline v1 {
namespace {

// What depends on the inputs by an unknown formula says so when a backward gets there.
struct NotImplemented final : Node {
  const char* name() const override { return "NotImplemented"; }
  void apply(const Tensor*, Tensor*) override {
    raise("Trying to backward through ", op,
          " but no autograd formula was registered: use flambeau.library.register_autograd");
  }

  std::string op;
};

// A leaf that an op of the program's writes to stays one, with its new value.
bool stays_leaf(const Tensor& t) {
  const AutogradMeta* meta = t.impl()->autograd.get();
  return needs_grad(t) && meta && (meta->is_view ? meta->base.is_leaf() : t.is_leaf());
}

void call_without_formula(const Op& op, const Value* args, Results& results) {
  const auto below = [&] {
    const Exclude off(kAutograd);
    redispatch(op, args, results);
  };
  if (!op.runtime || !GradMode::enabled()) return below();
  bool wanted = false;
  for_each_tensor(op, args, [&](size_t, const Tensor& t) { wanted |= needs_grad(t); });
  if (!wanted) return below();

  Ref<Node> history;
  NotImplemented* const node = make_node<NotImplemented>(history);
  node->op = concat(op.ns, "::", op.name);
  for_each_tensor(op, args, [&](size_t i, const Tensor& t) {
    if (op.args[i].out) check_out(op.name, true);
    if (op.args[i].mutated && !stays_leaf(t)) check_inplace(t, true, op.name);
    collect_edges(*node, t);
  });
  below();
  // What comes back may be an argument, or a tensor of the program's that has a history.
  const auto attach = [&](Tensor& t) {
    if (!t.defined()) return;
    bool input = false, mutated = false;
    for_each_tensor(op, args, [&](size_t i, const Tensor& arg) {
      input |= arg.is(t);
      mutated |= arg.is(t) && op.args[i].mutated;
    });
    if (mutated) return;
    if (input || needs_grad(t)) t = detach(t);
    set_history(t, history);
  };
  for (Owned& result : results) {
    if (result.is_tensor()) attach(result.tensor());
    if (result.tag() == Value::Tag::tensors)
      for (Tensor& t : result.tensors()) attach(t);
  }
  for_each_tensor(op, args, [&](size_t i, const Tensor& t) {
    if (op.args[i].mutated && !stays_leaf(t)) rebase_history(t, history);
  });
}

[[maybe_unused]] const bool installed = (set_handler(Key::autograd, call_without_formula), true);

}  // namespace
}  // namespace flambeau::inline v1
