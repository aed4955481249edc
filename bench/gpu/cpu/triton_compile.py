"""Compiles every configuration of the Triton kernels for sm_80 and sm_90 with the ptxas that Triton brings: no GPU is needed.

    python triton_compile.py [PATTERN]      # kernels whose names match
"""
import os
import pathlib
import re
import sys
from types import SimpleNamespace

os.environ.pop("TRITON_INTERPRET", None)
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import triton_peer  # noqa: E402
import triton_persistent  # noqa: E402
from triton import compile as compile_kernel  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

FLAGS = {
    "_shrink": ({"ADD": False, "BR": 16}, {"ADD": True, "BR": 128}),
    "_expand": ({"NARROW": True, "BIAS": True, "ADD": False, "BR": 16}, {"NARROW": True, "BIAS": False, "ADD": True, "BR": 128}),
    "_over_tokens": ({"BR": 16}, {"BR": 128}),
    "_product": (
        {"TURNED": False, "NARROW": True, "BIAS": True, "ADD": False, "BR": 16},
        {"TURNED": True, "NARROW": True, "BIAS": False, "ADD": False, "BR": 64},
        {"TURNED": True, "NARROW": False, "BIAS": False, "ADD": True, "BR": 16},
    ),
}
KERNELS = {name: getattr(triton_persistent if name == "_product" else triton_peer, name) for name in FLAGS}
# kernels whose names match it
ONLY = sys.argv[1] if len(sys.argv) > 1 else ""
# shared memory of a block; what needs more is passed over when it is tuned
ROOM = {80: 163 << 10, 90: 227 << 10}


def boxes(constants):
    """Boxes of descriptors, as they are set before a launch."""
    made = {name: SimpleNamespace() for name in ("a", "b", "c")}
    triton_persistent._boxes(constants | made)
    return {name: one.block_shape for name, one in made.items()}


def signature(function, kind, name, constants):
    types = {}
    for argument in function.arg_names:
        if argument in constants:
            types[argument] = "constexpr"
        elif name == "_product" and argument in ("a", "b", "c"):
            types[argument] = f"tensordesc<{kind}{boxes(constants)[argument]}>"
        elif argument == "out":
            types[argument] = "*fp32" if name == "_over_tokens" else f"*{kind}"
        elif argument in ("a", "b", "p", "l", "y", "bias"):
            types[argument] = f"*{kind}"
        else:
            types[argument] = "fp32" if argument == "scale" else "i32"
    return types


def main():
    made, large = 0, 0
    for capability, room in ROOM.items():
        for kind in ("bf16", "fp16", "fp32"):
            for name, variants in FLAGS.items():
                if not re.search(ONLY, name):
                    continue
                tuner = KERNELS[name]
                for flags in variants:
                    for config in tuner.configs:
                        # strides of 1 become constants when a kernel is launched
                        ones = {stride: 1 for stride in ("a1", "b1") if stride in tuner.fn.arg_names}
                        constants = {"TF32": kind == "fp32", **flags, **config.kwargs, **ones}
                        source = ASTSource(tuner.fn, signature(tuner.fn, kind, name, constants), constexprs=constants)
                        options = {"num_warps": config.num_warps, "num_stages": config.num_stages}
                        kernel = compile_kernel(source, target=GPUTarget("cuda", capability, 32), options=options)
                        made, large = made + 1, large + (kernel.metadata.shared > room)
    print(f"Triton compiles {made} kernels for sm_80 and sm_90; {large} of them want more shared memory than there is")


if __name__ == "__main__":
    main()
