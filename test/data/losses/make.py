"""Losses and gradients of PyTorch in float64, for test/train/loss-rows.test.ts. Writes losses.json.

Run: python make.py
"""
import json
import torch
import torch.nn.functional as F

torch.manual_seed(3)
D = torch.float64


def draw(*shape):
    return (torch.rand(*shape, dtype=D) * 4 - 2).float().double().requires_grad_()


def row(kind, output, labels, loss, count, **more):
    """`count`: how many labels count, or the sum of their weights. `more`: numbers of the loss, and what else it reads."""
    (gradient,) = torch.autograd.grad(loss, output)
    labels = torch.zeros(0) if labels is None else labels
    flat = lambda t: t.detach().reshape(-1).tolist()
    return {"kind": kind, "shape": list(output.shape), "output": flat(output), "labels": flat(labels),
            "labelShape": list(labels.shape), "loss": loss.item(), "count": count, "gradient": flat(gradient), **more}


rows = []
weights = [0.5, 2.0, 0.0, 1.25, 0.1]
weighed = lambda y: sum(weights[k] for k in y.reshape(-1).tolist() if k != -100)
for smoothing in (0.0, 0.15):
    z = draw(7, 5)
    y = torch.tensor([4, 1, -100, 0, 2, 3, 3])
    loss = F.cross_entropy(z, y, weight=torch.tensor(weights).double(), label_smoothing=smoothing)
    rows.append(row("cross-entropy", z, y, loss, weighed(y), classWeights=weights, labelSmoothing=smoothing))
    z = draw(2, 3, 5)
    y = torch.tensor([[4, 4, -100], [0, 1, 4]])
    loss = F.cross_entropy(z.reshape(-1, 5), y.reshape(-1), weight=torch.tensor(weights).double(), label_smoothing=smoothing)
    rows.append(row("cross-entropy", z, y, loss, weighed(y), classWeights=weights, labelSmoothing=smoothing))
    # all labels of the small class: the sum of weights is below 1
    z = draw(3, 5)
    y = torch.tensor([4, 4, -100])
    loss = F.cross_entropy(z, y, weight=torch.tensor(weights).double(), label_smoothing=smoothing)
    rows.append(row("cross-entropy", z, y, loss, weighed(y), classWeights=weights, labelSmoothing=smoothing))


def ctc(z, y, blank, frames):
    lengths = (y != -100).sum(1)
    kept = lengths > 0
    logp = F.log_softmax(z, -1).transpose(0, 1)
    safe = torch.where(y == -100, 0, y)
    nll = F.ctc_loss(logp, safe, torch.tensor(frames), lengths, blank=blank, reduction="none")
    return (nll[kept] / lengths[kept].double()).mean()


z = draw(4, 11, 7)
y = torch.tensor([[1, 2, 2, 6], [3, 3, 3, -100], [5, -100, -100, -100], [4, 1, 4, 1]])
for frames in ([11, 11, 11, 11], [11, 5, 1, 8]):
    rows.append(row("ctc", z, y, ctc(z, y, 0, frames), 4, blank=0, frames=frames))
# the blank is the last class, some logits are large, and one row has no label
z = draw(3, 6, 4)
big = (z.detach() * 9).requires_grad_()
y = torch.tensor([[0, 1, 2], [-100, -100, -100], [2, 2, -100]])
rows.append(row("ctc", big, y, ctc(big, y, 3, [6, 6, 4]), 2, blank=3, frames=[6, 6, 4]))
# one label, one frame
z = draw(1, 1, 3)
y = torch.tensor([[2]])
rows.append(row("ctc", z, y, ctc(z, y, 0, [1]), 1, blank=0, frames=[1]))

# losses on numbers: the largest float32 does not count
IGNORED = torch.finfo(torch.float32).max
for kind, function in (("mse", F.mse_loss), ("bce", F.binary_cross_entropy_with_logits)):
    z = draw(3, 5)
    y = torch.rand(3, 5, dtype=D).float().double()
    kept = torch.rand(3, 5) > 0.3
    loss = function(z[kept], y[kept])
    rows.append(row(kind, z, torch.where(kept, y, IGNORED), loss, int(kept.sum())))

# pairs: three left sides, then their right sides
z = draw(6, 4)
y = torch.tensor([0.9, -0.35, 0.2], dtype=D).float().double()
loss = F.mse_loss(F.cosine_similarity(z[:3], z[3:]), y)
rows.append(row("cosine", z, y, loss, 3))
for temperature in (0.05, 0.7):
    z = draw(6, 4)
    similar = F.cosine_similarity(z[:3, None], z[None, 3:], dim=-1)
    rows.append(row("contrastive", z, None, F.cross_entropy(similar / temperature, torch.arange(3)), 3, temperature=temperature))

# focal loss, by its formula: class weights are alpha, the mean is over their sum
for gamma, alpha, size in ((2, None, 1), (0.5, weights, 1), (0, weights, 1), (0.5, None, 9)):
    z = (draw(7, 5).detach() * size).requires_grad_()
    y = torch.tensor([4, 1, -100, 0, 2, 3, 3])
    kept = y != -100
    logp = F.log_softmax(z[kept], -1).gather(1, y[kept, None])[:, 0]
    w = torch.tensor(alpha or [1.0] * 5).double()[y[kept]]
    loss = (w * (1 - logp.exp()) ** gamma * -logp).sum() / w.sum()
    more = dict(classWeights=alpha) if alpha else {}
    rows.append(row("focal", z, y, loss, w.sum().item(), gamma=gamma, **more))

# distillation: teacher logits, of which one position does not count
for shape, T in (((4, 5), 1), ((2, 3, 5), 2.5)):
    z = draw(*shape)
    y = draw(*shape).detach()
    kept = torch.ones(shape[:-1], dtype=torch.bool)
    kept.view(-1)[1] = False
    logp, logq = F.log_softmax(z[kept] / T, -1), F.log_softmax(y[kept] / T, -1)
    loss = F.kl_div(logp, logq, reduction="batchmean", log_target=True) * T * T
    y = torch.where(kept[..., None], y, IGNORED)
    rows.append(row("kl", z, y, loss, int(kept.sum()), temperature=T))

with open("losses.json", "w") as out:
    json.dump(rows, out)
    out.write("\n")
