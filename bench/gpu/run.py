"""Checks and times the CUDA library of adapted layers on this machine.

    python bench/gpu/run.py --grid --json results.json             # the shapes of the project's targets
    python bench/gpu/run.py --shape d=4096 --layers 3 --rank 16 --tokens 1024,8192
    python bench/gpu/run.py model.lotr.onnx --tokens 8192          # a model that lotrc rewrite wrote

Emits each library with `lotrc emit cuda`, builds all of them with nvcc, holds forward and backward of every region to float64 in
PyTorch, and times them beside the base product alone (cuBLAS), the adapter in PyTorch (as written, with addmm, and with torch.compile)
and a Triton split kernel, all in one type. Each case is a process of its own: an error of the device ends no other case. Every
case's line and JSON are written when it ends; a table in Markdown comes last. Needs a CUDA machine with PyTorch and nvcc;
Node for lotrc, here or, with --emit-only, elsewhere. `--device cpu` builds the same sources with g++ and checks them: it
times nothing. See README.md.
"""
import argparse
import concurrent.futures
import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from library import Case, Missing, Served, Trained, build, build_all, check_tools, emit, tables

# blocks, in and out, layers, rank, rows, purpose: what matters most comes first
GRID = (
    (1, 4096, 3, 16, 8192, "train"), (1, 4096, 3, 16, 1024, "train"),
    *((1, 4096, 3, 16, tokens, "serve") for tokens in (32, 1, 8)),
    (4, 4096, 3, 16, 2048, "train"),
    *((1, 4096, 3, rank, tokens, "train") for tokens in (8192, 1024) for rank in (32, 64)),
    (1, 768, 3, 16, 8192, "train"), (1, 1024, 3, 16, 8192, "train"), (1, 4096, 1, 16, 8192, "train"),
)
# small and odd: every type, purpose and form, extents and ranks that no tile divides; checked and not timed
EDGES = (
    {"inputs": 33, "outputs": 29, "layers": 3, "rank": 5, "tokens": 41, "dtype": "f32", "bias": True},
    {"inputs": 264, "outputs": 136, "layers": 2, "rank": 16, "tokens": 300, "dtype": "f32"},
    {"inputs": 40, "outputs": 24, "layers": 2, "rank": 3, "tokens": 70, "dtype": "f32", "tf32": True},
    {"inputs": 264, "outputs": 136, "layers": 2, "rank": 16, "tokens": 300, "dtype": "f32", "tf32": True},
    {"inputs": 40, "outputs": 24, "layers": 2, "rank": 3, "tokens": 41, "method": "lora"},
    {"inputs": 520, "outputs": 392, "layers": 3, "rank": 8, "tokens": 1000},
    {"inputs": 528, "outputs": 264, "layers": 2, "rank": 24, "tokens": 129, "bias": True},
    # blocks of warpgroups by themselves, a rank with columns of zeros, and many rows to serve
    {"inputs": 520, "outputs": 392, "layers": 2, "rank": 16, "tokens": 100},
    {"inputs": 264, "outputs": 136, "layers": 2, "rank": 5, "tokens": 300, "dtype": "f16", "bias": True},
    {"inputs": 1032, "outputs": 776, "layers": 3, "rank": 16, "tokens": 700, "purpose": "serve"},
    {"inputs": 1032, "outputs": 776, "layers": 1, "rank": 40, "tokens": 2049, "dtype": "f16"},
    {"inputs": 264, "outputs": 136, "layers": 2, "rank": 16, "tokens": 300, "method": "lora", "blocks": 3},
    {"inputs": 264, "outputs": 520, "layers": 3, "rank": 16, "tokens": 7, "purpose": "serve"},
    {"inputs": 264, "outputs": 520, "layers": 3, "rank": 16, "tokens": 7, "purpose": "serve", "form": "widen"},
    {"inputs": 264, "outputs": 520, "layers": 3, "rank": 8, "tokens": 33, "purpose": "serve", "form": "widen", "dtype": "f16"},
    {"inputs": 264, "outputs": 136, "layers": 2, "rank": 16, "tokens": 200, "form": "bordered"},
    {"inputs": 33, "outputs": 29, "layers": 2, "rank": 5, "tokens": 41, "form": "bordered", "dtype": "f32"},
)
# columns beside the library and its module
PEERS = ("torch", "addmm", "compiled", "triton", "fused", "persistent", "bordered")
TRITON = ("triton", "fused", "persistent")
# exit status of a process in which compute-sanitizer found an error
FOUND = 86
# rows up to which one launch per layer is open
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
    if args.edges:
        for number, edge in enumerate(EDGES):
            case = Case(model=None, **edge)
            if args.only is None or any(part in (case.name, f"edge{number}") for part in args.only):
                yield case
        return
    common = {"dtype": args.dtype, "tf32": args.tf32, "method": args.method, "bias": args.bias, "model": args.model}
    if args.grid:
        asked = [(blocks, (d, d), *rest) for blocks, d, *rest in GRID]
    else:
        asked = [(args.blocks, args.shape or (0, 0), args.layers, args.rank, tokens, args.purpose) for tokens in args.tokens]
    for blocks, (inputs, outputs), layers, rank, tokens, purpose in asked:
        few = purpose == "serve" and tokens <= FEW and rank <= 16
        for form in ("split", "widen") if few else ("split",):
            case = Case(inputs=inputs, outputs=outputs, layers=layers, rank=rank, tokens=tokens, purpose=purpose, form=form,
                        blocks=blocks, **common)
            if args.only is None or any(part in case.name for part in args.only):
                yield case


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
        found["driver"] = asked_of_driver("driver_version") or "unknown"
    return found


class Timed:
    """Milliseconds of columns by name, their spread, and why some have none."""

    def __init__(self, case, args):
        # few rows take less time than a launch of a graph
        self.graph = (20 if case.tokens <= FEW else 2) if args.graphs == "on" else 0
        self.repeats, self.flush = args.repeats, args.flush
        self.profile = args.profile
        self.forward, self.step, self.spread, self.why, self.kernels = {}, {}, {}, {}, {}

    def take(self, part, calls):
        import timing

        if self.profile and "lotrc" in calls:
            self.kernels[part] = timing.kernels(calls["lotrc"])
        times, spread, why = timing.medians(calls, self.repeats, self.graph, self.flush)
        getattr(self, part).update(times)
        self.spread.setdefault(part, {}).update(spread)
        self.why |= why


@dataclasses.dataclass
class Columns:
    """What is timed in a case beside PyTorch's module: libraries by name (`lotrc`, `bordered`), the layers without adapters
    (`base`, `persistent`) and peers."""

    libraries: dict
    bases: dict
    peers: dict


def measure(case, columns, module, number, weights, factors, args):
    """Times of one region: forward, and forward with backward where the library trains."""
    import torch
    from checks import type_of

    library, found = columns.libraries["lotrc"], columns.peers
    row = module.REGIONS[number]
    kind = type_of(module, row)
    noise = lambda name: torch.randn(case.tokens, module.BUFFERS[name][1], device=args.device, dtype=kind)
    x, dys = noise(row["x"]).requires_grad_(), [noise(name) for name in row["y"]]
    timed = Timed(case, args)
    forward = {name: lambda base=base: base.forward(row, weights, x) for name, base in columns.bases.items()}
    forward |= {name: lambda one=one: one.forward(number) for name, one in columns.libraries.items()}
    forward["module"] = lambda: library(number, x)
    forward |= {name: lambda peer=peer: peer(row, weights, factors, x) for name, peer in found.items()}
    with torch.no_grad():
        timed.take("forward", forward)
    if case.purpose == "serve":
        return timed
    both = lambda layers: lambda: torch.autograd.backward(layers(), dys)
    with torch.no_grad():
        steps = {name: lambda base=base: (base.forward(row, weights, x), base.backward(row, weights, x, dys))
                 for name, base in columns.bases.items()}
        timed.take("step", steps | {name: lambda one=one: one.step(number) for name, one in columns.libraries.items()})
    steps = {"module": both(lambda: library.fresh(number, x))}
    timed.take("step", steps | {name: both(lambda peer=peer: peer(row, weights, factors, x)) for name, peer in found.items()})
    return timed


def measure_blocks(case, columns, module, weights, factors, args):
    """Times of a step over all regions, every forward pass before the first backward pass, as in a model."""
    import torch
    from checks import type_of

    library, found = columns.libraries["lotrc"], columns.peers
    regions = module.REGIONS
    noise = lambda name, row: torch.randn(case.tokens, module.BUFFERS[name][1], device=args.device, dtype=type_of(module, row))
    xs = [noise(row["x"], row).requires_grad_() for row in regions]
    dys = [[noise(name, row) for name in row["y"]] for row in regions]

    def step(layers):
        ys = [layers(number, x) for number, x in enumerate(xs)]
        for y, dy in reversed(list(zip(ys, dys))):
            torch.autograd.backward(y, dy)

    def without(base):
        for row, x in zip(regions, xs):
            base.forward(row, weights, x)
        for row, x, dy in zip(regions, xs, dys):
            base.backward(row, weights, x, dy)

    timed = Timed(case, args)
    with torch.no_grad():
        steps = {name: lambda base=base: without(base) for name, base in columns.bases.items()}
        timed.take("step", steps | {name: one.step_all for name, one in columns.libraries.items()})
    steps = {"module": lambda: (library.forget(), step(library))}
    steps |= {name: lambda peer=peer: step(lambda number, x: peer(regions[number], weights, factors, x)) for name, peer in found.items()}
    timed.take("step", steps)
    return timed


def run_case(case, folder, args):
    """Rows of a library, one for each kind of region; a wrong library has rows with its error and no times."""
    import torch
    from checks import BOUNDS, CUT, Problem, check_library, check_peer, type_of
    from peers import bases, peers

    module = tables(folder)
    made = build(folder, args.device, arch_of(args)) if args.library is None else args.library.resolve()
    before = free_bytes(args.device)
    library = (Trained if case.purpose == "train" else Served)(made, module, case.tokens, args.device)
    held = before - free_bytes(args.device)
    problem = Problem(module, case.tokens, args.device, backward=case.purpose == "train")
    bound = BOUNDS[case.kind]
    errors = {"lotrc": check_library(library, problem)}
    good = errors["lotrc"] < bound
    limit = lambda name: CUT if name in TRITON and args.device == "cpu" and case.dtype == "bf16" else bound
    # a product of few rows has fewer tiles than there are programs
    asked = [name for name in args.peers if name not in ("fused", "persistent") or case.tokens > FEW]
    found, skipped = peers(asked)
    libraries = {"lotrc": library}
    if has_bordered(case, args):
        try:
            libraries["bordered"] = bordered_library(case, folder.parent, args)
            errors["bordered"] = check_library(libraries["bordered"], problem)
        except (Missing, RuntimeError, OSError) as error:
            skipped["bordered"] = f"{str(error).strip()[:200]}"
    without, own_errors, why = bases(asked, problem)
    errors |= own_errors
    skipped |= why
    for name, peer in list(found.items()):
        try:
            errors[name] = check_peer(peer, problem)
            if not errors[name] < limit(name):
                skipped[name] = f"wrong by {errors[name]:.1e} in {case.name}"
        except Exception as error:  # a peer that does not run is no peer; the others go on
            skipped[name] = f"{type(error).__name__}: {str(error).strip()[:200]}"
        if name in skipped:
            del found[name]
    for name in ("bordered", "persistent"):
        if not errors.get(name, 0) < limit(name):
            skipped[name] = f"wrong by {errors[name]:.1e} in {case.name}"
            for columns in (libraries, without):
                columns.pop(name, None)
    columns = Columns(libraries, without, found)
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
        own = dataclasses.replace(case, rank=rank)
        timed = measure(case, columns, module, number, weights, factors, args) if good and args.timed else None
        rows.append(row_of(own, number, len(region["y"]), shape, errors, skipped, timed))
    if good and args.timed and case.blocks > 1:
        timed = measure_blocks(case, columns, module, weights, factors, args)
        layers = sum(len(region["y"]) for region in module.REGIONS)
        rows.append(row_of(dataclasses.replace(case, rank=rank), "all", layers, shape, errors, skipped, timed))
    return [row | {"good": good, "device bytes": held, "clocks": clocks(args.device)} for row in rows]


def has_bordered(case, args):
    """Whether the same layers as calls of cuBLASLt are a column of a case: a library of its own."""
    return "bordered" in args.peers and case.purpose == "train" and case.form == "split" and args.library is None and not args.edges


def bordered_of(case):
    return dataclasses.replace(case, form="bordered")


def bordered_library(case, work, args):
    folder = emit(bordered_of(case), work, arch_of(args), args)
    return Trained(build(folder, args.device, arch_of(args)), tables(folder), case.tokens, args.device)


def free_bytes(device):
    """Bytes of device memory that nothing holds; PyTorch's own cache is emptied first."""
    if device != "cuda":
        return 0
    import torch

    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0]


def clocks(device):
    """What the driver says of the device now: clock, power and temperature explain times that differ."""
    return asked_of_driver("clocks.sm,clocks.mem,power.draw,temperature.gpu") if device == "cuda" else None


def asked_of_driver(query):
    """The answer of nvidia-smi for the first GPU; None where there is none."""
    try:
        asked = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, help="a model with adapters")
    parser.add_argument("--grid", action="store_true", help="the shapes of the project's targets")
    parser.add_argument("--edges", action="store_true", help="small and odd shapes in every type and form: checked, not timed")
    parser.add_argument("--sanitize", choices=["memcheck", "racecheck", "initcheck", "synccheck"],
                        help="run every case under this tool of compute-sanitizer, without times")
    parser.add_argument("--shape", type=shape_of, help="generated layers that read one x: d=4096, or in=4096,out=11008")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=1, help="groups of such layers, each with an x of its own")
    parser.add_argument("--only", type=lambda text: text.split(","), help="cases whose names contain one of these, separated by commas")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--method", default="lotr", choices=["lotr", "lora"])
    parser.add_argument("--bias", action="store_true", help="generated layers have a bias")
    parser.add_argument("--tokens", type=lambda text: [int(part) for part in text.split(",")], default=[1024])
    parser.add_argument("--for", dest="purpose", default="train", choices=["train", "serve"])
    parser.add_argument("--dtype", default="bf16", choices=["f32", "f16", "bf16"])
    parser.add_argument("--tf32", action="store_true", help="float32 products on matrix units")
    parser.add_argument("--schedules", type=pathlib.Path, help="rows that tune.py wrote")
    parser.add_argument("--arch", help="as nvcc spells it; that of this GPU")
    parser.add_argument("--peers", default="torch,addmm,triton,fused,persistent,bordered", type=lambda text: text.split(","))
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--graphs", default="on", choices=["on", "off"],
                        help="time CUDA graphs of several calls, so that no column waits for its host program")
    parser.add_argument("--limit", type=int, default=180, help="seconds after which a case is ended")
    parser.add_argument("--total", type=int, default=480, help="seconds for all cases; the output names those that were left out")
    parser.add_argument("--profile", action="store_true", help="also the time of each kernel of the library, in the JSON")
    parser.add_argument("--flush", action="store_true", help="wipe the second-level cache before each call (not within a graph)")
    parser.add_argument("--json", type=pathlib.Path, help="write the results there")
    parser.add_argument("--work", type=pathlib.Path, help="folder for models, sources and builds; what is there is used")
    parser.add_argument("--emit-only", action="store_true", help="write the sources below --work and stop (needs no PyTorch)")
    parser.add_argument("--build-only", action="store_true", help="build the libraries below --work and stop")
    parser.add_argument("--lotrc", help="how lotrc is started; default: the build of this checkout")
    parser.add_argument("--folder", type=pathlib.Path, help="an emitted folder for training, with --library")
    parser.add_argument("--library", type=pathlib.Path, help="the shared library of that folder")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if (args.folder is None) != (args.library is None):
        parser.error("--folder and --library go together")
    if sum(given is not None and given is not False for given in (args.model, args.shape, args.folder, args.grid or None, args.edges or None)) != 1:
        parser.error("give one of: a model, --shape, --grid, --edges, --folder with --library")
    if (args.emit_only or args.build_only) and args.work is None:
        parser.error("--emit-only and --build-only need --work FOLDER")
    if set(args.peers) - set(PEERS):
        parser.error(f"--peers are {', '.join(PEERS)}")
    args.timed = args.device == "cuda" and not args.edges and args.sanitize is None
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
    if args.sanitize and shutil.which("compute-sanitizer") is None:
        raise Missing("compute-sanitizer of the CUDA toolkit is not on the PATH")
    if args.device == "cpu":
        import os

        # before Triton is imported
        os.environ.setdefault("TRITON_INTERPRET", "1")
        torch.set_num_threads(1)


def run_here(case, folder, args):
    """Rows of a case, in this process."""
    if args.device == "cpu":
        return run_case(case, folder, args)
    import torch

    torch.backends.cuda.matmul.allow_tf32 = args.tf32
    # the library queues on the stream that it is made on; the default one cannot be captured
    with torch.cuda.stream(torch.cuda.Stream()):
        return run_case(case, folder, args)


class NoEnd(Missing):
    """A case that was ended."""


def run_apart(case, folder, args, limit):
    """Rows of a case, from a process of its own: an error that the device keeps, or a hang, ends that process alone."""
    result = folder / "rows.json"
    result.unlink(missing_ok=True)
    command = [sys.executable, __file__, *sys.argv[1:], "--work", folder.parent, "--case", case.name]
    if args.sanitize:
        # the status of a process in which it found something
        command = ["compute-sanitizer", "--tool", args.sanitize, "--error-exitcode", str(FOUND), *command]
    try:
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise NoEnd(f"no end after {limit:.0f} seconds") from None
    if args.sanitize and done.returncode == FOUND:
        raise Missing(f"{args.sanitize} of compute-sanitizer found errors: {done.stdout[-2000:].strip()}")
    if not result.exists():
        raise Missing(f"its process ended with {done.returncode}")
    return json.loads(result.read_text())


def line_of(row):
    """What is printed when a case ends."""
    shown = lambda part: "".join(f" {name} {time * 1000:.1f}" for name, time in row[part].items())
    parts = "; ".join(f"{part}{shown(part)} us" for part in ("forward", "step") if row[part])
    return f"{row['case']} region {row['region']}: error {row['errors']['lotrc']:.1e} {parts} ({row['seconds']:.0f} s)"


def emit_all(cases, work, args):
    """The folder of each case; models are large, made again in seconds, and deleted."""
    folders = {case.name: args.folder or emit(case, work, arch_of(args), args) for case in cases}
    for case in cases:
        if has_bordered(case, args):
            try:
                folders[bordered_of(case).name] = emit(bordered_of(case), work, arch_of(args), args)
            except Missing as error:  # the case says so too
                print(f"{bordered_of(case).name}: {error}", file=sys.stderr)
    for case in cases:
        if case.model is None:
            for generated in work.glob(f"{case.source}.lotr.onnx*"):
                generated.unlink()
    return folders


def run_all(args, work):
    from report import text, write_json

    rows, failed, left, start = [], 0, [], time.monotonic()
    cases = list(cases_of(args))
    if args.folder:
        cases = [dataclasses.replace(case, model=args.folder) for case in cases]
    folders = emit_all(cases, work, args)
    if args.emit_only:
        print("\n".join(f"emitted {folder}" for folder in folders.values()))
        return True
    unbuilt = {}
    if args.library is None:
        unbuilt = build_all(folders.values(), args.device, arch_of(args))
        for folder, why in unbuilt.items():
            print(f"{folder.name}: {why}", file=sys.stderr)
    if args.build_only:
        return not unbuilt
    machine = machine_of(args.device)

    def rows_of(case):
        began = time.monotonic()
        rest = args.total - (began - start) if args.timed else args.limit
        if rest <= 0:
            left.append(case.name)
            return [], None
        try:
            apart = (args.device == "cuda" or args.sanitize) and args.folder is None
            folder = folders[case.name]
            found = run_apart(case, folder, args, min(args.limit, rest)) if apart else run_here(case, folder, args)
            return [row | {"seconds": time.monotonic() - began} for row in found], None
        except (Missing, RuntimeError) as error:
            # what PyTorch and the library raise too: no memory, a device that is lost
            if isinstance(error, NoEnd) and rest < args.limit:
                left.append(case.name)
                return [], None
            return [], f"{case.name}: {error}"

    # what is timed has the device to itself
    at_once = concurrent.futures.ThreadPoolExecutor(8 if args.device == "cuda" and not args.timed else 1)
    for found, wrong in at_once.map(rows_of, cases):
        failed += wrong is not None
        if wrong is not None:
            print(wrong, file=sys.stderr, flush=True)
        rows += found
        for row in found:
            print(line_of(row), flush=True)
        if args.json and found:
            write_json(args.json, rows, machine)
    if rows:
        print(text(rows, machine))
    if left:
        print(f"\nleft out, because {args.total} seconds were over (--total): {', '.join(left)}")
    return failed == 0 and all(row["good"] for row in rows)


def run_one(args, work):
    """The case of that name alone: rows.json in its folder has its rows."""
    (case,) = (case for case in cases_of(args) if case.name == args.case)
    folder = emit(case, work, arch_of(args), args)
    rows = run_here(case, folder, args)
    (folder / "rows.json").write_text(json.dumps(rows))
    return True


def main():
    args = parse()
    work = args.work or pathlib.Path(tempfile.mkdtemp(prefix="lotrc-gpu-"))
    try:
        check_machine(args)
        work.mkdir(parents=True, exist_ok=True)
        good = run_one(args, work) if args.case else run_all(args, work)
    except Missing as error:
        sys.exit(str(error))
    finally:
        if args.work is None:
            shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
