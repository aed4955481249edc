"""The adapted layers of this folder as a PyTorch module. Written by lotrc.

Build the library as a shared one and load it:

    cmake -B build -DBUILD_SHARED_LIBS=ON && cmake --build build
    host = Adapters("build/liblotrc_adapters.so", tokens=1024)   # most rows of x
    host.load("model.lotr.safetensors")         # the factors of an adapter file
    host.patch(model)                           # its modules at the paths of REGIONS, and their weights
    ...
    host.save("tuned.safetensors")              # an adapter file again, for lotrc merge and lotrc apply

or, in a program that calls the layers itself:

    host.set_weights({name: tensor, ...})       # every name of WEIGHTS
    host.set_factors({name: tensor, ...})       # names of FACTORS
    q, k = host(0, x)                           # the layers of REGIONS[0], x is [..., in], of the type of the layers

host.parameters() are the factors; autograd gives their gradients and that of x. Frozen weights and the factors of FROZEN
get none. torch.optim.AdamW(host.parameter_groups(lr)) heeds the multipliers of LR_MULTIPLIERS. Factors that
an optimizer changes are seen; what is written through parameter.data is seen after host.reload().
"""
import contextlib
import ctypes
import itertools
import json
import os
import sys
import types
import weakref

import torch

# shape of every buffer; "M": the number of tokens
BUFFERS = {
    "P_0": ["M", 3],
    "x_0": ["M", 17],
    "A_0_0": [17, 3],
    "W_0": [11, 17],
    "B_0": [3, 11],
    "y_0": ["M", 11],
    "dP_0": ["M", 3],
    "dy_0": ["M", 11],
    "dB_0": [3, 11],
    "dA_0_0": [17, 3],
    "dx_0": ["M", 17],
}
# type of the buffers that are not float32
TYPES = {
}
# bytes of which an address is a multiple that the library is given
ALIGNMENT = 16
# place of every factor: [buffer, offset, rows, columns, elements from row to row]
FACTORS = {
    "lora/o/A": [["A_0_0", 0, 17, 3, 3]],
    "lora/o/B": [["B_0", 0, 3, 11, 11]],
}
# shape of every frozen weight and bias, as the model stores it
WEIGHTS = {
    "o.weight": [11, 17],
}
# the gradient of every buffer of factors
GRADIENTS = {
    "B_0": "dB_0",
    "A_0_0": "dA_0_0",
}
# factors that are not trained
FROZEN = [
]
# what multiplies the learning rate of a factor; others: 1
LR_MULTIPLIERS = {
}
# layers that read one x together; a weight stored "oi" is (out, in)
REGIONS = [
    {"x": "x_0", "y": ["y_0"], "dy": ["dy_0"], "dx": "dx_0", "kept": "P_0", "scale": 0.3333333333333333, "layers": [{"name": "o", "weight": "o.weight", "stored": "oi", "bias": None, "factors": ["lora/o/A", "lora/o/B"]}], "factors": ["lora/o/A", "lora/o/B"]},
]
# what adapter files for the model agree in, where each row of their plans says it ("*": each entry of a list), and what
AGREED = [
    {"name": "method", "at": [["spec", "delta"]], "is": [["ir,ro->io"]]},
    {"name": "rank", "at": [["groups", "*", "rank"]], "is": [[[3]]]},
    {"name": "scale", "at": [["spec", "scale"], ["spec", "scaling"]], "is": [[1, "rank"]]},
    {"name": "seed", "at": [["seed"]], "is": [[0]]},
]

# number of each factor
NUMBERS = {name: number for number, name in enumerate(FACTORS)}
_NEVER = (None, None)


class _Memory:
    """Device memory as PyTorch takes it without a copy."""

    def __init__(self, address, count, kind):
        self.__cuda_array_interface__ = {"shape": (count,), "typestr": kind, "data": (address, False), "version": 3}


def _type(name):
    """Type of the elements of a buffer."""
    return getattr(torch, TYPES.get(name, "float32"))


def _said(value, path):
    if not path:
        return value
    key, *rest = path
    return [_said(one, rest) for one in value] if key == "*" else _said(value[key], rest)


def _others(plan):
    """In what the plan of an adapter file does not agree with the library: in everything where there is none."""

    def same(row):
        try:
            return [[_said(one, path) for path in row["at"]] for one in json.loads(plan)["plans"]] == row["is"]
        except (KeyError, TypeError, ValueError):
            return False

    return [row["name"] for row in AGREED if not same(row)]


def _extents(shape):
    """A shape without axes of length 1: a bias may have some."""
    return [extent for extent in shape if extent != 1]


def _state(factor):
    """What differs after a factor has changed."""
    return factor.data_ptr(), factor._version


def _aligned(tensor):
    """The tensor, dense, where the library can read it."""
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % ALIGNMENT == 0 else tensor.clone()


def _address(stream):
    """A stream as the library takes it."""
    return ctypes.c_void_p(None if stream is None else stream.cuda_stream)


def _addresses(tensors):
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


class Adapters(torch.nn.Module):
    """Runs the regions of the plan on up to `tokens` rows of x. `device`: "cuda", or "cpu" for a library built without CUDA."""

    def __init__(self, library, tokens, device="cuda"):
        super().__init__()
        self._device = torch.device(device)
        if self._device.type == "cuda" and self._device.index is None:
            self._device = torch.device("cuda", torch.cuda.current_device())
        if not 0 < tokens < 2**32:
            raise ValueError(f"tokens is {tokens}, not a number from 1 on")
        self._tokens = tokens
        self._library = ctypes.CDLL(str(library))
        self._library.lotrc_message.restype = ctypes.c_char_p
        self._handle = ctypes.c_void_p()
        self._stream = None
        with self._guard():
            self._stream = self._current_stream()
            self._check(self._library.lotrc_create(ctypes.byref(self._handle), ctypes.c_uint32(tokens), _address(self._stream)))
        # width and type of x of each region
        self._inputs = [(BUFFERS[row["x"]][1], _type(row["x"])) for row in REGIONS]
        self._views = {}
        # tensors whose memory the library reads
        self._bound = {}
        self.factors = torch.nn.ParameterList(
            torch.nn.Parameter(torch.zeros(rows, columns, device=self._device), requires_grad=name not in FROZEN)
            for name, ((_, _, rows, columns, _), *_) in FACTORS.items()
        )
        self._loaded = {}
        # the graph that loads them, each time it runs; 0: they were loaded at once
        self._graph = 0
        # names of the factors that nothing has given yet
        self._missing = set(FACTORS)
        # metadata and tensors of the adapter file that was loaded
        self._file = None
        # how often factors have been loaded
        self._generation = 0
        # gradients of the factors flow through it, to where they are finished once
        self._token = None
        # that of a whole model, while torch.compile traces its forward pass
        self._whole = None
        # lives as long as the backward pass that sums gradients in the library
        self._summing = None
        self._number = next(_SHARED.numbers)
        _SHARED.hosts[self._number] = self

    def _guard(self):
        """Makes the device current."""
        return torch.cuda.device(self._device) if self._device.type == "cuda" else contextlib.nullcontext()

    def _current_stream(self):
        return torch.cuda.current_stream(self._device) if self._device.type == "cuda" else None

    def _enter(self):
        """Queues what follows on the current stream, after what was queued on another."""
        stream = self._current_stream()
        if stream == self._stream:
            return
        # a graph is captured after everything else has ended
        if not torch.cuda.is_current_stream_capturing():
            stream.wait_stream(self._stream)
        self._stream = stream
        self._check(self._library.lotrc_set_stream(self._handle, _address(stream)))

    def _check(self, status):
        if status != 0:
            message = self._library.lotrc_message(self._handle)
            raise RuntimeError(f"lotrc status {status}: {(message or b'').decode()}")

    def _view(self, name):
        """The memory of the library for a buffer, as a tensor."""
        if name in self._views:
            return self._views[name]
        address, count = ctypes.c_void_p(), ctypes.c_size_t()
        self._check(
            self._library.lotrc_buffer(self._handle, name.encode(), ctypes.byref(address), ctypes.byref(count), None)
        )
        # numpy has no bfloat16: whole numbers of the same size, looked at as what they are
        kind, integer = ("<i2", ctypes.c_int16) if name in TYPES else ("<i4", ctypes.c_int32)
        if self._device.type == "cuda":
            flat = torch.as_tensor(_Memory(address.value, count.value, kind), device=self._device)
        else:
            memory = (integer * count.value).from_address(address.value)
            flat = torch.frombuffer(memory, dtype=torch.int16 if name in TYPES else torch.int32)
        shape = [self._tokens if extent == "M" else extent for extent in BUFFERS[name]]
        self._views[name] = flat.view(_type(name)).view(shape)
        return self._views[name]

    def _part(self, buffer, offset, rows, columns, stride):
        return self._view(buffer).reshape(-1).as_strided((rows, columns), (stride, 1), offset)

    def set_weights(self, tensors):
        """Frozen weights and biases by name, laid out as the model stores them. Those on the device in the type of the layers are used
        where they are; of others a copy is made."""
        for name, shape in WEIGHTS.items():
            if name not in tensors:
                raise KeyError(f"no tensor {name}")
            self._set_weight(name, shape, tensors[name])

    def _set_weight(self, name, shape, tensor):
        if _extents(tensor.shape) != _extents(shape):
            raise ValueError(f"{name} is {shape[0]} x {shape[1]}, not {tuple(tensor.shape)}")
        with self._guard(), torch.no_grad():
            self._enter()
            data = _aligned(tensor.detach().to(self._device, _type(REGIONS[0]["x"])))
            self._check(self._library.lotrc_bind(self._handle, name.encode(), ctypes.c_void_p(data.data_ptr())))
            self._bound[name] = data

    def set_factors(self, tensors):
        """Factors by name, any of them. Layers run when all have been given."""
        # all are checked before the first is written
        for name, tensor in tensors.items():
            if name not in NUMBERS:
                raise KeyError(f"there is no factor {name}")
            if tuple(tensor.shape) != tuple(self.factor(name).shape):
                raise ValueError(f"{name} is {tuple(self.factor(name).shape)}, not {tuple(tensor.shape)}")
        with torch.no_grad():
            for name, tensor in tensors.items():
                self.factor(name).copy_(tensor)
        self._missing -= set(tensors)

    def load(self, path):
        """Takes the factors of an adapter file, which lotrc rewrite writes next to a model, and lotrc train. It must have those that are trained;
        factors that follow from the seed are in the model alone: set_factors. Returns the names of the file's other tensors, such as
        weights that were trained in full: they are not used here, and save writes them again as they are. Needs the package safetensors."""
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        others = _others(metadata.get("lotrc.adapters"))
        if others:
            raise ValueError(
                f"{path} has another {' and '.join(others)} than the adapters of this library: convert it with lotrc convert, or emit "
                "the library from the model that lotrc apply makes of it"
            )
        absent = [name for name in FACTORS if name not in FROZEN and name not in tensors]
        if absent:
            raise KeyError(f"{path} has no factor {absent[0]}")
        self.set_factors({name: tensor for name, tensor in tensors.items() if name in NUMBERS})
        self._file = metadata, tensors
        return [name for name in tensors if name not in NUMBERS]

    def save(self, path):
        """Writes the file that load has read, with the factors as they are now: an adapter file, which lotrc merge and lotrc apply take. It
        appears whole or not at all."""
        from safetensors.torch import save_file

        if self._file is None:
            raise RuntimeError("save writes the file that load has read, with other factors: load the one that lotrc rewrite wrote")
        metadata, tensors = self._file
        now = {
            name: self.factor(name).detach().to("cpu", tensor.dtype).contiguous() if name in NUMBERS else tensor
            for name, tensor in tensors.items()
        }
        part = f"{path}.part"
        try:
            save_file(now, part, metadata)
            os.replace(part, path)
        finally:
            if os.path.exists(part):
                os.remove(part)

    def factor(self, name):
        """The parameter of that name."""
        return self.factors[NUMBERS[name]]

    def parameter_groups(self, lr):
        """What an optimizer takes: the trained factors by learning rate, lr times the multiplier of each."""
        groups = {}
        for name, parameter in zip(FACTORS, self.factors):
            if name not in FROZEN:
                groups.setdefault(LR_MULTIPLIERS.get(name, 1), []).append(parameter)
        return [{"params": parameters, "lr": lr * multiplier} for multiplier, parameters in groups.items()]

    def patch(self, model):
        """Puts the layers of the library in the place of the modules at their paths (nn.Linear, Conv1D of transformers) and takes their
        weights. The first that is called of those that read one x computes all of them. Returns the model."""
        found = _modules_of(model, [layer["name"] for row in REGIONS for layer in row["layers"]])
        reading = {}
        for region, row in enumerate(REGIONS):
            reading.setdefault(row["dx"] or row["x"], []).append(region)
        for regions in reading.values():
            siblings = _Siblings(self, regions)
            layers = [layer for region in regions for layer in REGIONS[region]["layers"]]
            for place, layer in enumerate(layers):
                path, module = found[layer["name"]]
                # (in, out) as Conv1D stores it, or (out, in)
                turned = (layer["stored"] == "io") != (type(module).__name__ == "Conv1D")
                weight = module.weight.detach()
                self._set_weight(layer["weight"], WEIGHTS[layer["weight"]], weight.T if turned else weight)
                if layer["bias"]:
                    if module.bias is None:
                        raise ValueError(f"{path} has no bias")
                    self._set_weight(layer["bias"], WEIGHTS[layer["bias"]], module.bias)
                parent, _, own = path.rpartition(".")
                setattr(model.get_submodule(parent), own, _Layer(siblings, place, module))
        model.register_forward_pre_hook(lambda *_: self._begin_whole())
        model.register_forward_hook(lambda *_: self._end_whole())
        return model

    def _begin_whole(self):
        if torch.compiler.is_compiling():
            self._whole = torch.ops.lotrc.factors(list(self.factors), self._number)

    def _end_whole(self):
        self._whole = None

    def forward(self, region, x):
        """y of every layer of a region, as a tuple; x is [..., in] with at most as many rows as the library has tokens."""
        if not isinstance(region, int) or not 0 <= region < len(REGIONS):
            raise IndexError(f"there is no region {region!r}, only 0 to {len(REGIONS) - 1}")
        return self._layers([region], x)

    def _layers(self, regions, x):
        """y of every layer of regions that read one x."""
        if self._missing:
            raise RuntimeError(f"the factor {min(self._missing)} has no numbers yet: load an adapter file, or set_factors")
        width, kind = self._inputs[regions[0]]
        if not isinstance(x, torch.Tensor) or x.layout != torch.strided:
            raise TypeError("x must be a dense tensor")
        if x.dtype != kind and x.is_floating_point() and torch.is_autocast_enabled(self._device.type):
            x = x.to(kind)
        if x.dtype != kind or x.device != self._device:
            raise TypeError(f"x must be {kind} on {self._device}, not {x.dtype} on {x.device}")
        if x.dim() == 0 or x.shape[-1] != width or x.numel() > self._tokens * width:
            raise ValueError(f"x must have at most {self._tokens} rows of {width}, not the shape {tuple(x.shape)}")
        flat = x.reshape(-1, width)
        token = self._token_now([name for region in regions for name in REGIONS[region]["factors"]])
        found = torch.ops.lotrc.forward(flat, token, self._number, regions)
        layers = sum(len(REGIONS[region]["y"]) for region in regions)
        return tuple(y.reshape(*x.shape[:-1], y.shape[-1]) for y in found[:layers])

    def reload(self):
        """Loads all factors again before the next pass: to be called after changes that autograd does not see."""
        self._loaded = {}

    def _graph_now(self):
        """The number of the graph that calls are captured in; 0: they run at once."""
        number = ctypes.c_uint64()
        with self._guard():
            if self._device.type == "cuda" and torch.cuda.is_current_stream_capturing():
                self._enter()
                self._check(self._library.lotrc_graph(self._handle, ctypes.byref(number)))
        return number.value

    def _token_now(self, names):
        """A token of the factors as they are now, loaded."""
        if torch.compiler.is_compiling():
            return torch.ops.lotrc.factors(list(self.factors), self._number) if self._whole is None else self._whole
        same = self._graph_now() == self._graph
        same = same and all(self._loaded.get(name, _NEVER)[:2] == _state(self.factors[NUMBERS[name]]) for name in names)
        flows = self._token is not None and (self._token.requires_grad or not torch.is_grad_enabled())
        if not same or not flows:
            self._token = torch.ops.lotrc.factors(list(self.factors), self._number)
        return self._token

    def _load(self, factors):
        """Copies factors that have changed into the buffers, and gives the number of that. Each graph copies all, as they are when it runs."""
        graph, pairs = self._graph_now(), list(zip(FACTORS, factors))
        changed = [(name, factor) for name, factor in pairs if self._loaded.get(name, _NEVER)[:2] != _state(factor)]
        loading = changed if graph == self._graph else pairs
        if loading:
            with self._guard(), torch.no_grad():
                self._enter()
                parts, sources = [], []
                for name, factor in loading:
                    for place in FACTORS[name]:
                        parts.append(self._part(*place))
                        sources.append(factor.detach().reshape(parts[-1].shape))
                    # the tensor is kept too: while it lives, no other takes its place in memory
                    self._loaded[name] = (*_state(factor), factor.detach())
                # few launches for many factors
                torch._foreach_copy_(parts, sources)
                self._check(self._library.lotrc_changed(self._handle))
            self._graph = graph
        self._generation += bool(changed)
        return self._generation

    def _empty(self, buffer, rows):
        """Room for so many rows of a buffer."""
        return torch.empty(rows, BUFFERS[buffer][1], dtype=_type(buffer), device=self._device)

    def _kept(self, regions, rows):
        """Room for what the regions keep for their backward passes."""
        kept = [REGIONS[region]["kept"] for region in regions]
        return [torch.empty(0, device=self._device) if name is None else self._empty(name, rows) for name in kept]

    def _outputs(self, regions, rows):
        """Room for what lotrc::forward returns: y of all layers, then what is kept."""
        ys = [self._empty(name, rows) for region in regions for name in REGIONS[region]["y"]]
        return [*ys, *self._kept(regions, rows)]

    def _forward(self, regions, x):
        rows = x.shape[0]
        found = self._outputs(regions, rows)
        if rows == 0:
            return found
        ys, kept = found[: -len(regions)], found[-len(regions) :]
        with self._guard():
            self._enter()
            x, at = _aligned(x), 0
            for region, own in zip(regions, kept):
                count = len(REGIONS[region]["y"])
                self._run("forward_at", region, rows, x.data_ptr(), _addresses(ys[at : at + count]), own.data_ptr() or None)
                at += count
        return found

    def _backward(self, regions, x, kept, dys, generation):
        """dx of regions that read one x; their shares in the gradients of the factors are summed in the library."""
        if generation != self._generation:
            raise RuntimeError("factors have changed, and been used, since the forward pass of a region")
        rows, dx, at, added = x.shape[0], torch.empty_like(x, memory_format=torch.contiguous_format), 0, 0
        if rows == 0:
            return dx
        with self._guard():
            self._enter()
            self._sum()
            x = _aligned(x)
            for region, own in zip(regions, kept):
                row = REGIONS[region]
                given = [_aligned(dy) for dy in dys[at : at + len(row["y"])]]
                kept_at = own.data_ptr() or None
                self._run("backward_at", region, rows, x.data_ptr(), _addresses(given), dx.data_ptr(), added, kept_at)
                at += len(row["y"])
                added = 1
        return dx[: x.shape[0]]

    def _run(self, function, region, rows, x, *rest):
        rest = [ctypes.c_void_p(part) if isinstance(part, int) and part > 1 else part for part in rest]
        call = getattr(self._library, f"lotrc_{function}")
        self._check(call(self._handle, ctypes.c_uint32(region), ctypes.c_uint32(rows), ctypes.c_void_p(x), *rest))

    def _sum(self):
        """Begins the sums of gradients, unless a region of this backward pass has begun them."""
        if self._summing is None or self._summing() is None:
            self._check(self._library.lotrc_clear_gradients(self._handle))

            def ended():
                """Nothing is left to do. The pass keeps this function until it ends, also when it fails."""

            torch.autograd.Variable._execution_engine.queue_callback(ended)
            self._summing = weakref.ref(ended)

    def _like(self):
        """Room for what lotrc::gradients returns: every buffer of gradients."""
        return [torch.empty(BUFFERS[name], device=self._device) for name in GRADIENTS.values()]

    def _gradients(self):
        """Gradients of all factors from the sums, which begin again after that: a copy of every buffer."""
        self._token = None
        if self._summing is None:
            # regions of no rows have no share
            return [like.zero_() for like in self._like()]
        self._summing = None
        with self._guard():
            self._enter()
            self._check(self._library.lotrc_gradients(self._handle))
            return [self._view(name).clone() for name in GRADIENTS.values()]

    def _of_factors(self, copies):
        """Gradients of factors from those of buffers; None for factors that are not trained."""
        buffers, found = dict(zip(GRADIENTS, copies)), []
        for (name, places), factor in zip(FACTORS.items(), self.factors):
            if name in FROZEN:
                found.append(None)
                continue
            parts = [
                buffers[buffer].reshape(-1).as_strided((rows, columns), (stride, 1), offset)
                for buffer, offset, rows, columns, stride in places
            ]
            found.append(sum(parts[1:], parts[0]).reshape(factor.shape))
        return found

    def __del__(self):
        if getattr(self, "_handle", None):
            self._library.lotrc_destroy(self._handle)
            self._handle = None


class _Siblings:
    """Layers that read one x. The first that is called computes all; each result is taken once."""

    def __init__(self, host, regions):
        self._host, self._regions = host, regions
        self._key, self._left = None, {}

    def __call__(self, place, x):
        key = (x, x._version, torch.is_grad_enabled()) if not torch.compiler.is_compiling() else (x, 0, True)
        same = self._key is not None and self._key[0] is x and self._key[1:] == key[1:]
        if not same or place not in self._left:
            self._left = dict(enumerate(self._host._layers(self._regions, x)))
            self._key = key
        y = self._left.pop(place)
        if not self._left:
            self._key = None
        return y


class _Layer(torch.nn.Module):
    """In the place of a module of a model, with its parameters under their names."""

    def __init__(self, siblings, place, module):
        super().__init__()
        self._siblings, self._place = siblings, place
        self.weight, self.bias = module.weight, module.bias
        for name in ("in_features", "out_features", "nf", "nx"):
            if hasattr(module, name):
                setattr(self, name, getattr(module, name))

    def forward(self, x):
        return self._siblings(self._place, x)


def _modules_of(model, names):
    """(path, module) by the name of a layer. The names may have a prefix more, or less, than the paths of the model: one for all."""
    modules = dict(model.named_modules())
    first = names[0]
    candidates = [lambda name: name]
    for path in modules:
        if path.endswith(f".{first}"):
            candidates.append(lambda name, more=path[: -len(first)]: more + name)
        if path and first.endswith(f".{path}"):
            candidates.append(lambda name, less=len(first) - len(path): name[less:])
    for path_of in candidates:
        if all(path_of(name) in modules for name in names):
            found = {name: (path_of(name), modules[path_of(name)]) for name in names}
            for path, module in found.values():
                if not isinstance(module, torch.nn.Linear) and type(module).__name__ != "Conv1D":
                    raise TypeError(f"{path} is a {type(module).__name__}, not a Linear or Conv1D")
            return found
    missing = [name for name in names if name not in modules]
    raise KeyError(f"the model has no module {missing[0]}")


# What every module like this one shares in a process: operators are registered once, and find their host by its number.
_SHARED = sys.modules.setdefault("lotrc_shared", types.ModuleType("lotrc_shared"))


def _register():
    """The operators of PyTorch: with them torch.compile takes a model as it is."""
    _SHARED.hosts, _SHARED.numbers = weakref.WeakValueDictionary(), itertools.count()
    hosts, calls, Tensor = _SHARED.hosts, itertools.count(), torch.Tensor

    @torch.library.custom_op("lotrc::factors", mutates_args=())
    def factors(factors: list[Tensor], host: int) -> Tensor:
        # on the CPU, where its number is read without waiting for a device
        return torch.tensor(float(hosts[host]._load(factors)), dtype=torch.float64)

    @torch.library.custom_op("lotrc::forward", mutates_args=())
    def forward(x: Tensor, token: Tensor, host: int, regions: list[int]) -> list[Tensor]:
        return hosts[host]._forward(regions, x)

    # `call` differs for each place of a program: two calls with the same operands count twice
    @torch.library.custom_op("lotrc::backward", mutates_args=())
    def backward(
        x: Tensor, token: Tensor, kept: list[Tensor], dys: list[Tensor], host: int, regions: list[int], call: int
    ) -> tuple[Tensor, Tensor]:
        return hosts[host]._backward(regions, x, kept, dys, int(token)), torch.zeros((), dtype=torch.float64)

    @torch.library.custom_op("lotrc::gradients", mutates_args=())
    def gradients(after: Tensor, host: int) -> list[Tensor]:
        return hosts[host]._gradients()

    factors.register_fake(lambda factors, host: torch.empty((), dtype=torch.float64))
    forward.register_fake(lambda x, token, host, regions: hosts[host]._outputs(regions, x.shape[0]))
    backward.register_fake(
        lambda x, token, kept, dys, host, regions, call: (torch.empty(x.shape, dtype=x.dtype, device=x.device), torch.empty_like(token))
    )
    gradients.register_fake(lambda after, host: hosts[host]._like())

    def keep_factors(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        # the host keeps the token: a reference to the host would be a cycle
        _, ctx.number = inputs

    def finish(ctx, after):
        if after is None:
            after = torch.zeros((), dtype=torch.float64)
        return hosts[ctx.number]._of_factors(torch.ops.lotrc.gradients(after, ctx.number)), None

    def keep_region(ctx, inputs, output):
        x, token, ctx.number, ctx.regions = inputs
        ctx.set_materialize_grads(False)
        ctx.host = hosts[ctx.number]
        kept = output[-len(ctx.regions) :]
        ctx.shapes = [(y.shape, y.dtype) for y in output[: -len(ctx.regions)]]
        ctx.save_for_backward(x, token, *kept)

    def differentiate(ctx, gradients):
        x, token, *kept = ctx.saved_tensors
        dys = [
            torch.zeros(shape, dtype=kind, device=x.device) if gradient is None else gradient
            for gradient, (shape, kind) in zip(gradients, ctx.shapes)
        ]
        dx, after = torch.ops.lotrc.backward(x, token, kept, dys, ctx.number, ctx.regions, next(calls))
        # autograd counts the regions that have run, and needs no gradient of the token; a compiled program is ordered by it
        traced = type(x) not in (Tensor, torch.nn.Parameter)
        return dx, after if traced else None, None, None

    factors.register_autograd(finish, setup_context=keep_factors)
    forward.register_autograd(differentiate, setup_context=keep_region)


if not hasattr(_SHARED, "hosts"):
    _register()
