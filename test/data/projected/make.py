"""Steps of whole changes of weights, each projected, in float64, for test/train/projected.test.ts: python make.py

logits = (tanh(x (W1 + C1)) * (1 + x (W2 + C2))) W3^T + b, of which C1, C2 and b are trained by torch.optim. After each step
the changes are projected: to rank r each, by the singular value decomposition of numpy, or as a stack to Tucker rank (r, r), by
truncated HOSVD and two HOOI sweeps. The file holds the weights, the factors at the start, and per optimizer the losses of all steps, and changes and bias after them.
"""
import os

import numpy as np
import torch
from safetensors.numpy import save_file

torch.manual_seed(3)
torch.set_default_dtype(torch.float64)
ROWS, IN, OUT, CLASSES, RANK, SCALE, STEPS, RATE = 6, 7, 5, 4, 2, 3, 8, 0.05


def drawn(*shape):
    """Numbers that float32 and float64 both have."""
    return torch.randn(*shape).float().double()


def low_rank(changes):
    for c in changes:
        u, s, v = np.linalg.svd(c)
        yield (u[:, :RANK] * s[:RANK]) @ v[:RANK]


def leading(matrix):
    return np.linalg.svd(matrix)[0][:, :RANK]


def tucker(changes):
    u = leading(np.concatenate(changes, axis=1))
    v = leading(np.concatenate([c.T for c in changes], axis=1))
    for _ in range(2):
        u = leading(np.concatenate([c @ v for c in changes], axis=1))
        v = leading(np.concatenate([c.T @ u for c in changes], axis=1))
    for c in changes:
        yield u @ (u.T @ c @ v) @ v.T


w = [drawn(IN, OUT), drawn(IN, OUT)]
w3, b = drawn(CLASSES, OUT), drawn(CLASSES)
lora = [(drawn(IN, RANK) / 2, drawn(RANK, OUT) / 2) for _ in w]
r, l = drawn(IN, RANK) / 2, drawn(RANK, OUT) / 2
m = [drawn(RANK, RANK) / 2 for _ in w]
xs = drawn(STEPS, ROWS, IN)
ys = torch.randint(0, CLASSES, (STEPS, ROWS))
tensors = {"one.weight": w[0], "two.weight": w[1], "head.weight": w3, "head.bias": b, "x": xs, "labels": ys.int()}
for k, name in enumerate(("one", "two")):
    tensors |= {f"{name}/A": lora[k][0], f"{name}/B": lora[k][1], f"{name}/M": m[k]}
tensors |= {"R": r, "L": l}

STARTS = {
    "lowrank": (low_rank, [SCALE / RANK * a @ c for a, c in lora]),
    "lotr": (tucker, [SCALE / RANK * r @ core @ l for core in m]),
}
OPTIMIZERS = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=RATE, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.05),
    "sgd": lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.8, weight_decay=0.05),
}
for form, (project, start) in STARTS.items():
    for name, make in OPTIMIZERS.items():
        changes = [c.clone().requires_grad_(True) for c in start]
        bias = b.clone().requires_grad_(True)
        optimizer = make([*changes, bias])
        losses = []
        for x, y in zip(xs, ys):
            one, two = (x @ (base + c) for base, c in zip(w, changes))
            logits = (torch.tanh(one) * (1 + two)) @ w3.T + bias
            loss = torch.nn.functional.cross_entropy(logits, y)
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*changes, bias], 2.0)
            optimizer.step()
            with torch.no_grad():
                for c, near in zip(changes, project([c.detach().numpy() for c in changes])):
                    c.copy_(torch.from_numpy(near))
        key = f"{form}-{name}"
        tensors |= {f"{key}/one": changes[0].detach(), f"{key}/two": changes[1].detach()}
        tensors |= {f"{key}/bias": bias.detach(), f"{key}/losses": torch.tensor(losses)}
arrays = {key: value.numpy() for key, value in tensors.items()}
floats = {key: a.astype(np.float32) if a.dtype == np.float64 else a for key, a in arrays.items()}
save_file(
    {key: np.ascontiguousarray(a) for key, a in floats.items()},
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "projected.safetensors"),
)
