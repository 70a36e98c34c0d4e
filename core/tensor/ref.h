// A counted reference to an object that holds its own count.
#pragma once

#include <cstddef>
#include <utility>

namespace flambeau::inline v1 {

// Intrusive counting. T offers retain() and release().
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  [[gnu::always_inline]] explicit Ref(T* p) : p_(p) {
    if (p_) p_->retain();
  }
  static Ref adopt(T* p) {
    Ref r;
    r.p_ = p;
    return r;
  }
  [[gnu::always_inline]] Ref(const Ref& o) : Ref(o.p_) {}
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  template <class U>
  Ref(Ref<U>&& o) : p_(o.forget()) {}
  template <class U>
  Ref(const Ref<U>& o) : Ref(o.get()) {}
  [[gnu::always_inline]] Ref& operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  [[gnu::always_inline]] ~Ref() {
    if (p_) p_->release();
  }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  T* forget() { return std::exchange(p_, nullptr); }
  bool operator==(const Ref& o) const { return p_ == o.p_; }

 private:
  T* p_ = nullptr;
};

}  // namespace flambeau::inline v1
