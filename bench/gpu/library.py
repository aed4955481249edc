"""Emitted CUDA libraries: written by lotrc, built with nvcc or, to be checked, with g++ for the CPU, and loaded."""
import concurrent.futures
import ctypes
import hashlib
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = "liblotrc_adapters.so"
SHIM = ROOT / "test" / "support" / "cuda-cpu"


class Missing(Exception):
    """Something that this machine lacks, in words for people."""


@dataclass(frozen=True)
class Case:
    """One library: what it is emitted from, and how. `model` is a file, or None for generated layers that read one x."""

    model: object
    inputs: int
    outputs: int
    layers: int
    rank: int
    tokens: int
    dtype: str = "bf16"
    tf32: bool = False
    purpose: str = "train"
    form: str = "split"
    method: str = "lotr"
    bias: bool = False
    blocks: int = 1

    @property
    def kind(self):
        return "tf32" if self.tf32 else self.dtype

    @property
    def source(self):
        """Name of the model."""
        if self.model:
            return re.sub(r"\W+", "-", pathlib.Path(self.model).stem)
        blocks = "" if self.blocks == 1 else f"blocks{self.blocks}-"
        return f"{blocks}{self.inputs}x{self.outputs}-layers{self.layers}-r{self.rank}-{self.method}{'-bias' if self.bias else ''}"

    @property
    def name(self):
        return f"{self.source}-m{self.tokens}-{self.kind}-{self.purpose}-{self.form}"


def run(*command, what):
    """Runs a command without showing what it says; an error shows its last lines."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise Missing(f"{what} needs {command[0]}, which is not on the PATH") from None
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise Missing(f"{what} failed: {' '.join(command[:6])} ... says\n{tail}")
    return done.stdout


def node_script(name):
    """The command of a script of this folder, which `npm run build` makes."""
    script = ROOT / "dist" / "bench" / "gpu" / f"{name}.js"
    if shutil.which("node") is None:
        raise Missing("lotrc is written for Node 20 and there is no node on the PATH: "
                      "emit on another machine (--emit-only --work FOLDER), copy FOLDER and give it with --work")
    if not script.exists():
        raise Missing(f"{script.relative_to(ROOT)} is not there: run `npm ci` (or `npm run build`) in the repository first")
    return ["node", str(script)]


def lotrc(given):
    """How lotrc is started."""
    built = ROOT / "dist" / "cli" / "main.js"
    node_script("layers") if given is None else None
    return given.split() if given else ["node", str(built)]


def emit(case, work, arch, options):
    """The folder of a case below `work`, with its sources; written by lotrc unless it is there."""
    folder = work / case.name
    if options.schedules:
        # another table is another library
        try:
            folder = work / f"{case.name}-{hashlib.sha256(options.schedules.read_bytes()).hexdigest()[:8]}"
        except OSError as error:
            raise Missing(f"the schedules cannot be read: {error}") from None
    if (folder / "tables" / "adapters_torch.py").exists():
        return folder
    model = pathlib.Path(case.model) if case.model else work / f"{case.source}.lotr.onnx"
    if not model.exists():
        if case.model:
            raise Missing(f"there is no model {model}")
        flags = ["--bias"] if case.bias else []
        run(*node_script("layers"), "--in", case.inputs, "--out", case.outputs, "--layers", case.layers, "--rank", case.rank,
            "--blocks", case.blocks, "--method", case.method, *flags, "-o", model, what="generating layers")
    common = ["--arch", arch, "--tokens", case.tokens, "--dtype", case.dtype, *(["--tf32"] if case.tf32 else []),
              *(["--schedules", options.schedules] if options.schedules else [])]
    command = [*lotrc(options.lotrc), "emit", "cuda", model]
    run(*command, "-o", folder, "--for", case.purpose, "--form", case.form, *common, what="lotrc emit cuda")
    # the Python module is written for training: its tables say what a library for serving has as well
    if case.purpose == "train":
        (folder / "tables").mkdir()
        shutil.copy(folder / "adapters_torch.py", folder / "tables")
    else:
        run(*command, "-o", folder / "training", "--for", "train", "--form", "split", *common, what="lotrc emit cuda")
        (folder / "tables").mkdir()
        shutil.copy(folder / "training" / "adapters_torch.py", folder / "tables")
        shutil.rmtree(folder / "training")
    return folder


def build(folder, device, arch):
    """The shared library of an emitted folder; one that is there is used."""
    built = folder / "build" / LIBRARY
    if built.exists():
        return built
    return build_cuda(folder, arch) if device == "cuda" else build_cpu(folder)


def build_all(folders, device, arch):
    """Builds all of them, compilers of all folders at once; says why some have no library."""
    wrong = {}
    with concurrent.futures.ThreadPoolExecutor(max(1, len(list(folders)))) as pool:
        building = {folder: pool.submit(build, folder, device, arch) for folder in folders}
    for folder, made in building.items():
        try:
            made.result()
        except Missing as error:
            wrong[folder] = str(error)
    return wrong


def check_tools(device):
    """Says what is missing before hours of work need it."""
    tool = "nvcc" if device == "cuda" else "g++"
    if shutil.which(tool) is None:
        raise Missing(f"there is no {tool} on the PATH (CUDA toolkit 12 or newer; g++ for --device cpu)")


# compilers that run at once, over all folders
COMPILERS = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)


def build_cuda(folder, arch):
    """What the folder's CMakeLists.txt does, without CMake's search for compilers: each source by one nvcc."""
    target = folder / "build"
    target.mkdir(exist_ok=True)
    hopper = ["-DLOTRC_SM90A"] if arch == "sm_90a" else []
    sources = [folder / "adapters.cu", *sorted((folder / "kernels").glob("*.cu"))]
    if not hopper:
        sources = [source for source in sources if not source.stem.endswith("_warpgroups")]
    objects = [target / f"{source.stem}.o" for source in sources]
    flags = ["-O3", "-std=c++17", f"-arch={arch}", "-Xcompiler", "-fPIC", *hopper, "-I", folder]
    compiled = [COMPILERS.submit(run, "nvcc", *flags, "-c", source, "-o", made, what="the build")
                for source, made in zip(sources, objects)]
    for one in compiled:
        one.result()
    linked = ["-lcublasLt"] if "cublasLt" in (folder / "adapters.cu").read_text() else []
    run("nvcc", "-shared", f"-arch={arch}", "-o", target / LIBRARY, *objects, *linked, what="the build")
    return target / LIBRARY


def build_cpu(folder):
    """The same sources for the CPU: threads are fibers, matrix units are emulated."""
    target = folder / "build"
    target.mkdir(exist_ok=True)
    sources = [folder / "adapters.cu", *sorted((folder / "kernels").glob("*.cu"))]
    text = "#include <cuda_runtime.h>\n" + "".join(f'#include "{source.resolve()}"\n' for source in sources)
    (target / "all.cpp").write_text(text)
    library = target / LIBRARY
    # SHIM_OBJECT: this file is all of the program, and has what the headers define
    run("g++", "-std=c++17", "-O2", "-shared", "-fPIC", "-DSHIM_OBJECT", "-I", folder.resolve(), "-I", SHIM, "-I", SHIM / "blas", "-o", library, target / "all.cpp",
        what="the build for the CPU")
    return library


def tables(folder):
    """The module adapters_torch.py of an emitted folder: a fresh one on each call."""
    path = folder / "tables" / "adapters_torch.py"
    path = path if path.exists() else folder / "adapters_torch.py"
    spec = importlib.util.spec_from_file_location("adapters_torch", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Trained:
    """A library for training. `module` has its tables."""

    def __init__(self, library, module, tokens, device):
        self.module, self.host, self.filled = module, module.Adapters(library, tokens, device), False
        self.set_weights, self.set_factors = self.host.set_weights, self.host.set_factors

    def __call__(self, number, x):
        """Through PyTorch, whose memory the library reads and writes."""
        return self.host(number, x)

    def forget(self):
        """As after a step of an optimizer: all factors have changed."""
        self.host._loaded.clear()

    def fresh(self, number, x):
        """The same after factors have changed."""
        self.forget()
        return self.host(number, x)

    def grad(self, name):
        return self.host.factor(name).grad

    def _fill(self):
        """Numbers in the library's own x and dy: a product of zeros takes less power, and the clock is higher."""
        if not self.filled:
            self.filled = True
            for row in self.module.REGIONS:
                for name in (row["x"], *row["dy"]):
                    if name in self.module.BUFFERS:
                        self.host._view(name).normal_()

    def _do(self, function, *numbers):
        self._fill()
        self.host._enter()
        self.host._check(getattr(self.host._library, f"lotrc_{function}")(self.host._handle, *map(ctypes.c_uint32, numbers)))

    def forward(self, number):
        """The library alone: x stands in its buffer."""
        self._do("forward", number)

    def step(self, number):
        """Forward and backward of the library alone, with what is made of factors that have changed."""
        self._do("changed")
        self._do("clear_gradients")
        self._do("forward", number)
        self._do("begin_inputs")
        self._do("backward", number)
        self._do("gradients")

    def step_all(self):
        """The same of all regions: one pass forward, one backward."""
        self._do("changed")
        self._do("clear_gradients")
        numbers = range(len(self.module.REGIONS))
        for number in numbers:
            self._do("forward", number)
        self._do("begin_inputs")
        for number in reversed(numbers):
            self._do("backward", number)
        self._do("gradients")


class Served(Trained):
    """A library for serving: forward only, over the same tables."""

    def __init__(self, library, module, tokens, device):
        module.BUFFERS = {name: shape for name, shape in module.BUFFERS.items() if re.match("[xy]_", name)}
        super().__init__(library, module, tokens, device)
        self.set_factors = self._set_factors

    def _set_factors(self, tensors):
        for name in self.module.FACTORS:
            data = tensors[name].detach().cpu().float().contiguous()
            pointer = ctypes.cast(data.data_ptr(), ctypes.POINTER(ctypes.c_float))
            count = ctypes.c_size_t(data.numel())
            self.host._check(self.host._library.lotrc_set(self.host._handle, name.encode(), pointer, count))

    def __call__(self, number, x):
        row, view = self.module.REGIONS[number], self.host._view
        self._fill()
        view(row["x"]).copy_(x.detach())
        self.forward(number)
        return tuple(view(name).clone() for name in row["y"])
