"""Holds emitted libraries and their peers to float64. What is wrong is not timed."""
import torch

from peers import Base, textbook

# largest error that rounding of the operands explains
BOUNDS = {"f32": 1e-5, "tf32": 2e-3, "f16": 2e-3, "bf16": 1e-2}
# Triton's interpreter cuts what does not fit into bfloat16 instead of rounding it
CUT = 2e-2


def type_of(module, row):
    """Type of x and y of a region."""
    return getattr(torch, module.TYPES.get(row["x"], "float32"))


def error(found, wanted):
    """Norm-wise relative error; infinite for what is missing or no number."""
    if found is None:
        return float("inf")
    value = float((found.detach().double() - wanted.detach()).norm() / wanted.detach().norm())
    return value if value == value else float("inf")


class Problem:
    """Weights, factors, inputs and gradients of outputs of a library, and what float64 makes of them."""

    def __init__(self, module, tokens, device, backward=True, seed=1):
        draw = torch.Generator().manual_seed(seed)
        noise = lambda *shape: torch.randn(*shape, generator=draw).to(device)
        self.module, self.backward = module, backward
        self.weights = {name: noise(*shape) / shape[0] ** 0.5 for name, shape in module.WEIGHTS.items()}
        self.factors = {name: noise(place[0][2], place[0][3]) / place[0][2] ** 0.5 for name, place in module.FACTORS.items()}
        self.inputs, self.dys = [], []
        for row in module.REGIONS:
            kind = type_of(module, row)
            self.inputs.append(noise(tokens, module.BUFFERS[row["x"]][1]).to(kind))
            self.dys.append([noise(tokens, module.BUFFERS[name][1]).to(kind) for name in row["y"]])
        self.exact = self.run(lambda number, x, factors: textbook(module.REGIONS[number], self.weights, factors, x),
                              torch.float64)

    def run(self, layers, kind=None):
        """Outputs and, with `backward`, gradients of x and of the factors: `layers` is (number, x, factors) -> ys."""
        factors = {name: factor.to(kind or torch.float32).clone().requires_grad_() for name, factor in self.factors.items()}
        inputs = [x.to(kind or x.dtype).clone().requires_grad_() for x in self.inputs]
        # every forward pass has run before the first backward pass, as in a model
        ys = [layers(number, x, factors) for number, x in enumerate(inputs)]
        if self.backward:
            for y, dy in reversed(list(zip(ys, self.dys))):
                torch.autograd.backward(y, [d.to(kind or d.dtype) for d in dy])
        return ys, [x.grad for x in inputs], {name: factor.grad for name, factor in factors.items()}

    def worst(self, found):
        """Largest error of a result of `run`."""
        (ys, dxs, grads), (wanted, wanted_dxs, wanted_grads) = found, self.exact
        errors = [error(y, w) for mine, others in zip(ys, wanted) for y, w in zip(mine, others)]
        if self.backward:
            errors += [error(dx, w) for dx, w in zip(dxs, wanted_dxs)]
            errors += [error(grads[name], wanted_grads[name]) for name in wanted_grads]
        return max(errors)


def check_library(library, problem):
    """Largest error over outputs, gradients of x and of every factor, of all regions."""
    library.set_weights(problem.weights)
    library.set_factors(problem.factors)
    found, dxs, _ = problem.run(lambda number, x, _: library(number, x))
    return problem.worst((found, dxs, {name: library.grad(name) for name in problem.factors} if problem.backward else {}))


def check_peer(peer, problem):
    """The same of a peer."""
    rows = problem.module.REGIONS
    return problem.worst(problem.run(lambda number, x, factors: peer(rows[number], problem.weights, factors, x)))


def base_error(base, problem):
    """Largest error of layers without adapters, and of their gradient of x."""
    errors = []
    for row, x, dys in zip(problem.module.REGIONS, problem.inputs, problem.dys):
        own, wide = ({name: value.to(kind) for name, value in problem.weights.items()} for kind in (x.dtype, torch.float64))
        exact = Base()
        errors += [error(y, w) for y, w in zip(base.forward(row, own, x), exact.forward(row, wide, x.double()))]
        if problem.backward:
            found = base.backward(row, own, x, dys)
            errors.append(error(found, exact.backward(row, wide, x.double(), [dy.double() for dy in dys])))
    return max(errors)
