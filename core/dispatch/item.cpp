// Reading the one element of a tensor, which subclasses and modes may see.
#include <complex>

#include "core/autograd/transform.h"
#include "flambeau/ops/_local_scalar_dense.h"

namespace flambeau {

Scalar Tensor::item() const {
  constexpr KeySet kReaders = kPythonDispatch | kTransforms | bit(Key::backend);
  return active_keys(kReaders, *this) ? entry::_local_scalar_dense(*this) : value();
}

Scalar Tensor::value() const {
  check(numel() == 1, "a Tensor with ", numel(), " elements cannot be converted to Scalar");
  check(!is_meta(), "Tensor.item() cannot be called on meta tensors");
  Scalar s = Scalar::load(bytes(), dtype());
  if (is_conj()) s = Scalar(std::conj(s.to_complex()));
  if (is_neg()) s = s.is_complex() ? Scalar(-s.to_complex()) : Scalar(-s.to_double());
  return s;
}

}  // namespace flambeau
