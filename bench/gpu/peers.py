"""What emitted layers are timed beside, all in one type: forms of the adapter in PyTorch and in Triton."""
import torch


def _base(layer, tensors, x):
    w = tensors[layer["weight"]].to(x)
    w = w.T if layer["stored"] == "oi" else w
    bias = tensors[layer["bias"]].to(x).reshape(-1) if layer["bias"] else None
    return w, bias


def textbook(row, weights, factors, x):
    """y = x W + b + s (x R M) L, as it is written."""
    ys = []
    for layer in row["layers"]:
        w, bias = _base(layer, weights, x)
        delta = x
        for name in layer["factors"]:
            delta = delta @ factors[name].to(x)
        y = x @ w + row["scale"] * delta
        ys.append(y if bias is None else y + bias)
    return ys


def addmm(row, weights, factors, x):
    """x R once for the layers that share R; scale and sum in one addmm on the base product."""
    shared, ys = {}, []
    for layer in row["layers"]:
        w, bias = _base(layer, weights, x)
        first, *rest = layer["factors"]
        if first not in shared:
            shared[first] = x @ factors[first].to(x)
        delta = shared[first]
        for name in rest[:-1]:
            delta = delta @ factors[name].to(x)
        y = x @ w if bias is None else torch.addmm(bias, x, w)
        ys.append(torch.addmm(y, delta, factors[rest[-1]].to(x), alpha=row["scale"]))
    return ys


def triton_layers(row, weights, factors, x):
    import triton_peer

    return triton_peer.layers(x, row["scale"], _triton_rows(row, weights, factors, x))


def fused_layers(row, weights, factors, x):
    import triton_peer
    from triton_persistent import expand

    return triton_peer.layers(x, row["scale"], _triton_rows(row, weights, factors, x), expand)


def _triton_rows(row, weights, factors, x):
    return [(*_base(layer, weights, x), [factors[name] for name in layer["factors"]]) for layer in row["layers"]]


def peers(names):
    """Functions (row, weights, factors, x) -> ys by name, and why others are left out."""
    found, why = {}, {}
    for name in names:
        if name == "torch":
            found[name] = textbook
        elif name == "addmm":
            found[name] = addmm
        elif name == "compiled":
            # one compilation for each shape of region
            compiled = {}
            found[name] = lambda row, *rest, compiled=compiled: compiled.setdefault(
                id(row), torch.compile(lambda *given: textbook(row, *given), dynamic=False))(*rest)
        elif name in ("triton", "fused"):
            try:
                import triton_peer  # noqa: F401

                found[name] = triton_layers if name == "triton" else fused_layers
            except Exception as error:  # a broken installation may raise anything
                why[name] = f"no Triton: {type(error).__name__}: {error}"
    return found, why


class Base:
    """The layers without adapters: products of PyTorch, which are cuBLAS's."""

    def product(self, x, w, bias=None, out=None):
        """x w + bias, or x w added to `out`."""
        if out is not None:
            return out.addmm_(x, w)
        return x @ w if bias is None else torch.addmm(bias, x, w)

    def forward(self, row, weights, x):
        return [self.product(x, w, bias=bias) for w, bias in (_base(layer, weights, x) for layer in row["layers"])]

    def backward(self, row, weights, x, dys):
        """The gradient of x."""
        total = None
        for layer, dy in zip(row["layers"], dys):
            w, _ = _base(layer, weights, x)
            total = self.product(dy, w.T, out=total)
        return total


class PersistentBase(Base):
    """The same in a persistent kernel."""

    def product(self, x, w, bias=None, out=None):
        from triton_persistent import expand

        return expand(x, w, bias=bias, out=out)


def bases(names, problem):
    """Ways to compute the layers without adapters by name, the largest error of each that is not cuBLAS, and why others are left out."""
    found, errors, why = {"base": Base()}, {}, {}
    if "persistent" in names:
        from checks import base_error

        try:
            errors["persistent"] = base_error(PersistentBase(), problem)
            found["persistent"] = PersistentBase()
        except Exception as error:  # no Triton, or matrices that its descriptors do not take
            why["persistent"] = f"{type(error).__name__}: {str(error).strip()[:200]}"
    return found, errors, why
