// One loop for all ops on lists: `_foreach_add` and its like.
#include "kernels/native/each.h"

#include <cmath>
#include <cstring>

#include "core/autograd/node.h"
#include "core/dispatch/entry.h"
#include "flambeau/ops/empty_strided.h"
#include "flambeau/ops/select.h"

namespace flambeau::inline v1::native {
namespace {

constexpr size_t kMost = 8;  // arguments of an op

// The arguments of one call of the other op, made for one item after the other.
class Items {
 public:
  Items(const Op& op, const Op& base, const Value* args) : op_(op), base_(base), args_(args) {
    check(base.nargs <= kMost && op.nargs <= base.nargs, op.name, ": too many arguments");
    for (size_t i = 0; i < base.nargs; ++i) item_[i] = base.args[i].default_value;
    bool counted = false;
    for (size_t i = 0; i < op.nargs; ++i) {
      place_[i] = place_of(i);
      item_[place_[i]] = args[i];
      if (args[i].tag != Value::Tag::tensors) continue;
      const size_t n = args[i].tensors().size();
      check(n > 0, op.name, ": Tensor list must have at least one tensor.");
      check(!counted || n == count_, op.name,
            ": Tensor lists must have the same number of tensors, got ", count_, " and ", n);
      counted = true;
      count_ = n;
    }
    for (size_t i = 0; i < op.nargs; ++i) {
      if (args[i].tag == Value::Tag::scalars)
        numbers(i, args[i].scalars());
      else if (op.args[i].list && args[i].tag != Value::Tag::tensors)
        numbers(i, {});
      else if (args[i].tag == Value::Tag::tensor && std::strcmp(op.args[i].name, "scalars") == 0)
        unpack(i);
      else if (args[i].tag == Value::Tag::tensor)
        check(args[i].tensor().dim() == 0, op.name,
              ": scalar tensor expected to be 0 dim but it has ", args[i].tensor().dim(),
              " dimensions and ", args[i].tensor().numel(), " elements.");
    }
  }

  size_t size() const { return count_; }
  const Value* at(size_t j) {
    for (size_t i = 0; i < op_.nargs; ++i) {
      if (args_[i].tag == Value::Tag::tensors)
        item_[place_[i]] = boxing::box(args_[i].tensors()[j]);
      else if (i == numbers_at_)
        item_[place_[i]] = boxing::box(numbers_[j]);
    }
    return item_;
  }

  // Whether the other op takes item j if it took the first: then one look at each tensor does.
  bool is_like_first(size_t j) const {
    const Tensor& target = args_[0].tensors()[j];
    if ((target.keys() & kAutograd) || target.impl()->inference || !target.is_contiguous())
      return false;
    for (size_t i = 0; i < op_.nargs; ++i) {
      if (args_[i].tag != Value::Tag::tensors) continue;
      const Tensor &t = args_[i].tensors()[j], &first = args_[i].tensors()[0];
      if (t.dtype() != first.dtype() || t.keys() != first.keys() || t.device() != first.device() ||
          !same(t.sizes(), target.sizes()))
        return false;
      if (!t.is(target) && t.impl()->storage().get() == target.impl()->storage().get())
        return false;
    }
    return numbers_at_ == kMost || is_plain(numbers_[j], numbers_[0]);
  }

  // Raises what the op would raise, from copies without memory.
  void try_out(size_t j) {
    const Value* item = at(j);
    const Tensor& target = item[0].tensor();
    KeySet keys = 0;
    bool needs_grad = false;
    for (size_t i = 0; i < base_.nargs; ++i)
      if (item[i].tag == Value::Tag::tensor) {
        keys |= item[i].tensor().keys();
        needs_grad = needs_grad || any_needs_grad(item[i].tensor());
      }
    check_may_write(target);
    check_inplace(target, needs_grad, base_.name);
    if (keys & ~(kAutograd | kConjugate | kNegative)) return;  // what others hold, others check
    check_written_once(base_.name, target);
    Tensor copies[kMost];
    Value shapes[kMost];
    for (size_t i = 0; i < base_.nargs; ++i) {
      shapes[i] = item[i];
      if (item[i].tag != Value::Tag::tensor) continue;
      const Tensor& t = item[i].tensor();
      if (i > 0 && !t.is(target) && memory_overlap(target, t) == MemOverlap::partial)
        raise_shared(base_.name);
      copies[i] = entry::empty_strided(t.sizes(), t.strides(), t.dtype(), std::nullopt,
                                       Device(DeviceType::meta), std::nullopt);
      shapes[i] = boxing::box(copies[i]);
    }
    Results results;
    base_.call(base_, shapes, results);
  }

 private:
  // By its name, where the other op has an argument of that name, else by its place.
  size_t place_of(size_t i) const {
    for (size_t k = 0; k < base_.nargs; ++k)
      if (std::strcmp(base_.args[k].name, op_.args[i].name) == 0) return k;
    return i;
  }

  void numbers(size_t i, std::span<const Scalar> given) {
    check(given.size() == count_, op_.name,
          ": Tensor list must have same number of elements as scalar list, got ", count_, " and ",
          given.size());
    numbers_at_ = i;
    numbers_ = given;
  }

  // One number for each item, packed in a tensor.
  void unpack(size_t i) {
    const Tensor& packed = args_[i].tensor();
    check(packed.dim() == 1, op_.name, ": Expected packed scalar Tensor to be of dimension 1. Got ",
          packed.dim(), " instead.");
    check(packed.size(0) == static_cast<int64_t>(count_), op_.name,
          ": Expected length of scalars to match input of length ", count_, " but got ",
          packed.size(0), " instead.");
    for (int64_t k = 0; k < packed.size(0); ++k)
      unpacked_.push_back(entry::select_int(packed, 0, k).item());
    numbers_at_ = i;
    numbers_ = unpacked_;
  }

  // A number that every floating dtype holds, of the first's kind.
  static bool is_plain(const Scalar& v, const Scalar& first) {
    return v.kind() == first.kind() && v.is_floating() && std::abs(v.to_double()) < 6e4;
  }

  const Op &op_, &base_;
  const Value* args_;
  Value item_[kMost];
  size_t place_[kMost];
  size_t count_ = 0;
  size_t numbers_at_ = kMost;
  std::span<const Scalar> numbers_;
  std::vector<Scalar> unpacked_;
};

}  // namespace

void each(const Op& op, const Op& base, const Value* args, Results& results) {
  KeySet keys = active_keys(op, args);
  if (keys >= kRegistered) [[unlikely]]
    keys = settled(op, keys);
  if (keys) [[unlikely]]
    return slow(op, keys, args, results);
  Items items(op, base, args);
  const bool writes = op.args[0].mutated;
  // Nothing is written if an item is wrong. The first tells for itself.
  if (writes)
    for (size_t j = 1; j < items.size(); ++j)
      if (!items.is_like_first(j)) items.try_out(j);
  TensorVec made;
  if (!writes) made.reserve(items.size());
  for (size_t j = 0; j < items.size(); ++j) {
    Results result;
    base.call(base, items.at(j), result);
    if (!writes) made.push_back(std::move(result.tensor()));
  }
  if (!writes) results.add(std::move(made));
}

}  // namespace flambeau::inline v1::native
