"""Checks and times the CUDA library of adapted layers on this machine.

    python bench/gpu/run.py --grid --json results.json             # the shapes of the project's targets
    python bench/gpu/run.py --shape d=4096 --layers 3 --rank 16 --tokens 1024,8192
    python bench/gpu/run.py model.lotr.onnx --tokens 8192          # a model that lotrc rewrite wrote

Emits each library with `lotrc emit cuda`, builds it with CMake, holds forward and backward of every region to float64 in
PyTorch, and times them beside the base product alone (cuBLAS), the adapter in PyTorch (as written, with addmm, and with torch.compile)
and a Triton split kernel, all in one type. Prints a table in Markdown. Needs a CUDA machine with PyTorch, CMake and nvcc;
Node for lotrc, here or, with --emit-only, elsewhere. `--device cpu` builds the same sources with g++ and checks them: it
times nothing. See README.md.
"""
import argparse
import dataclasses
import pathlib
import shutil
import subprocess
import sys
import tempfile

from library import Case, Missing, Served, Trained, build, check_tools, emit, tables

# in and out, layers, rank, rows, purpose
GRID = (
    *((4096, 3, 16, tokens, "serve") for tokens in (1, 8, 32)),
    *((4096, 3, rank, tokens, "train") for tokens in (1024, 8192) for rank in (16, 32, 64)),
    (4096, 1, 16, 8192, "train"), (1024, 3, 16, 8192, "train"), (768, 3, 16, 8192, "train"),
)
# rows up to which one launch per layer is open, and what is timed as a CUDA graph
FEW = 64


def shape_of(text):
    """`d=4096`, or `in=4096,out=11008`."""
    parts = dict(part.split("=", 1) for part in text.split(","))
    inputs, outputs = parts.get("in", parts.get("d")), parts.get("out", parts.get("d"))
    if inputs is None or outputs is None or set(parts) - {"d", "in", "out"}:
        raise argparse.ArgumentTypeError("write d=4096, or in=4096,out=11008")
    return int(inputs), int(outputs)


def cases_of(args):
    """The libraries that are asked for. For few rows there are two forms for serving, both are timed."""
    common = {"dtype": args.dtype, "tf32": args.tf32, "method": args.method, "bias": args.bias, "model": args.model}
    if args.grid:
        asked = [((d, d), *rest) for d, *rest in GRID]
    else:
        asked = [(args.shape or (0, 0), args.layers, args.rank, tokens, args.purpose) for tokens in args.tokens]
    for (inputs, outputs), layers, rank, tokens, purpose in asked:
        few = purpose == "serve" and tokens <= FEW and rank <= 16
        for form in ("split", "widen") if few else ("split",):
            yield Case(inputs=inputs, outputs=outputs, layers=layers, rank=rank, tokens=tokens, purpose=purpose, form=form,
                       **common)


def arch_of(args):
    """As nvcc spells what the library is built for."""
    if args.arch:
        return args.arch
    if args.device == "cpu" or args.emit_only:
        return "sm_90a"
    import torch

    major, minor = torch.cuda.get_device_capability()
    # code for an older architecture that lotrc plans for runs on what has none of its own
    return "sm_90a" if (major, minor) == (9, 0) else "sm_120" if major >= 12 else "sm_80"


def machine_of(device):
    import torch

    found = {"device": "CPU (kernels emulated)", "driver": None, "cuda": torch.version.cuda, "torch": torch.__version__}
    if device == "cuda":
        found["device"] = torch.cuda.get_device_name()
        try:
            asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            found["driver"] = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]
        except (OSError, subprocess.CalledProcessError, IndexError):
            found["driver"] = "unknown"
    return found


def measure(case, library, module, number, found, weights, factors, args):
    """Milliseconds of one region: forward, and forward with backward where the library trains."""
    import timing
    import torch
    from checks import type_of
    from peers import base_backward, base_forward

    row = module.REGIONS[number]
    kind = type_of(module, row)
    noise = lambda name: torch.randn(case.tokens, module.BUFFERS[name][1], device=args.device, dtype=kind)
    x, dys = noise(row["x"]).requires_grad_(), [noise(name) for name in row["y"]]
    graphs = args.graphs == "on" or (args.graphs == "auto" and case.tokens <= FEW)
    forward = {"base": lambda: base_forward(row, weights, x), "lotrc": lambda: library.forward(number),
               "module": lambda: library(number, x)}
    forward |= {name: lambda peer=peer: peer(row, weights, factors, x) for name, peer in found.items()}
    with torch.no_grad():
        times, why = timing.medians(forward, args.repeats, graphs, args.flush)
    if case.purpose == "serve":
        return times, {}, why
    both = lambda layers: lambda: torch.autograd.backward(layers(), dys)
    with torch.no_grad():
        without = lambda: (base_forward(row, weights, x), base_backward(row, weights, x, dys))
        alone, more = timing.medians({"base": without, "lotrc": lambda: library.step(number)}, args.repeats, False, args.flush)
    steps = {"module": both(lambda: library.fresh(number, x))}
    steps |= {name: both(lambda peer=peer: peer(row, weights, factors, x)) for name, peer in found.items()}
    others, rest = timing.medians(steps, args.repeats, False, args.flush)
    return times, alone | others, why | more | rest


def run_case(case, folder, args):
    """Rows of a library, one for each kind of region; a wrong library has rows with its error and no times."""
    import torch
    from checks import BOUNDS, CUT, Problem, check_library, check_peer, type_of
    from peers import peers

    module = tables(folder)
    made = build(folder, args.device) if args.library is None else args.library.resolve()
    library = (Trained if case.purpose == "train" else Served)(made, module, case.tokens, args.device)
    problem = Problem(module, case.tokens, args.device, backward=case.purpose == "train")
    bound = BOUNDS[case.kind]
    errors = {"lotrc": check_library(library, problem)}
    good = errors["lotrc"] < bound
    found, skipped = peers(args.peers)
    for name, peer in list(found.items()):
        try:
            errors[name] = check_peer(peer, problem)
            limit = CUT if name == "triton" and args.device == "cpu" and case.dtype == "bf16" else bound
            if not errors[name] < limit:
                skipped[name] = f"wrong by {errors[name]:.1e} in {case.name}"
        except Exception as error:  # a peer that does not run is no peer; the others go on
            skipped[name] = f"{type(error).__name__}: {str(error).strip()[:200]}"
        if name in skipped:
            del found[name]
    print(f"{case.name}: largest relative errors against float64: "
          + ", ".join(f"{name} {value:.1e}" for name, value in errors.items()), file=sys.stderr)
    if not good:
        print(f"{case.name}: more than {bound:.0e}: the kernels are wrong on this machine", file=sys.stderr)
    kind = type_of(module, module.REGIONS[0])
    del problem.exact
    weights = {name: value.to(kind) for name, value in problem.weights.items()}
    factors = {name: value.to(kind).requires_grad_() for name, value in problem.factors.items()}
    rows, seen = [], set()
    from report import row_of

    for number, region in enumerate(module.REGIONS):
        shape = (module.BUFFERS[region["x"]][1], tuple(module.BUFFERS[name][1] for name in region["y"]))
        if shape in seen:
            continue
        seen.add(shape)
        rank = module.FACTORS[region["factors"][0]][0][3]
        times, steps, why = {}, {}, {}
        if good and args.timed:
            times, steps, why = measure(case, library, module, number, found, weights, factors, args)
        own = dataclasses.replace(case, rank=rank)
        rows.append(row_of(own, number, len(region["y"]), shape, errors, skipped | why, times, steps) | {"good": good})
    return rows


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, help="a model with adapters")
    parser.add_argument("--grid", action="store_true", help="the shapes of the project's targets")
    parser.add_argument("--shape", type=shape_of, help="generated layers that read one x: d=4096, or in=4096,out=11008")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--method", default="lotr", choices=["lotr", "lora"])
    parser.add_argument("--bias", action="store_true", help="generated layers have a bias")
    parser.add_argument("--tokens", type=lambda text: [int(part) for part in text.split(",")], default=[1024])
    parser.add_argument("--for", dest="purpose", default="train", choices=["train", "serve"])
    parser.add_argument("--dtype", default="bf16", choices=["f32", "f16", "bf16"])
    parser.add_argument("--tf32", action="store_true", help="float32 products on matrix units")
    parser.add_argument("--schedules", type=pathlib.Path, help="rows that tune.py wrote")
    parser.add_argument("--arch", help="as nvcc spells it; that of this GPU")
    parser.add_argument("--peers", default="torch,addmm,compiled,triton", type=lambda text: text.split(","))
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--graphs", default="auto", choices=["auto", "on", "off"],
                        help=f"time forward passes as CUDA graphs: auto does for at most {FEW} rows")
    parser.add_argument("--flush", action="store_true", help="wipe the second-level cache before each call (not within a graph)")
    parser.add_argument("--json", type=pathlib.Path, help="write the results there")
    parser.add_argument("--work", type=pathlib.Path, help="folder for models, sources and builds; what is there is used")
    parser.add_argument("--emit-only", action="store_true", help="write the sources below --work and stop (needs no PyTorch)")
    parser.add_argument("--lotrc", help="how lotrc is started; default: the build of this checkout")
    parser.add_argument("--folder", type=pathlib.Path, help="an emitted folder for training, with --library")
    parser.add_argument("--library", type=pathlib.Path, help="the shared library of that folder")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    args = parser.parse_args()
    if (args.folder is None) != (args.library is None):
        parser.error("--folder and --library go together")
    if sum(given is not None and given is not False for given in (args.model, args.shape, args.folder, args.grid or None)) != 1:
        parser.error("give one of: a model, --shape, --grid, --folder with --library")
    if args.emit_only and args.work is None:
        parser.error("--emit-only needs --work FOLDER")
    if set(args.peers) - {"torch", "addmm", "compiled", "triton"}:
        parser.error("--peers are torch, addmm, compiled and triton")
    args.timed = args.device == "cuda"
    return args


def check_machine(args):
    """Says what is missing before anything is built."""
    if args.emit_only:
        return
    try:
        import torch
    except ImportError as error:
        raise Missing(f"PyTorch is needed: {error}") from None
    if args.device == "cuda" and not torch.cuda.is_available():
        built = torch.version.cuda
        raise Missing("PyTorch sees no CUDA device" + ("" if built else ": it is a build without CUDA")
                      + " (--device cpu checks without one and times nothing)")
    if args.library is None:
        check_tools(args.device)
    if args.device == "cpu":
        import os

        # before Triton is imported
        os.environ.setdefault("TRITON_INTERPRET", "1")
        torch.set_num_threads(1)


def run_all(args, work):
    from report import text, write_json

    rows, failed = [], 0
    for case in cases_of(args):
        if args.folder:
            case = dataclasses.replace(case, model=args.folder)
        try:
            folder = args.folder or emit(case, work, arch_of(args), args)
            if args.emit_only:
                print(f"emitted {folder}")
                continue
            rows += run_case(case, folder, args)
        except (Missing, RuntimeError) as error:
            # what PyTorch and the library raise too: no memory, a device that is lost
            failed += 1
            print(f"{case.name}: {error}", file=sys.stderr)
        if args.device == "cuda" and not args.emit_only:
            import torch

            torch.cuda.empty_cache()
    for case in cases_of(args):
        if case.model is None:
            # large, and made again in seconds
            for generated in work.glob(f"{case.source}.lotr.onnx*"):
                generated.unlink()
    if rows:
        machine = machine_of(args.device)
        print(text(rows, machine))
        if args.json:
            write_json(args.json, rows, machine)
    return failed == 0 and all(row["good"] for row in rows)


def main():
    args = parse()
    work = args.work or pathlib.Path(tempfile.mkdtemp(prefix="lotrc-gpu-"))
    try:
        check_machine(args)
        work.mkdir(parents=True, exist_ok=True)
        if args.device == "cpu" or args.emit_only:
            good = run_all(args, work)
        else:
            import torch

            torch.backends.cuda.matmul.allow_tf32 = args.tf32
            # the library queues on the stream that it is made on; the default one cannot be captured
            with torch.cuda.stream(torch.cuda.Stream()):
                good = run_all(args, work)
    except Missing as error:
        sys.exit(str(error))
    finally:
        if args.work is None:
            shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
