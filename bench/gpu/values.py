"""Numbers of a tuning job, and what its product is in float64. Plain Python: a GPU machine needs nothing else for it.

Every buffer is a block of noise over and over. The length of the block is prime, so rows differ, and any element is known
from its index: results are checked without holding or multiplying whole matrices.
"""
import array
import math
import operator
import struct

PERIOD = 65537
# largest error that rounding of operands and result explains
BOUNDS = {"f32": 1e-5, "tf32": 2e-3, "tf32x3": 1e-5, "f16": 2e-3, "bf16": 1e-2}
BYTES = {"f32": 4, "f16": 2, "bf16": 2}
SAMPLES = 48


def bf16_bits(value):
    """The nearest bfloat16, ties to even."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def from_bf16(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


class Noise:
    """Contents of a buffer: numbers between -1 and 1, none zero, as its type holds them."""

    def __init__(self, elem, seed):
        state, numbers = seed * 2654435761 + 1 & 0xFFFFFFFF, []
        for _ in range(PERIOD):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            numbers.append((state >> 8) / (1 << 23) - 1 + 2**-25)
        if elem == "f32":
            stored = array.array("f", numbers)
            self.values = list(stored)
        elif elem == "f16":
            stored = array.array("H", (struct.unpack("<H", struct.pack("<e", number))[0] for number in numbers))
            self.values = [struct.unpack("<e", struct.pack("<H", bits))[0] for bits in stored]
        else:
            stored = array.array("H", map(bf16_bits, numbers))
            self.values = list(map(from_bf16, stored))
        self.block = stored.tobytes()
        self.size = BYTES[elem]

    def bytes(self, elements):
        times = elements // PERIOD + 1
        return (self.block * times)[: elements * self.size]

    def line(self, first, step, count):
        """`count` elements from `first` on, `step` apart."""
        values = self.values
        return [values[at % PERIOD] for at in range(first, first + step * count, step)]

    def at(self, index):
        return self.values[index % PERIOD]


def read(elem, data):
    """Numbers of a buffer's bytes."""
    if elem == "f32":
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    if elem == "f16":
        return list(struct.unpack(f"<{len(data) // 2}e", data))
    return [from_bf16(bits) for bits in struct.unpack(f"<{len(data) // 2}H", data)]


ACTIVATIONS = {
    "relu": lambda v: max(v, 0.0),
    "gelu": lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))),
    "gelu-tanh": lambda v: 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))),
    "silu": lambda v: v / (1 + math.exp(-v)),
}


def dot(a, b):
    return sum(map(operator.mul, a, b))


def _row(noise, operand, i, first, count):
    down, across = operand["strides"]
    return noise[operand["buffer"]].line(operand["offset"] + i * down + first * across, across, count)


def _column(noise, operand, j, first, count):
    down, across = operand["strides"]
    return noise[operand["buffer"]].line(operand["offset"] + j * across + first * down, down, count)


def expected(work, noise, i, j):
    """Element (i, j) of the result; of a split sum, of all its parts together."""
    total = 0.0
    for segment in work["segments"]:
        count = segment["inner"]
        total += dot(_row(noise, segment["a"], i, 0, count), _column(noise, segment["b"], j, 0, count))
    widen = work.get("widen")
    if widen:
        first = work["segments"][0]
        row = _row(noise, first["a"], i, 0, first["inner"])
        p = [dot(row, _column(noise, widen["down"], q, 0, first["inner"])) for q in range(widen["rank"])]
        total += widen["scale"] * dot(p, _column(noise, widen["up"], j, 0, widen["rank"]))
    total *= work["scale"]
    if work["parts"] > 1:
        return total
    if work.get("bias"):
        total += noise[work["bias"]["buffer"]].at(work["bias"]["offset"] + j)
    if work.get("residual"):
        total += _row(noise, work["residual"], i, j, 1)[0]
    if work.get("activation"):
        total = ACTIVATIONS[work["activation"]](total)
    if work["accumulate"]:
        total += _row(noise, work["out"], i, j, 1)[0]
    return total


def samples(work):
    """Elements to check: (i, j), corners and others all over the result."""
    rows, cols = work["rows"], work["cols"]
    found, state = [(i, j) for i in {0, rows - 1} for j in {0, cols - 1}], 12345
    while len(found) < SAMPLES:
        draw = []
        for most in (rows, cols):
            state = (state * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
            draw.append((state >> 33) % most)
        found.append(tuple(draw))
    return found


class Checked:
    """The reference of a job: elements, where they stand in the result's buffer (one place for each part of a sum), and their values."""

    def __init__(self, work, noise):
        down, across = work["out"]["strides"]
        size = work["rows"] * work["cols"]
        places = samples(work)
        first = lambda i, j: work["out"]["offset"] + i * down + j * across
        self.at = [[first(*place) + part * size for part in range(work["parts"])] for place in places]
        self.wanted = [expected(work, noise, *place) for place in places]

    def error(self, elem, data):
        """Norm-wise relative error of the bytes of the result's buffer; infinite where nothing was written."""
        size = BYTES[elem]
        found = [sum(read(elem, data[at * size : (at + 1) * size])[0] for at in parts) for parts in self.at]
        square = sum((f - w) ** 2 for f, w in zip(found, self.wanted))
        value = math.sqrt(square / sum(w * w for w in self.wanted))
        return value if value == value else math.inf
