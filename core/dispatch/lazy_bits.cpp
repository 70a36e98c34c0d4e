// The body of the conjugate and negative layers: kernels get tensors whose values lie in memory as
// they are, and what a kernel writes is written back through the bit.
#include <deque>

#include "core/dispatch/op.h"
#include "flambeau/ops/clone.h"
#include "flambeau/ops/copy.h"

namespace flambeau::inline v1 {
namespace {

bool is_lazy(const Tensor& t) { return t.defined() && (t.keys() & (kConjugate | kNegative)); }

class PlainArguments {
 public:
  PlainArguments(const Op& op, const Value* args) : values_(args, args + op.nargs) {
    for (size_t i = 0; i < values_.size(); ++i) {
      Value& v = values_[i];
      const bool mutated = op.args[i].mutated;
      if (v.tag == Value::Tag::tensor)
        v = boxing::box(plain(v.tensor(), mutated));
      else if (v.tag == Value::Tag::tensors)
        v = boxing::box(plain(v.tensors(), mutated));
    }
  }

  const Value* values() const { return values_.data(); }

  void write_back(Results& results) const {
    for (const Replaced& r : replaced_) {
      if (!r.mutated) continue;
      resize(r.lazy, r.plain.sizes());
      entry::copy_(r.lazy, r.plain, false);
      const auto put_back = [&](Tensor& t) {
        if (t.is(r.plain)) t = r.lazy;
      };
      for (Owned& result : results) {
        if (result.is_tensor()) put_back(result.tensor());
        if (result.tag() == Value::Tag::tensors)
          for (Tensor& t : result.tensors()) put_back(t);
      }
    }
  }

 private:
  struct Replaced {
    Tensor lazy, plain;
    bool mutated;
  };

  const Tensor& plain(const Tensor& t, bool mutated) {
    if (!is_lazy(t)) return t;
    for (const Replaced& r : replaced_)  // self.copy_(self) stays one tensor
      if (r.lazy.is(t)) return r.plain;
    replaced_.push_back({t, entry::clone(t, std::nullopt), mutated});
    return replaced_.back().plain;
  }

  const TensorVec& plain(TensorSpan list, bool mutated) {
    TensorVec& made = lists_.emplace_back();
    for (const Tensor& t : list) made.push_back(plain(t, mutated));
    return made;
  }

  std::vector<Value> values_;
  std::deque<Replaced> replaced_;
  std::deque<TensorVec> lists_;
};

}  // namespace

void resolve_lazy_bits(const Op& op, const Value* args, Results& results) {
  const PlainArguments plain(op, args);
  redispatch(op, plain.values(), results);
  plain.write_back(results);
}

}  // namespace flambeau::inline v1
