// Backward passes from tensors: what backward() and grad() of C++ ask of the engine.
#include <vector>

#include "core/autograd/arithmetic.h"
#include "core/autograd/node.h"

namespace flambeau::inline v1 {

namespace {

// The edge to start from, and the gradient to start with.
struct Root {
  Edge edge;
  Tensor gradient;
};

Root root_of(const Tensor& output, const Tensor& gradient, size_t i) {
  Edge edge = gradient_edge(output);
  check(edge.valid(), "element ", i,
        " of tensors does not require grad and does not have a grad_fn");
  check(gradient.defined() || output.numel() == 1,
        "grad can be implicitly created only for scalar outputs, this one has shape ",
        show(output.sizes()), ": pass gradient=");
  if (!gradient.defined()) return {std::move(edge), arithmetic::ones_like(output)};
  check(same(gradient.sizes(), output.sizes()), "Mismatch in shape: grad_output[", i,
        "] has a shape of ", show(gradient.sizes()), " and output[", i, "] has a shape of ",
        show(output.sizes()), ".");
  return {std::move(edge), gradient};
}

}  // namespace

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  const Root root = root_of(*this, gradient, 0);
  BackwardOptions options;
  options.retain_graph = retain_graph;
  options.create_graph = create_graph;
  run_backward({&root.edge, 1}, {&root.gradient, 1}, {}, options);
}

TensorVec grad(TensorSpan outputs, TensorSpan inputs, TensorSpan gradients,
               const GradOptions& wanted) {
  check(gradients.empty() || gradients.size() == outputs.size(), "grad: got ", outputs.size(),
        " outputs and ", gradients.size(), " gradients");
  std::vector<Edge> roots, ends;
  TensorVec starts;
  for (size_t i = 0; i < outputs.size(); ++i) {
    Root root = root_of(outputs[i], gradients.empty() ? Tensor() : gradients[i], i);
    roots.push_back(std::move(root.edge));
    starts.push_back(std::move(root.gradient));
  }
  for (const Tensor& input : inputs) {
    check(needs_grad(input), "grad: one of the inputs does not require grad");
    ends.push_back(gradient_edge(input));
  }
  BackwardOptions options;
  options.retain_graph = wanted.retain_graph.value_or(wanted.create_graph);
  options.create_graph = wanted.create_graph;
  options.accumulate = false;
  TensorVec result = run_backward(roots, starts, ends, options);
  for (size_t i = 0; i < result.size(); ++i)
    check(result[i].defined() || wanted.allow_unused, "grad: the input at index ", i,
          " appears to not have been used in the graph. Set allow_unused if this is the desired "
          "behavior.");
  return result;
}

}  // namespace flambeau::inline v1
