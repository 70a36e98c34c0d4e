#include <deque>

#include "core/dispatch/op.h"

namespace flambeau::inline v1 {

// What the values of a list point to. `view` borrows from the rest.
struct Owned::List : Counted {
  Value view;
  std::string text;
  std::vector<std::byte> numbers;  // from new, so aligned for any of them
  std::deque<std::string> texts;
  std::vector<std::string_view> strings;
  std::vector<Owned> items;
  std::vector<Value> values;

  template <class T>
  void copy(std::span<const T> list) {
    const auto* bytes = reinterpret_cast<const std::byte*>(list.data());
    numbers.assign(bytes, bytes + list.size_bytes());
    view = boxing::box(std::span<const T>(reinterpret_cast<const T*>(numbers.data()), list.size()));
  }
  explicit List(const Value& v) {
    switch (v.tag) {
      case Tag::integers:
        copy(v.integers());
        return;
      case Tag::floatings:
        copy(v.floatings());
        return;
      case Tag::booleans:
        copy(v.booleans());
        return;
      case Tag::scalars:
        copy(v.scalars());
        return;
      case Tag::string:
        text = v.string();
        view = boxing::box(std::string_view(text));
        return;
      case Tag::strings:
        for (const std::string_view s : v.strings()) strings.push_back(texts.emplace_back(s));
        view = boxing::box(std::span<const std::string_view>(strings));
        return;
      default:
        items.reserve(v.values().size());
        for (const Value& item : v.values()) items.emplace_back(item);
        for (const Owned& item : items) values.push_back(item.view());
        view = boxing::box(std::span<const Value>(values));
    }
  }
};

Owned::Owned(std::string_view s) : Owned(boxing::box(s)) {}

Owned::Owned(const Value& v) : tag_(v.tag) {
  switch (tag_) {
    case Tag::tensor:
      new (&tensor_) Tensor(v.tensor());
      return;
    case Tag::tensors:
      new (&tensors_) TensorVec(v.tensors().begin(), v.tensors().end());
      return;
    case Tag::scalar:
      new (&scalar_) Scalar(*v.scalar_);
      return;
    case Tag::symint:
      new (&symint_) Ref<SymInt>(const_cast<SymInt*>(v.symint_));
      return;
    default:
      if (is_listed())
        list_ = new List(v);
      else
        plain_ = v;
  }
}

Owned::Owned(const Owned& o) : tag_(o.tag_) {
  switch (tag_) {
    case Tag::tensor:
      new (&tensor_) Tensor(o.tensor_);
      return;
    case Tag::tensors:
      new (&tensors_) TensorVec(o.tensors_);
      return;
    case Tag::scalar:
      new (&scalar_) Scalar(o.scalar_);
      return;
    case Tag::symint:
      new (&symint_) Ref<SymInt>(o.symint_);
      return;
    default:
      if (is_listed()) {
        list_ = o.list_;
        list_->retain();
      } else {
        plain_ = o.plain_;
      }
  }
}

void Owned::take(Owned& o) noexcept {
  tag_ = o.tag_;
  switch (tag_) {
    case Tag::tensor:
      new (&tensor_) Tensor(std::move(o.tensor_));
      break;
    case Tag::tensors:
      new (&tensors_) TensorVec(std::move(o.tensors_));
      break;
    case Tag::scalar:
      new (&scalar_) Scalar(o.scalar_);
      break;
    case Tag::symint:
      new (&symint_) Ref<SymInt>(std::move(o.symint_));
      break;
    default:
      if (is_listed()) {
        list_ = o.list_;
        o.tag_ = Tag::none;
      } else {
        plain_ = o.plain_;
      }
  }
}

void Owned::drop() {
  if (tag_ == Tag::tensors)
    tensors_.~TensorVec();
  else if (tag_ == Tag::symint)
    symint_.~Ref<SymInt>();
  else
    list_->release();
}

Value Owned::view() const {
  switch (tag_) {
    case Tag::tensor:
      return boxing::box(tensor_);
    case Tag::tensors:
      return boxing::box(tensors_);
    case Tag::scalar:
      return boxing::box(scalar_);
    case Tag::symint:
      return boxing::box(*symint_);
    case Tag::none:
      return Value();
    default:
      return is_listed() ? list_->view : plain_;
  }
}

void Results::lacks(size_t i) const {
  raise("expected a Tensor as result ", i, " of a layer that gave ", size_, " results");
}

void Results::grow() {
  const uint32_t capacity = 2 * capacity_;
  auto* items = static_cast<Owned*>(std::malloc(capacity * sizeof(Owned)));
  if (!items) throw std::bad_alloc();
  for (size_t i = 0; i < size_; ++i) {
    new (items + i) Owned(std::move(items_[i]));
    items_[i].~Owned();
  }
  if (capacity_ != kInline) std::free(items_);
  items_ = items;
  capacity_ = capacity;
}

void Results::release() {
  std::free(items_);
  items_ = inline_;
  capacity_ = kInline;
}

Scalar boxing::number(const Results& r, size_t i) {
  if (i < r.size()) {
    const Value v = r[i].view();
    switch (v.tag) {
      case Value::Tag::integer:
        return Scalar(v.integer_);
      case Value::Tag::floating:
        return Scalar(v.floating_);
      case Value::Tag::boolean:
        return Scalar(v.boolean_);
      case Value::Tag::scalar:
        return *v.scalar_;
      default:
        break;
    }
  }
  raise("expected a number as result ", i, " of a layer");
}

}  // namespace flambeau::inline v1
