"""The adapter as two-kernel LoRA implementations do it, in Triton: a peer to time emitted kernels beside.

P = x R is one kernel (shrink). y = x W + P L' + b is another (expand): the second product continues in the sum of the first.
L' = s M L is made by PyTorch, whose autograd also gives dM and dL from dL' = P^T dy. The backward pass: dP = sum of dy L'^T over
the layers (shrink), dx = sum of dy W^T + dP R^T (expand), dR = x^T dP and dL' = P^T dy (sums over tokens, in parts that are
added in a fixed order). Operands are float16, bfloat16 or float32 (rounded to tf32 where PyTorch may do so); sums are float32. Any sizes:
what a tile has beyond them is masked. With TRITON_INTERPRET=1 in the environment it runs on the CPU, for checks.
"""
import os

import torch
import triton
import triton.language as tl

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
# Triton's interpreter multiplies the bits of bfloat16 numbers as whole numbers; products of widened ones are the same
WIDEN = tl.constexpr(INTERPRETED)


def _configs(names, *rows):
    """Configurations to choose from (tiles, warps, stages); the first alone where nothing can be timed."""
    made = [
        triton.Config(dict(zip(names.split(), tiles)), num_warps=warps, num_stages=stages) for *tiles, warps, stages in rows
    ]
    return made[:1] if INTERPRETED else made


@triton.jit
def _dot(a, b, acc, TF32: tl.constexpr):
    if WIDEN:
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, acc, input_precision="tf32" if TF32 else "ieee")


@triton.autotune(
    _configs("BM BK", (64, 64, 4, 4), (32, 128, 4, 3), (16, 128, 4, 4), (128, 64, 4, 4), (64, 128, 8, 3)),
    key=["bucket", "inner", "rank"], restore_value=["out"],
)
@triton.jit
def _shrink(a, b, out, rows, inner, rank, bucket, a0, a1, b0, b1, o0, o1, scale,
            ADD: tl.constexpr, TF32: tl.constexpr, BR: tl.constexpr, BM: tl.constexpr, BK: tl.constexpr):
    """out (rows, rank) (+)= scale a (rows, inner) b (inner, rank); one tile holds the whole rank."""
    i = tl.program_id(0) * BM + tl.arange(0, BM)
    j = tl.arange(0, BR)
    k = tl.arange(0, BK)
    wide = i.to(tl.int64)
    acc = tl.zeros((BM, BR), tl.float32)
    for k0 in range(0, inner, BK):
        kk = k0 + k
        x = tl.load(a + wide[:, None] * a0 + kk[None, :] * a1, (i[:, None] < rows) & (kk[None, :] < inner), 0.0)
        r = tl.load(b + kk[:, None] * b0 + j[None, :] * b1, (kk[:, None] < inner) & (j[None, :] < rank), 0.0)
        acc = _dot(x, r, acc, TF32)
    acc *= scale
    at = out + wide[:, None] * o0 + j[None, :] * o1
    inside = (i[:, None] < rows) & (j[None, :] < rank)
    if ADD:
        acc += tl.load(at, inside, 0.0).to(tl.float32)
    tl.store(at, acc.to(out.dtype.element_ty), inside)


@triton.autotune(
    _configs("BM BN BK", (64, 64, 32, 4, 4), (128, 128, 64, 8, 3), (128, 256, 64, 8, 3), (128, 128, 32, 4, 4), (64, 128, 64, 4, 4),
             (64, 256, 32, 4, 4), (32, 64, 64, 4, 4), (16, 64, 128, 4, 4), (16, 128, 64, 4, 4)),
    key=["bucket", "inner", "cols", "rank"], restore_value=["out"],
)
@triton.jit
def _expand(a, b, p, l, bias, out, rows, inner, cols, rank, bucket, a0, a1, b0, b1, p0, p1, l0, l1, o0, o1,
            NARROW: tl.constexpr, BIAS: tl.constexpr, ADD: tl.constexpr, TF32: tl.constexpr, BR: tl.constexpr,
            BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """out (rows, cols) (+)= a b + p l (with NARROW) + bias: the base product and the expansion in one sum."""
    # neighbours take tiles of eight block rows, so that they find what they read in the cache
    tiles_m, tiles_n = tl.cdiv(rows, BM), tl.cdiv(cols, BN)
    number = tl.program_id(0)
    group = number // (8 * tiles_n)
    height = min(tiles_m - group * 8, 8)
    within = number % (8 * tiles_n)
    i = (group * 8 + within % height) * BM + tl.arange(0, BM)
    j = within // height * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    wide = i.to(tl.int64)
    acc = tl.zeros((BM, BN), tl.float32)
    for k0 in range(0, inner, BK):
        kk = k0 + k
        x = tl.load(a + wide[:, None] * a0 + kk[None, :] * a1, (i[:, None] < rows) & (kk[None, :] < inner), 0.0)
        w = tl.load(b + kk[:, None] * b0 + j[None, :] * b1, (kk[:, None] < inner) & (j[None, :] < cols), 0.0)
        acc = _dot(x, w, acc, TF32)
    if NARROW:
        q = tl.arange(0, BR)
        x = tl.load(p + wide[:, None] * p0 + q[None, :] * p1, (i[:, None] < rows) & (q[None, :] < rank), 0.0)
        w = tl.load(l + q[:, None] * l0 + j[None, :] * l1, (q[:, None] < rank) & (j[None, :] < cols), 0.0)
        acc = _dot(x, w, acc, TF32)
    if BIAS:
        acc += tl.load(bias + j, j < cols, 0.0).to(tl.float32)[None, :]
    at = out + wide[:, None] * o0 + j[None, :] * o1
    inside = (i[:, None] < rows) & (j[None, :] < cols)
    if ADD:
        acc += tl.load(at, inside, 0.0).to(tl.float32)
    tl.store(at, acc.to(out.dtype.element_ty), inside)


@triton.autotune(
    _configs("BN BK", (64, 64, 4, 3), (128, 64, 4, 4), (64, 128, 4, 3), (128, 32, 4, 4)),
    key=["bucket", "cols", "rank"],
)
@triton.jit
def _over_tokens(p, y, out, tokens, cols, rank, share, bucket, p0, p1, y0, y1,
                 TF32: tl.constexpr, BR: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """out[part] (rank, cols) = p^T y over one part of the tokens; parts are dense, one after another."""
    part = tl.program_id(1)
    j = tl.program_id(0) * BN + tl.arange(0, BN)
    q = tl.arange(0, BR)
    t = tl.arange(0, BK)
    end = min(tokens, (part + 1) * share)
    acc = tl.zeros((BR, BN), tl.float32)
    for t0 in range(part * share, end, BK):
        tt = (t0 + t).to(tl.int64)
        x = tl.load(p + tt[None, :] * p0 + q[:, None] * p1, (tt[None, :] < end) & (q[:, None] < rank), 0.0)
        w = tl.load(y + tt[:, None] * y0 + j[None, :] * y1, (tt[:, None] < end) & (j[None, :] < cols), 0.0)
        acc = _dot(x, w, acc, TF32)
    at = out + part * rank * cols + q[:, None] * cols + j[None, :]
    tl.store(at, acc, (q[:, None] < rank) & (j[None, :] < cols))


def _tile(rank):
    """Columns of a tile that holds the rank: matrix units want 16 at least."""
    return max(16, triton.next_power_of_2(rank))


def _bucket(rows):
    return triton.next_power_of_2(rows)


def _tf32(x):
    return x.dtype == torch.float32 and torch.backends.cuda.matmul.allow_tf32


def shrink(a, b, out=None):
    """a b, or out += a b, for a narrow b."""
    rows, inner = a.shape
    add = out is not None
    out = out if add else torch.empty(rows, b.shape[1], dtype=a.dtype, device=a.device)
    grid = lambda meta: (triton.cdiv(rows, meta["BM"]),)
    _shrink[grid](a, b, out, rows, inner, b.shape[1], _bucket(rows), *a.stride(), *b.stride(), *out.stride(), 1.0,
                  ADD=add, TF32=_tf32(a), BR=_tile(b.shape[1]))
    return out


def expand(a, b, p=None, l=None, bias=None, out=None):
    """a b + p l + bias, or that added to out; p and l may be absent."""
    (rows, inner), cols = a.shape, b.shape[1]
    add = out is not None
    out = out if add else torch.empty(rows, cols, dtype=a.dtype, device=a.device)
    narrow = p is not None
    p, l = (p, l) if narrow else (a, b)
    rank = p.shape[1] if narrow else 1
    grid = lambda meta: (triton.cdiv(rows, meta["BM"]) * triton.cdiv(cols, meta["BN"]),)
    _expand[grid](a, b, p, l, a if bias is None else bias, out, rows, inner, cols, rank, _bucket(rows),
                  *a.stride(), *b.stride(), *p.stride(), *l.stride(), *out.stride(),
                  NARROW=narrow, BIAS=bias is not None, ADD=add, TF32=_tf32(a), BR=_tile(rank))
    return out


def over_tokens(p, y):
    """p^T y in float32, for a narrow p."""
    (tokens, rank), cols = p.shape, y.shape[1]
    parts = max(1, min(16, tokens // 256))
    share = triton.cdiv(tokens, parts)
    out = torch.empty(parts, rank, cols, dtype=torch.float32, device=p.device)
    grid = lambda meta: (triton.cdiv(cols, meta["BN"]), parts)
    _over_tokens[grid](p, y, out, tokens, cols, rank, share, _bucket(tokens), *p.stride(), *y.stride(),
                       TF32=_tf32(p), BR=_tile(rank))
    return out[0] if parts == 1 else out.sum(0)


class _Layers(torch.autograd.Function):
    """y of some layers that read one x and share R; `operands` are W and bias of each, then L' of each. W is frozen."""

    @staticmethod
    def forward(ctx, x, r, count, expand, *operands):
        bases, ups = operands[: 2 * count], operands[2 * count :]
        p = shrink(x, r)
        ctx.bases, ctx.expand = bases[0::2], expand
        ctx.save_for_backward(x, r, p, *ups)
        return tuple(expand(x, w, p, up, bias) for w, bias, up in zip(bases[0::2], bases[1::2], ups))

    @staticmethod
    def backward(ctx, *dys):
        x, r, p, *ups = ctx.saved_tensors
        expand = ctx.expand
        dp = None
        for dy, up in zip(dys, ups):
            dp = shrink(dy, up.T, dp)
        dx = None
        if ctx.needs_input_grad[0]:
            for at, (dy, w) in enumerate(zip(dys, ctx.bases)):
                dx = expand(dy, w.T, dp, r.T, out=dx) if at == 0 else expand(dy, w.T, out=dx)
        dr = over_tokens(dp, x).T.to(r.dtype)
        dups = [over_tokens(p, dy).to(up.dtype) for dy, up in zip(dys, ups)]
        return (dx, dr, None, None, *[None] * (2 * len(ups)), *dups)


def layers(x, scale, rows, expand=expand):
    """y of every layer. rows: (W (in, out), bias or None, factors) each; layers with the same first factor share x R. `expand`: what
    multiplies base and rank in one sum."""
    shared = {}
    for number, (_, _, factors) in enumerate(rows):
        shared.setdefault(id(factors[0]), []).append(number)
    ys = [None] * len(rows)
    for numbers in shared.values():
        bases, ups = [], []
        for number in numbers:
            w, bias, (_, *rest) = rows[number]
            up = rest[0] if len(rest) == 1 else rest[0] @ rest[1]
            bases += [w, bias]
            ups.append((scale * up).to(x.dtype))
        first = rows[numbers[0]][2][0].to(x.dtype)
        for number, y in zip(numbers, _Layers.apply(x, first, len(numbers), expand, *bases, *ups)):
            ys[number] = y
    return ys
