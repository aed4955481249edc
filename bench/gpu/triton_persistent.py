"""A persistent product in Triton, built as CUTLASS builds its own for Hopper: a peer to time emitted kernels and cuBLAS beside.

As many programs as there are multiprocessors; each computes one tile after another and loads the next while it stores the last.
Operands and results go through tensor descriptors (TMA where the device has it). With P and L' the rank follows in the sum of the base
product, as LoRAFusion does it: `expand` takes the place of that of triton_peer.py. Without them it is the base product alone.
Rows must begin at multiples of 16 bytes and one of the two strides be 1: a ValueError says where not.
"""
import torch
import triton
import triton.language as tl

from triton_peer import INTERPRETED, _bucket, _dot, _tf32, _tile

# programs where there is no device to ask: fewer than tiles
ON_CPU = 2


def _boxes(given):
    """Boxes that the descriptors load and store, of the tiles that are tried."""
    rows, cols, inner = given["BM"], given["BN"], given["BK"]
    given["a"].block_shape = [rows, inner]
    given["b"].block_shape = [cols, inner] if given["TURNED"] else [inner, cols]
    given["c"].block_shape = [rows, cols]


def _configs(*rows):
    made = [triton.Config({"BM": m, "BN": n, "BK": k}, num_warps=warps, num_stages=stages, pre_hook=_boxes)
            for m, n, k, warps, stages in rows]
    return made[:1] if INTERPRETED else made


@triton.autotune(_configs((64, 64, 32, 4, 3), (128, 256, 64, 8, 3), (128, 128, 64, 8, 4)), key=["bucket", "inner", "cols", "rank"],
                 restore_value=["out"])
@triton.jit
def _product(a, b, c, p, l, bias, out, rows, inner, cols, rank, bucket, p0, p1, l0, l1, o0,
             TURNED: tl.constexpr, NARROW: tl.constexpr, BIAS: tl.constexpr, ADD: tl.constexpr, TF32: tl.constexpr, BR: tl.constexpr,
             BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """out (rows, cols) (+)= a b + p l (with NARROW) + bias; a, b and c are descriptors, c of out, b of the transpose with TURNED."""
    tiles_m, tiles_n = tl.cdiv(rows, BM), tl.cdiv(cols, BN)
    for number in tl.range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0), flatten=True):
        # neighbours take tiles of eight block rows, so that they find what they read in the cache
        group = number // (8 * tiles_n)
        height = min(tiles_m - group * 8, 8)
        within = number % (8 * tiles_n)
        row = (group * 8 + within % height) * BM
        col = within // height * BN
        acc = tl.zeros((BM, BN), tl.float32)
        for k0 in range(0, inner, BK):
            x = a.load([row, k0])
            w = b.load([col, k0]).T if TURNED else b.load([k0, col])
            acc = _dot(x, w, acc, TF32)
        i = row + tl.arange(0, BM)
        j = col + tl.arange(0, BN)
        wide = i.to(tl.int64)
        if NARROW:
            q = tl.arange(0, BR)
            x = tl.load(p + wide[:, None] * p0 + q[None, :] * p1, (i[:, None] < rows) & (q[None, :] < rank), 0.0)
            w = tl.load(l + q[:, None] * l0 + j[None, :] * l1, (q[:, None] < rank) & (j[None, :] < cols), 0.0)
            acc = _dot(x, w, acc, TF32)
        if BIAS:
            acc += tl.load(bias + j, j < cols, 0.0).to(tl.float32)[None, :]
        if ADD:
            inside = (i[:, None] < rows) & (j[None, :] < cols)
            acc += tl.load(out + wide[:, None] * o0 + j[None, :], inside, 0.0).to(tl.float32)
        c.store([row, col], acc.to(out.dtype.element_ty))


def _described(matrix):
    """A descriptor of a matrix, of which the last stride is 1."""
    from triton.tools.tensor_descriptor import TensorDescriptor

    if matrix.stride(1) != 1 or matrix.stride(0) * matrix.element_size() % 16 or matrix.data_ptr() % 16:
        raise ValueError(f"rows of a matrix of {tuple(matrix.shape)} do not begin at multiples of 16 bytes")
    # the box is set when the tile is known
    return TensorDescriptor(matrix, list(matrix.shape), list(matrix.stride()), [16, 16])


def expand(a, b, p=None, l=None, bias=None, out=None):
    """a b + p l + bias, or that added to out; p and l may be absent."""
    (rows, inner), cols = a.shape, b.shape[1]
    add = out is not None
    out = out if add else torch.empty(rows, cols, dtype=a.dtype, device=a.device)
    narrow, turned = p is not None, b.stride(1) != 1
    p, l = (p, l) if narrow else (a, a)
    rank = p.shape[1] if narrow else 1
    programs = torch.cuda.get_device_properties(a.device).multi_processor_count if a.is_cuda else ON_CPU
    grid = lambda meta: (min(programs, triton.cdiv(rows, meta["BM"]) * triton.cdiv(cols, meta["BN"])),)
    _product[grid](_described(a), _described(b.T if turned else b), _described(out), p, l, a if bias is None else bias, out, rows, inner, cols,
                   rank, _bucket(rows), *p.stride(), *l.stride(), out.stride(0), TURNED=turned, NARROW=narrow, BIAS=bias is not None,
                   ADD=add, TF32=_tf32(a), BR=_tile(rank))
    return out
