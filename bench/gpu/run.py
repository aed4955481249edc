"""Checks and times the CUDA library of an adapted model on this machine.

    lotrc rewrite model.onnx --rank 16 -o model.lotr.onnx
    python bench/gpu/run.py model.lotr.onnx --tokens 8192

Emits the library with `lotrc emit cuda`, builds it with CMake, holds forward and backward of every region to float64 in
PyTorch, and times them beside the base product alone, the addmm form of the adapter and torch.compile of it, all in one
type (--dtype f32, f16 or bf16; --tf32). Needs a CUDA
machine with PyTorch, CMake and nvcc. `--folder DIR --library FILE --device cpu` checks a library that is already built,
without a GPU, and times nothing.
"""
import argparse
import importlib.util
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import torch


def emitted(folder):
    """The module adapters_torch.py of an emitted folder."""
    spec = importlib.util.spec_from_file_location("adapters_torch", folder / "adapters_torch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# largest error that rounding of the operands explains
BOUNDS = {"f32": 1e-5, "tf32": 2e-3, "f16": 2e-3, "bf16": 1e-2}


def type_of(module, row):
    """Type of x and y of a region."""
    return getattr(torch, module.TYPES.get(row["x"], "float32"))


def build(model, folder, args):
    """Emits and builds a library; returns its path."""
    arch = "sm_%d%d" % torch.cuda.get_device_capability()
    arch = {"sm_90": "sm_90a"}.get(arch, arch)
    run = lambda *command: subprocess.run(command, check=True)
    run(*args.lotrc.split(), "emit", "cuda", str(model), "-o", str(folder), "--arch", arch, "--tokens", str(args.tokens),
        "--dtype", args.dtype, *(["--tf32"] if args.tf32 else []), "--form", "split", "--for", "train")
    run("cmake", "-S", str(folder), "-B", str(folder / "build"), "-DBUILD_SHARED_LIBS=ON", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", str(folder / "build"), "-j")
    return folder / "build" / "liblotrc_adapters.so"


def layer_of(row, layer, weights, factors, x):
    """y of one layer in PyTorch, in the type of x: x W + b + s (x R M) L."""
    w = weights[layer["weight"]].to(x)
    w = w.T if layer["stored"] == "oi" else w
    delta = x
    for name in layer["factors"]:
        delta = delta @ factors[name].to(x)
    y = x @ w + row["scale"] * delta
    return y + weights[layer["bias"]].to(x).reshape(-1) if layer["bias"] else y


def error(found, wanted):
    """Norm-wise relative error."""
    return float((found.detach().double() - wanted).norm() / wanted.norm())


def check(module, host, tokens, device, seed=1):
    """Largest error over outputs, gradients of x and of every factor, of all regions; regions run in both orders."""
    draw = torch.Generator().manual_seed(seed)
    noise = lambda *shape: torch.randn(*shape, generator=draw).to(device)
    weights = {name: noise(*shape) / shape[0] ** 0.5 for name, shape in module.WEIGHTS.items()}
    factors = {name: noise(place[0][2], place[0][3]) / place[0][2] ** 0.5 for name, place in module.FACTORS.items()}
    host.set_weights(weights)
    host.set_factors(factors)
    exact = {name: factor.double().requires_grad_() for name, factor in factors.items()}
    runs, worst = [], 0.0
    for number, row in enumerate(module.REGIONS):
        columns = module.BUFFERS[row["x"]][1]
        kind = type_of(module, row)
        data = noise(tokens, columns).to(kind)
        x, x64 = data.clone().requires_grad_(), data.double().requires_grad_()
        ys = host(number, x)
        wanted = [layer_of(row, layer, weights, exact, x64) for layer in row["layers"]]
        dys = [noise(*y.shape).to(kind) for y in ys]
        worst = max([worst, *(error(y, w.detach()) for y, w in zip(ys, wanted))])
        runs.append((x, x64, ys, wanted, dys))
    # every forward pass has run before the first backward pass, as in a model
    for x, x64, ys, wanted, dys in reversed(runs):
        torch.autograd.backward(ys, dys)
        torch.autograd.backward(wanted, [dy.double() for dy in dys])
        worst = max(worst, error(x.grad, x64.grad))
    for name, factor in exact.items():
        worst = max(worst, error(host.factor(name).grad, factor.grad))
    return worst


def median(call, repeats=30):
    """Milliseconds of a call: median of so many, after a warm-up."""
    for _ in range(5):
        call()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def times(module, host, tokens):
    """Prints forward, and forward with backward, of every kind of region, beside its peers in the same type."""
    kind = type_of(module, module.REGIONS[0])
    weights = {name: torch.randn(*shape, device="cuda", dtype=kind) for name, shape in module.WEIGHTS.items()}
    factors = {name: host.factor(name).detach().clone().requires_grad_() for name in module.FACTORS}
    seen = set()
    print("region | layers | in x out | base ms | lotrc | addmm | compiled | forward + backward: lotrc | addmm | compiled")
    for number, row in enumerate(module.REGIONS):
        shape = (module.BUFFERS[row["x"]][1], tuple(module.BUFFERS[y][1] for y in row["y"]))
        if shape in seen:
            continue
        seen.add(shape)
        x = torch.randn(tokens, shape[0], device="cuda", dtype=kind, requires_grad=True)
        bases = [weights[layer["weight"]] for layer in row["layers"]]
        bases = [w.T if layer["stored"] == "oi" else w for w, layer in zip(bases, row["layers"])]
        plain = lambda: [x @ w for w in bases]
        eager = lambda x: [layer_of(row, layer, weights, factors, x) for layer in row["layers"]]
        compiled = torch.compile(eager)
        peers = {"lotrc": lambda: host(number, x), "addmm": lambda: eager(x), "compiled": lambda: compiled(x)}
        dys = [torch.randn_like(y) for y in eager(x)]
        both = lambda peer: lambda: torch.autograd.backward(peer(), dys)
        with torch.no_grad():
            forward = [median(plain), *(median(peer) for peer in peers.values())]
        steps = [median(both(peer)) for peer in peers.values()]
        numbers = " | ".join(f"{value:.3f}" for value in [*forward, *steps])
        print(f"{number} | {len(row['layers'])} | {shape[0]} x {'+'.join(map(str, shape[1]))} | {numbers}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, help="a model with adapters")
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--dtype", default="f32", choices=["f32", "f16", "bf16"])
    parser.add_argument("--tf32", action="store_true", help="float32 products on matrix units")
    parser.add_argument("--lotrc", default="npx lotrc", help="how lotrc is started")
    parser.add_argument("--folder", type=pathlib.Path, help="an emitted folder, with --library")
    parser.add_argument("--library", type=pathlib.Path, help="the shared library of that folder")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    args = parser.parse_args()
    if (args.folder is None) != (args.library is None) or (args.model is None) == (args.folder is None):
        parser.error("give a model, or --folder and --library")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch sees no CUDA device")
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="lotrc-gpu-"))
    try:
        folder = args.folder or scratch / "gpu"
        library = args.library.resolve() if args.library else build(args.model, folder, args)
        module = emitted(folder)
        host = module.Adapters(library, args.tokens, args.device)
        worst = check(module, host, args.tokens, args.device)
        bound = BOUNDS["tf32" if args.tf32 else args.dtype]
        print(f"largest relative error against float64: {worst:.1e}")
        if not worst < bound:
            sys.exit(f"more than {bound:.0e}: the kernels are wrong on this machine")
        if args.device == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = args.tf32
            times(module, host, args.tokens)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
