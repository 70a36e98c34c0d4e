// Values that own what they hold: the results of a call, and arguments that are kept beyond it.
#pragma once

#include <cstdlib>
#include <new>
#include <string>

#include "core/dispatch/value.h"

namespace flambeau::inline v1 {

// One value of any kind. A tensor is held in place, as are numbers; strings and lists of numbers
// lie behind a counted pointer and are never changed.
class Owned {
 public:
  using Tag = Value::Tag;

  Owned() : tag_(Tag::none) {}
  Owned(Tensor t) : tag_(Tag::tensor) { new (&tensor_) Tensor(std::move(t)); }
  Owned(TensorVec list) : tag_(Tag::tensors) { new (&tensors_) TensorVec(std::move(list)); }
  Owned(const Scalar& s) : tag_(Tag::scalar) { new (&scalar_) Scalar(s); }
  Owned(int64_t v) : Owned(Plain(), boxing::box(v)) {}
  Owned(double v) : Owned(Plain(), boxing::box(v)) {}
  Owned(bool v) : Owned(Plain(), boxing::box(v)) {}
  Owned(DType v) : Owned(Plain(), boxing::box(v)) {}
  Owned(Device v) : Owned(Plain(), boxing::box(v)) {}
  Owned(Layout v) : Owned(Plain(), boxing::box(v)) {}
  Owned(MemoryFormat v) : Owned(Plain(), boxing::box(v)) {}
  Owned(std::string_view s);
  Owned(const std::string& s) : Owned(std::string_view(s)) {}
  template <class T>
  Owned(const std::vector<T>& list) : Owned(boxing::box(std::span<const T>(list))) {}
  Owned(const char*) = delete;
  Owned(Ref<SymInt> s) : tag_(Tag::symint) { new (&symint_) Ref<SymInt>(std::move(s)); }
  // A copy of what a value borrows. Generators stay borrowed: they are as alive as their program.
  explicit Owned(const Value& v);

  Owned(const Owned& o);
  Owned(Owned&& o) noexcept { take(o); }
  Owned& operator=(Owned o) noexcept {
    clear();
    take(o);
    return *this;
  }
  ~Owned() { clear(); }

  Tag tag() const { return tag_; }
  // What is a tensor, or may be one, is here also where it is undefined.
  bool is_tensor() const { return tag_ == Tag::tensor; }
  Tensor& tensor() { return tensor_; }
  const Tensor& tensor() const { return tensor_; }
  TensorVec& tensors() { return tensors_; }
  const TensorVec& tensors() const { return tensors_; }
  Value view() const;  // borrows from this

 private:
  struct Plain {};
  struct List;  // strings and lists

  Owned(Plain, const Value& v) : tag_(v.tag) { plain_ = v; }
  void take(Owned& o) noexcept;  // this one holds nothing
  void clear() {
    if (tag_ == Tag::tensor) [[likely]]
      tensor_.~Tensor();
    else if (tag_ >= Tag::symint)
      drop();
    tag_ = Tag::none;
  }
  bool is_listed() const { return tag_ >= Tag::integers; }
  void drop();

  Tag tag_;
  union {
    Tensor tensor_;
    TensorVec tensors_;
    Scalar scalar_;
    Value plain_;
    Ref<SymInt> symint_;
    const List* list_;
  };
};

// What a call gave back: as many values as the schema has returns. Room for a few is in place and
// not touched before it is used.
class Results {
 public:
  Results() {}
  Results(const Results& o) {
    for (size_t i = 0; i < o.size_; ++i) add(o.items_[i]);
  }
  Results& operator=(const Results&) = delete;
  ~Results() {
    if (size_ | (capacity_ != kInline)) clear();
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Owned& operator[](size_t i) { return items_[i]; }
  const Owned& operator[](size_t i) const { return items_[i]; }
  Owned* begin() { return items_; }
  Owned* end() { return items_ + size_; }
  const Owned* begin() const { return items_; }
  const Owned* end() const { return items_ + size_; }
  // A result that the schema calls Tensor; Error where a layer gave none.
  Tensor& tensor(size_t i = 0) {
    if (i >= size_ || !items_[i].is_tensor()) [[unlikely]]
      lacks(i);
    return items_[i].tensor();
  }

  template <class T>
  [[gnu::always_inline]] void add(T&& v) {
    if (size_ == capacity_) [[unlikely]]
      grow();
    new (items_ + size_) Owned(std::forward<T>(v));
    ++size_;
  }
  void clear() {
    for (size_t i = 0; i < size_; ++i) items_[i].~Owned();
    size_ = 0;
    if (capacity_ != kInline) release();
  }

 private:
  static constexpr uint32_t kInline = 3;
  [[noreturn, gnu::cold]] void lacks(size_t i) const;
  void grow();
  void release();

  uint32_t size_ = 0, capacity_ = kInline;
  Owned* items_ = inline_;
  union {
    Owned inline_[kInline];
  };
};

}  // namespace flambeau::inline v1
