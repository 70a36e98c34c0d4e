// Storages without the memory that their tensors were made for.
#include <flambeau/flambeau.h>

#include <string>

#include "check.h"

using namespace flambeau;

namespace {

template <class F>
std::string message(F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const char* part) { return text.find(part) != text.npos; }

}  // namespace

TEST(a_shorter_storage_is_not_read_past_its_end) {
  const Tensor t = ops::arange(6), head = ops::slice(t, 0, 0, 2);
  const Ref<Storage>& storage = t.impl()->storage();
  const size_t nbytes = storage->nbytes();
  CHECK(storage->ready() == t.bytes());
  storage->resize(nbytes / 3);
  CHECK(storage->ready() == nullptr);
  CHECK(head.bytes() == storage->data());
  CHECK(ops::sum(head).item().to_int() == 1);
  CHECK(has(message([&] { t.bytes(); }), "sizes=[6]"));
  CHECK(has(message([&] { ops::sum(t); }), "resized to 16"));
  storage->resize(nbytes);
  CHECK(storage->ready() == t.bytes());
}

TEST(what_has_no_elements_has_an_address) {
  const Tensor t = ops::zeros(Dims{0, 3});
  CHECK(t.bytes() != nullptr);
  CHECK(ops::sum(t).item().to_double() == 0);
  CHECK(ops::empty(Dims{0}, {}, {}, Device{DeviceType::meta}).bytes() != nullptr);
}

TEST(memory_that_is_lent_stays) {
  const Tensor t = ops::ones(Dims{4});
  const Ref<Storage> storage = t.impl()->storage();
  {
    const Lent lent(storage);
    CHECK(!storage->resizable());
    CHECK(has(message([&] { storage->resize(0); }), "not resizable"));
    CHECK(has(message([&] { resize(t, Dims{400}); }), "not resizable"));
    const Tensor other = ops::zeros(Dims{2});
    CHECK(has(message([&] { storage->swap_data(*other.impl()->storage()); }), "in use"));
  }
  CHECK(storage->resizable());
}

TEST(swapped_storages_know_what_their_tensors_reach) {
  const Tensor big = ops::ones(Dims{8}), small = ops::full(Dims{2}, 7.0);
  big.impl()->storage()->swap_data(*small.impl()->storage());
  CHECK(ops::sum(small).item().to_double() == 2);
  CHECK(has(message([&] { ops::sum(big); }), "sizes=[8]"));
  big.impl()->storage()->swap_data(*small.impl()->storage());
  CHECK(ops::sum(big).item().to_double() == 8);
  CHECK(ops::sum(small).item().to_double() == 14);
}
