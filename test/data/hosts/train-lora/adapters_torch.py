"""The adapted layers of this folder as a PyTorch module. Written by lotrc.

Build the library as a shared one and load it:

    cmake -B build -DBUILD_SHARED_LIBS=ON && cmake --build build
    host = Adapters("build/liblotrc_adapters.so", tokens=1024)
    host.set_weights({name: tensor, ...})       # every name of WEIGHTS
    host.set_factors({name: tensor, ...})       # every name of FACTORS
    q, k = host(0, x)                           # the layers of REGIONS[0], x is [..., in], of the type of its buffer

host.parameters() are the factors; autograd gives their gradients and that of x. Frozen weights and the factors of FROZEN
get none. torch.optim.AdamW(host.parameter_groups(lr)) heeds the multipliers of LR_MULTIPLIERS. Factors that
an optimizer changes are seen; what is written through parameter.data is seen after host.reload().
"""
import ctypes
import weakref

import torch
from torch.autograd.function import once_differentiable

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
    "parts_of_factors": [102],
}
# type of the buffers that are not float32
TYPES = {
}
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
    {"x": "x_0", "y": ["y_0"], "dy": ["dy_0"], "dx": "dx_0", "scale": 0.3333333333333333, "layers": [{"name": "o", "weight": "o.weight", "stored": "oi", "bias": None, "factors": ["lora/o/A", "lora/o/B"]}], "factors": ["lora/o/A", "lora/o/B"]},
]


class _Memory:
    """Device memory as PyTorch takes it without a copy."""

    def __init__(self, address, count, kind):
        self.__cuda_array_interface__ = {"shape": (count,), "typestr": kind, "data": (address, False), "version": 3}


def _type(name):
    """Type of the elements of a buffer."""
    return getattr(torch, TYPES.get(name, "float32"))


def _extents(shape):
    """A shape without axes of length 1: a bias may have some."""
    return [extent for extent in shape if extent != 1]


class Adapters(torch.nn.Module):
    """Runs the regions of the plan on `tokens` rows of x. `device`: "cuda", or "cpu" for a library built without CUDA."""

    def __init__(self, library, tokens, device="cuda"):
        super().__init__()
        self._device = torch.device(device)
        if not 0 < tokens < 2**32:
            raise ValueError(f"tokens is {tokens}, not a number from 1 on")
        self._tokens = tokens
        self._library = ctypes.CDLL(str(library))
        self._library.lotrc_message.restype = ctypes.c_char_p
        self._handle = ctypes.c_void_p()
        self._stream = self._current_stream()
        self._check(self._library.lotrc_create(ctypes.byref(self._handle), ctypes.c_uint32(tokens), ctypes.c_void_p(self._stream)))
        self._views = {name: self._view(name) for name in BUFFERS}
        # how often the forward pass of each region has run: its backward pass reads what the last one left
        self._passes = [0] * len(REGIONS)
        self.factors = torch.nn.ParameterList(
            torch.nn.Parameter(torch.zeros(rows, columns, device=self._device), requires_grad=name not in FROZEN)
            for name, ((_, _, rows, columns, _), *_) in FACTORS.items()
        )
        self._loaded = {}
        # how often factors have been loaded
        self._generation = 0
        # gradients of the factors flow through it, to where they are finished once
        self._token = None
        # lives as long as the backward pass that sums gradients in the library
        self._summing = None

    def _current_stream(self):
        return torch.cuda.current_stream(self._device).cuda_stream if self._device.type == "cuda" else None

    def _check(self, status):
        if status != 0:
            message = self._library.lotrc_message(self._handle)
            raise RuntimeError(f"lotrc status {status}: {(message or b'').decode()}")

    def _view(self, name):
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
        flat = flat.view(_type(name))
        return flat.view([self._tokens if extent == "M" else extent for extent in BUFFERS[name]])

    def _part(self, buffer, offset, rows, columns, stride):
        return self._views[buffer].reshape(-1).as_strided((rows, columns), (stride, 1), offset)

    def set_weights(self, tensors):
        """Frozen weights and biases by name, laid out as the model stores them."""
        for name, shape in WEIGHTS.items():
            if name not in tensors:
                raise KeyError(f"no tensor {name}")
            data = tensors[name].detach().to("cpu", torch.float32).contiguous()
            if _extents(data.shape) != _extents(shape):
                raise ValueError(f"{name} is {shape[0]} x {shape[1]}, not {tuple(data.shape)}")
            pointer = ctypes.cast(data.data_ptr(), ctypes.POINTER(ctypes.c_float))
            self._check(self._library.lotrc_set(self._handle, name.encode(), pointer, ctypes.c_size_t(data.numel())))

    def set_factors(self, tensors):
        """Factors by name."""
        with torch.no_grad():
            for name, parameter in zip(FACTORS, self.factors):
                if name not in tensors:
                    raise KeyError(f"no tensor {name}")
                if tuple(tensors[name].shape) != tuple(parameter.shape):
                    raise ValueError(f"{name} is {tuple(parameter.shape)}, not {tuple(tensors[name].shape)}")
                parameter.copy_(tensors[name])

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

    def forward(self, region, x):
        """y of every layer of a region, as a tuple; x is [..., in] with as many rows as the library has tokens."""
        if not isinstance(region, int) or not 0 <= region < len(REGIONS):
            raise IndexError(f"there is no region {region!r}, only 0 to {len(REGIONS) - 1}")
        held = self._views[REGIONS[region]["x"]]
        shape = held.shape
        if not isinstance(x, torch.Tensor) or x.layout != torch.strided:
            raise TypeError("x must be a dense tensor")
        if x.dtype != held.dtype or x.device != held.device:
            raise TypeError(f"x must be {held.dtype} on {held.device}, not {x.dtype} on {x.device}")
        if x.dim() == 0 or x.shape[-1] != shape[1] or x.numel() != shape[0] * shape[1]:
            raise ValueError(f"x must have {shape[0]} rows of {shape[1]}, not the shape {tuple(x.shape)}")
        if self._current_stream() != self._stream:
            raise RuntimeError("the library runs on the stream on which it was made, and that is not the current one")
        self._load(REGIONS[region]["factors"])
        return _Region.apply(self, region, x, self._token_now())

    def reload(self):
        """Uploads all factors again before the next pass: to be called after changes that autograd does not see."""
        self._loaded = {}

    def _load(self, names):
        """Copies factors into the buffers: all that have changed, if one of these has."""
        if all(self._loaded.get(name, _NEVER)[:2] == _state(self.factors[NUMBERS[name]]) for name in names):
            return
        for name, factor in zip(FACTORS, self.factors):
            if self._loaded.get(name, _NEVER)[:2] == _state(factor):
                continue
            for place in FACTORS[name]:
                self._part(*place).copy_(factor.detach())
            # the tensor is kept too: while it lives, no other takes its place in memory
            self._loaded[name] = (*_state(factor), factor.detach())
        self._generation += 1
        self._token = None
        self._check(self._library.lotrc_changed(self._handle))

    def _token_now(self):
        """The token of the loaded factors; None where they get no gradients."""
        if not torch.is_grad_enabled():
            return None
        if self._token is None:
            self._token = _Factors.apply(self, *self.factors)
        return self._token

    def _sum(self):
        """Begins the sums of gradients, unless a region of this backward pass has begun them."""
        if self._summing is None or self._summing() is None:
            self._check(self._library.lotrc_clear_gradients(self._handle))

            def ended():
                """Nothing is left to do. The pass keeps this function until it ends, also when it fails."""

            torch.autograd.Variable._execution_engine.queue_callback(ended)
            self._summing = weakref.ref(ended)

    def _finish(self):
        """Gradients of all factors from the sums, which begin again after that."""
        self._summing = self._token = None
        self._check(self._library.lotrc_gradients(self._handle))
        copies = {name: self._views[name].clone() for name in GRADIENTS.values()}
        found = []
        for name, places in FACTORS.items():
            if name in FROZEN:
                found.append(None)
                continue
            parts = [
                copies[GRADIENTS[buffer]].reshape(-1).as_strided((rows, columns), (stride, 1), offset)
                for buffer, offset, rows, columns, stride in places
            ]
            found.append(sum(parts[1:], parts[0]))
        return found

    def __del__(self):
        if getattr(self, "_handle", None):
            self._library.lotrc_destroy(self._handle)
            self._handle = None


# number of each factor
NUMBERS = {name: number for number, name in enumerate(FACTORS)}
_NEVER = (None, None)


def _state(factor):
    """What differs after a factor has changed."""
    return factor.data_ptr(), factor._version


class _Factors(torch.autograd.Function):
    """Stands between the factors and the regions: autograd comes here once in a backward pass, after the last region."""

    @staticmethod
    def forward(ctx, host, *factors):
        ctx.set_materialize_grads(False)
        # the token is kept by the host: a reference to it would be a cycle
        ctx.host = weakref.ref(host)
        return torch.empty(0, device=host._device)

    @staticmethod
    @once_differentiable
    def backward(ctx, _):
        return (None, *ctx.host()._finish())


class _Region(torch.autograd.Function):
    @staticmethod
    def forward(ctx, host, region, x, token):
        row = REGIONS[region]
        views = host._views
        views[row["x"]].copy_(x.detach().reshape(views[row["x"]].shape))
        host._check(host._library.lotrc_forward(host._handle, ctypes.c_uint32(region)))
        host._passes[region] += 1
        ctx.host, ctx.region, ctx.run, ctx.shape = host, region, host._passes[region], x.shape
        ctx.generation = host._generation
        ctx.save_for_backward(x)
        return tuple(views[name].clone().reshape(*x.shape[:-1], -1) for name in row["y"])

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):
        host, region = ctx.host, ctx.region
        row, views, library = REGIONS[region], host._views, host._library
        (x,) = ctx.saved_tensors
        if host._generation != ctx.generation:
            raise RuntimeError(f"factors have changed since the forward pass of region {region}")
        host._sum()
        # regions may share the buffer of x
        views[row["x"]].copy_(x.detach().reshape(views[row["x"]].shape))
        if host._passes[region] != ctx.run:
            # another batch went through: what this pass left is made again
            host._check(library.lotrc_forward(host._handle, ctypes.c_uint32(region)))
            host._passes[region] += 1
        for name, gradient in zip(row["dy"], gradients):
            if gradient is None:
                views[name].zero_()
            else:
                views[name].copy_(gradient.reshape(views[name].shape))
        # dx is that of this region alone
        host._check(library.lotrc_begin_inputs(host._handle))
        host._check(library.lotrc_backward(host._handle, ctypes.c_uint32(region)))
        dx = views[row["dx"]].clone().reshape(ctx.shape) if row["dx"] and ctx.needs_input_grad[2] else None
        # autograd counts the regions that have run: the token needs no gradient
        return None, None, dx, None
