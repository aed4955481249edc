"""Steps of optimizers in float64, for test/train/optimizers.test.ts: python make.py > optimizers.json

Each row: the numbers of the optimizer, a parameter, its gradients, and the parameter after each step. What PyTorch has is
computed by torch.optim, the rest by the formulas of the papers.
"""
import json
import torch

torch.manual_seed(5)
STEPS = 6
SHAPES = [[5, 3], [2, 7], [4, 4]]


def torch_optim(make):
    def run(param, grads, rates):
        p = param.clone().requires_grad_(True)
        optimizer = make([p])
        for grad, rate in zip(grads, rates):
            optimizer.param_groups[0]["lr"] = rate
            p.grad = grad.clone()
            optimizer.step()
            yield p.detach().clone()

    return run


def adamw(beta1, beta2, epsilon, weightDecay):
    return torch_optim(
        lambda p: torch.optim.AdamW(p, betas=(beta1, beta2), eps=epsilon, weight_decay=weightDecay)
    )


def sgd(momentum, weightDecay):
    return torch_optim(lambda p: torch.optim.SGD(p, lr=1, momentum=momentum, weight_decay=weightDecay))


def lion(beta1, beta2, weightDecay):
    def run(p, grads, rates):
        m = torch.zeros_like(p)
        for g, rate in zip(grads, rates):
            p = p * (1 - rate * weightDecay) - rate * torch.sign(beta1 * m + (1 - beta1) * g)
            m = beta2 * m + (1 - beta2) * g
            yield p

    return run


def newton_schulz_in_float64(grad, ns_coefficients, ns_steps, eps):
    """What torch.optim.Muon computes in bfloat16."""
    a, b, c = ns_coefficients
    x = grad.mT if grad.shape[0] > grad.shape[1] else grad
    x = x / x.norm().clamp(min=eps)
    for _ in range(ns_steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if grad.shape[0] > grad.shape[1] else x


torch.optim._muon._zeropower_via_newtonschulz = newton_schulz_in_float64


def muon(momentum, weightDecay):
    return torch_optim(lambda p: torch.optim.Muon(p, lr=1, momentum=momentum, weight_decay=weightDecay))


ROWS = [
    (adamw, dict(beta1=0.9, beta2=0.999, epsilon=1e-8, weightDecay=0)),
    (adamw, dict(beta1=0.7, beta2=0.95, epsilon=1e-3, weightDecay=0.1)),
    (sgd, dict(momentum=0.9, weightDecay=0)),
    (sgd, dict(momentum=0, weightDecay=0.2)),
    (lion, dict(beta1=0.9, beta2=0.99, weightDecay=0)),
    (lion, dict(beta1=0.5, beta2=0.8, weightDecay=0.3)),
    (muon, dict(momentum=0.95, weightDecay=0)),
    (muon, dict(momentum=0.6, weightDecay=0.2)),
]


def rounded(tensor):
    """Few bits, so that both sides start from the same numbers."""
    return (tensor * 1024).round() / 1024


def main():
    rows = []
    for optimizer, hyper in ROWS:
        for shape in SHAPES:
            param = rounded(torch.randn(shape, dtype=torch.float64))
            grads = [rounded(torch.randn(shape, dtype=torch.float64)) for _ in range(STEPS)]
            rates = [0.05 / (t + 1) for t in range(STEPS)]
            after = list(optimizer(**hyper)(param, grads, rates))
            full = lambda x: [float(f"{v:.14g}") for v in x.flatten().tolist()]
            rows.append(
                dict(
                    kind=optimizer.__name__,
                    hyper=hyper,
                    shape=shape,
                    rates=rates,
                    param=param.flatten().tolist(),
                    grads=[g.flatten().tolist() for g in grads],
                    after=[full(p) for p in after],
                )
            )
    print("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")


main()
