"""The emitted PyTorch module on the CPU: what autograd makes of it in each of its uses is held to float64."""
import gc
import sys
import weakref

import torch
from torch.utils.checkpoint import checkpoint

from checks import BOUNDS, error
from library import LIBRARY, build, lotrc, run, tables
from peers import textbook

# q, and k with v, read one x but are regions apart; o reads another, and f has factors of its own
MODEL = """<ir_version: 9, opset_import: ["" : 17]>
g (float[tokens, 24] x, float[tokens, 16] z) => (float[tokens, 16] q, float[tokens, 8] k, float[tokens, 8] v, float[tokens, 24] o)
< float[24,16] "a.q.weight", float[24,8] "a.k.weight", float[24,8] "a.v.weight", float[24,16] "a.o.weight", float[16] "a.q.bias" >
{
  ["/a/q/MatMul"] qm = MatMul (x, "a.q.weight")
  q = Add (qm, "a.q.bias")
  ["/a/k/MatMul"] k = MatMul (x, "a.k.weight")
  ["/a/v/MatMul"] v = MatMul (x, "a.v.weight")
  ["/a/o/Gemm"] o = Gemm <transB = 1> (z, "a.o.weight")
}
"""
TOKENS = 37


def model_text():
    """The model with numbers in its tensors, which nothing reads."""
    text = MODEL
    for name, count in (("a.q.weight", 384), ("a.k.weight", 192), ("a.v.weight", 192), ("a.o.weight", 384), ("a.q.bias", 16)):
        text = text.replace(f'"{name}"', f'"{name}" = {{{", ".join(["1"] * count)}}}', 1)
    return text


def emitted(folder, dtype="f32", form="split", method="lotr"):
    """A host over the library of that model, its tables, weights and factors."""
    source, model, out = folder / "model.onnxtxt", folder / f"{method}.onnx", folder / f"{dtype}-{form}-{method}"
    if not out.exists():
        source.write_text(model_text())
        run(*lotrc(None), "rewrite", source, "--rank", 5, "--method", method, "--target", ".*", "-o", model, what="lotrc rewrite")
        run(*lotrc(None), "emit", "cuda", model, "-o", out, "--for", "train", "--tokens", TOKENS, "--dtype", dtype, "--form", form,
            what="lotrc emit cuda")
    module = tables(out)
    host = module.Adapters(build(out, "cpu", "sm_80"), TOKENS, "cpu")
    draw = torch.Generator().manual_seed(5)
    noise = lambda *shape: torch.randn(*shape, generator=draw)
    weights = {name: noise(*shape) / 5 for name, shape in module.WEIGHTS.items()}
    factors = {name: noise(*factor.shape) / 3 for name, factor in zip(module.FACTORS, host.factors)}
    host.set_weights(weights)
    host.set_factors(factors)
    return host, module, weights


class Net:
    """Calls of regions as a program of PyTorch: `host` runs them, or float64 by the formula."""

    def __init__(self, host, module, weights, exact):
        self.host, self.module, self.exact = host, module, exact
        self.weights = weights
        self.factors = {name: factor.detach().double().requires_grad_() for name, factor in zip(module.FACTORS, host.factors)}

    def __call__(self, region, x):
        if not self.exact:
            return self.host(region, x)
        return textbook(self.module.REGIONS[region], self.weights, self.factors, x)

    def grads(self):
        found = {name: self.factors[name].grad if self.exact else self.host.factor(name).grad for name in self.factors}
        return {name: grad for name, grad in found.items() if grad is not None}

    def leaves(self):
        return list(self.factors.values()) if self.exact else list(self.host.parameters())


def inputs(net, seed=0, rows=TOKENS):
    """An x for each region: regions that read one x have the same."""
    kind = torch.float64 if net.exact else getattr(torch, net.module.TYPES.get(net.module.REGIONS[0]["x"], "float32"))
    held, draw = {}, torch.Generator().manual_seed(seed)
    for row in net.module.REGIONS:
        key = row["dx"]
        if key not in held:
            held[key] = torch.randn(rows, net.module.BUFFERS[row["x"]][1], generator=draw).bfloat16().to(kind).requires_grad_()
    return [held[row["dx"]] for row in net.module.REGIONS]


def loss_of(ys, seed=1):
    """Another weight for every number."""
    draw = torch.Generator().manual_seed(seed)
    return sum((y * torch.randn(y.shape, generator=draw).bfloat16().to(y.dtype)).sum() for y in ys)


def ways():
    """Uses of the module by name: each returns what is compared, from a Net."""

    def plain(net):
        xs = inputs(net)
        ys = [y for region, x in enumerate(xs) for y in net(region, x)]
        loss_of(ys).backward()
        return [*ys, *(x.grad for x in xs), *net.grads().values()]

    def two_passes(net):
        first, second = inputs(net), inputs(net, 7)
        ys = [y for xs in (first, second) for region, x in enumerate(xs) for y in net(region, x)]
        loss_of(ys).backward()
        return [*ys, *(x.grad for x in first + second), *net.grads().values()]

    def in_turn(net):
        xs, others = inputs(net), inputs(net, 7)
        one = loss_of([y for region, x in enumerate(xs) for y in net(region, x)])
        two = loss_of([y for region, x in enumerate(others) for y in net(region, x)], 2)
        one.backward()
        two.backward()
        return [*(x.grad for x in xs + others), *net.grads().values()]

    def twice(net):
        xs = inputs(net)
        loss = loss_of([y for region, x in enumerate(xs) for y in net(region, x)])
        loss.backward(retain_graph=True)
        loss.backward()
        return [*(x.grad for x in xs), *net.grads().values()]

    def one_unused(net):
        xs = inputs(net)
        ys = [net(region, x) for region, x in enumerate(xs)]
        loss_of([y[-1] for y in ys[1:]]).backward()
        return [x.grad for x in xs[1:]] + [grad for grad in net.grads().values() if grad.abs().sum() > 0]

    def checkpointed(reentrant):
        def way(net):
            xs = inputs(net)
            last = len(xs) - 1
            ys = list(net(last, xs[last]))
            for region in range(last):
                part = lambda x, region=region: tuple(2 * y for y in net(region, x))
                ys += checkpoint(part, xs[region], use_reentrant=reentrant)
            ys += net(0, xs[0])
            loss_of(ys).backward()
            return [*ys, *(x.grad for x in xs), *net.grads().values()]

        return way

    def of_inputs(net):
        """Gradients of x alone, then all: sums of the first are not in the second."""
        xs = inputs(net)
        loss = loss_of([y for region, x in enumerate(xs) for y in net(region, x)])
        alone = torch.autograd.grad(loss, list(dict.fromkeys(xs)), retain_graph=True)
        loss.backward()
        return [*alone, *(x.grad for x in xs), *net.grads().values()]

    def after_a_failure(net):
        class Broken(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.clone()

            @staticmethod
            def backward(ctx, gradient):
                raise ArithmeticError

        xs = inputs(net)
        ys = [y for region, x in enumerate([Broken.apply(xs[0]), *xs[1:]]) for y in net(region, x)]
        try:
            loss_of(ys).backward(retain_graph=True)
        except ArithmeticError:
            pass
        for leaf in [*xs, *net.leaves()]:
            leaf.grad = None
        loss_of([y for region, x in enumerate(xs) for y in net(region, x)]).backward()
        return [*(x.grad for x in xs), *net.grads().values()]

    def a_step(net):
        """Factors that an optimizer changes are seen; without gradients the result is the same."""
        optimizer = torch.optim.SGD(net.leaves(), lr=0.01)
        xs = inputs(net)
        for seed in (1, 2):
            optimizer.zero_grad()
            loss_of([y for region, x in enumerate(xs) for y in net(region, x)], seed).backward()
            optimizer.step()
        with torch.no_grad():
            ys = [y for region, x in enumerate(xs) for y in net(region, x)]
        return [*ys, *net.grads().values(), *(leaf.detach().clone() for leaf in net.leaves())]

    def other_rows(net):
        """Fewer rows than the library has room for, none, more axes, and rows with gaps between them."""
        few, none = inputs(net, 3, 5), inputs(net, 4, 0)
        wide = [torch.randn(4, 2, x.shape[1], generator=torch.Generator().manual_seed(9)).bfloat16().to(x.dtype) for x in few]
        wide = [x.transpose(0, 1).requires_grad_() for x in wide]
        ys = [y for xs in (few, none, wide) for region, x in enumerate(xs) for y in net(region, x)]
        loss_of(ys).backward()
        return [*(y for y in ys if y.numel()), *(x.grad for x in few + wide), *net.grads().values()]

    def some_frozen(net):
        for leaf in net.leaves()[::2]:
            leaf.requires_grad_(False)
        found = plain(net)
        for leaf in net.leaves():
            leaf.requires_grad_(True)
        return found

    return {
        "plain": plain, "two passes, one loss": two_passes, "two losses in turn": in_turn, "backward twice": twice,
        "a region that is not used": one_unused, "checkpoints": checkpointed(False), "nested checkpoints": checkpointed(True),
        "gradients of x alone": of_inputs,
        "other rows": other_rows, "after a pass that failed": after_a_failure, "steps": a_step, "some factors frozen": some_frozen,
    }


class Attention(torch.nn.Module):
    """The layers of the model as PyTorch has them: q, k and v are called in turn with one x, o with what they give."""

    def __init__(self):
        super().__init__()
        self.a = torch.nn.Module()
        for name, inputs, outputs in (("q", 24, 16), ("k", 24, 8), ("v", 24, 8), ("o", 16, 24)):
            setattr(self.a, name, torch.nn.Linear(inputs, outputs, bias=name == "q"))

    def forward(self, x):
        q, k, v = self.a.q(x), self.a.k(x), self.a.v(x)
        return self.a.o(torch.tanh(q) * torch.cat([k, v], -1).float())


class Adapted(torch.nn.Module):
    """A layer with its adapter as it is written, in float64."""

    def __init__(self, layer, scale, linear, factors):
        super().__init__()
        self.layer, self.scale, self.linear, self.factors = layer, scale, linear, factors

    def forward(self, x):
        delta = x
        for name in self.layer["factors"]:
            delta = delta @ self.factors[name]
        return self.linear(x) + self.scale * delta


def check_patched(folder, expect):
    """A model whose modules are swapped, also compiled, under autocast and with checkpoints."""
    torch.manual_seed(4)
    for dtype, bound in (("f32", 1e-5), ("bf16", 2e-2)):
        host, module, _ = emitted(folder, dtype)
        # torch.compile looks for globals by the name of their module
        sys.modules["adapters_torch"] = module
        plain, exact = Attention(), Attention().double()
        exact.load_state_dict(plain.state_dict())
        factors = {name: factor.detach().double().requires_grad_() for name, factor in zip(module.FACTORS, host.factors)}
        for row in module.REGIONS:
            for layer in row["layers"]:
                own = layer["name"].split(".")[-1]
                setattr(exact.a, own, Adapted(layer, row["scale"], getattr(exact.a, own), factors))
        before = set(plain.state_dict())
        host.patch(plain)
        expect(set(plain.state_dict()) == before, f"patched model, {dtype}: parameters have their names")
        x = torch.randn(3, 11, 24)
        wide = x.double().requires_grad_()
        out = exact(wide)
        weight = torch.randn(out.shape)
        (out * weight).sum().backward()
        wanted = [out, wide.grad, *(factor.grad for factor in factors.values())]
        compiled = torch.compile(plain, backend="aot_eager")
        ways = {"as it is": plain, "compiled": compiled, "compiled again": compiled,
                "with a checkpoint": lambda x: checkpoint(plain, x, use_reentrant=False)}
        for name, way in ways.items():
            for factor in host.factors:
                factor.grad = None
            own = x.clone().requires_grad_()
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
                y = way(own)
            (y * weight).sum().backward()
            found = [y, own.grad, *(factor.grad for factor in host.factors)]
            worst = max(error(f, w) for f, w in zip(found, wanted))
            expect(worst < bound, f"patched model, {dtype}, {name}: {worst:.1e}")


def refused(call):
    """What the error of a call says; None where there is none."""
    try:
        call()
    except (KeyError, RuntimeError, ValueError) as problem:
        return str(problem)
    return None


def check_files(folder, expect):
    """Adapter files: what lotrc wrote is loaded, trained, saved, and taken by lotrc again. Needs the package safetensors, as load and save do."""
    from safetensors.torch import load_file

    for method in ("lotr", "lora", "vera"):
        _, module, weights = emitted(folder, method=method)
        model, base, tuned = folder / f"{method}.onnx", folder / "model.onnxtxt", folder / f"{method}-tuned.safetensors"
        host = module.Adapters(folder / f"f32-split-{method}" / "build" / LIBRARY, TOKENS, "cpu")
        host.set_weights(weights)
        says = f"adapter file, {method}"
        xs = inputs(Net(host, module, weights, False))
        expect("save writes the file" in refused(lambda: host.save(tuned)), f"{says}: save before load is refused")
        expect("has no numbers yet" in refused(lambda: host(0, xs[0])), f"{says}: factors that nothing gave are refused")
        expect("there is no factor" in refused(lambda: host.set_factors({"nobody": xs[0]})), f"{says}: another name is refused")
        expect(host.load(folder / f"{method}.safetensors") == [], f"{says}: all tensors of the file are factors")
        # what follows from a seed is in no adapter file
        draw = torch.Generator().manual_seed(8)
        seeded = {name: torch.randn(host.factor(name).shape, generator=draw) for name in host._missing}
        expect(set(seeded) <= set(module.FROZEN) and bool(seeded) == (method == "vera"), f"{says}: the rest are seeded")
        host.set_factors(seeded)
        optimizer = torch.optim.AdamW(host.parameter_groups(lr=0.1))
        for seed in (1, 2):
            optimizer.zero_grad()
            loss_of([y for region, x in enumerate(xs) for y in host(region, x)], seed).backward()
            optimizer.step()
        host.save(tuned)
        again = folder / f"{method}-again.safetensors"
        applied = folder / f"{method}-applied.onnx"
        run(*lotrc(None), "apply", base, tuned, "-o", applied, what="lotrc apply")
        run(*lotrc(None), "extract", applied, "-o", again, what="lotrc extract")
        kept = load_file(again)
        expect(
            set(kept) == set(module.FACTORS) - set(seeded) and all(torch.equal(kept[name], host.factor(name)) for name in kept),
            f"{says}: lotrc apply takes the factors as they are",
        )
        expect(any(not torch.equal(kept[name], old) for name, old in load_file(folder / f"{method}.safetensors").items()),
               f"{says}: training has changed them")
    other = folder / "lotr3.onnx"
    run(*lotrc(None), "rewrite", base, "--rank", 3, "--target", ".*", "-o", other, what="lotrc rewrite")
    host, _, _ = emitted(folder)
    expect("convert it" in refused(lambda: host.load(folder / "lotr3.safetensors")), "adapter file of another rank: refused")


def check_graphs(folder, expect):
    """Each graph loads all factors, and what a graph was given has not run: here calls run at once in graphs too."""
    host, module, weights = emitted(folder)
    x, factor, graph = inputs(Net(host, module, weights, False))[0], host.factors[0], 0
    host._graph_now = lambda: graph
    y_now = lambda: host(0, x)[0].detach().clone()

    def sees_a_change():
        """Whether y is another after a change that autograd does not see."""
        before = y_now()
        factor.data.mul_(1.5)
        return not torch.equal(y_now(), before)

    found = [sees_a_change()]
    for graph in (1, 0):
        before = y_now()
        host.reload()
        found += [torch.equal(y_now(), before), sees_a_change()]
    expect(found == [False, True, False, True, False], f"graphs: each loads the factors once, {found}")
    # two passes of one model, in graphs of their own
    graph = 2
    first = host(0, x)[0]
    graph = 3
    host(0, x)
    expect(refused(first.sum().backward) is None, "graphs: a backward pass after the forward pass of another")


def check_module(folder, expect):
    """Every use in float32 and bfloat16, over every form."""
    folder.mkdir(exist_ok=True)
    check_files(folder, expect)
    check_patched(folder, expect)
    check_graphs(folder, expect)
    for dtype, form, method in (("f32", "split", "lotr"), ("bf16", "split", "lora"), ("f32", "merged", "lotr"), ("f32", "bordered", "lotr")):
        host, module, weights = emitted(folder, dtype, form, method)
        before = [factor.detach().clone() for factor in host.factors]
        for name, way in ways().items():
            results = []
            for exact in (False, True):
                for factor, value in zip(host.factors, before):
                    factor.grad = None
                    factor.requires_grad_(True)
                    with torch.no_grad():
                        factor.copy_(value)
                results.append(way(Net(host, module, weights, exact)))
            found, wanted = results
            worst = max((error(f, w) for f, w in zip(found, wanted)), default=float("inf"))
            expect(len(found) == len(wanted) and worst < BOUNDS[dtype], f"module, {dtype} {form} {method}, {name}: {worst:.1e}")
        held = weakref.ref(host)
        del host, results, found, wanted
        gc.collect()
        expect(held() is None, f"module, {dtype} {form} {method}: nothing keeps it alive")
