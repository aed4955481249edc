"""Checks this folder without a GPU: the peers, the bench and the tuner, with kernels and driver emulated on the CPU.

    python bench/gpu/check.py [--only peer,report,module,bench,tuner] [--compile]

Needs PyTorch, Triton, g++ and a build of lotrc (`npm run build`). With --compile the Triton kernels are also compiled for
sm_80 and sm_90, every configuration, by the ptxas that Triton brings; that takes half an hour. Minutes otherwise; no part of `npm test`.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from types import SimpleNamespace

HERE = pathlib.Path(__file__).resolve().parent


def expect(good, what):
    print(("ok     " if good else "WRONG  ") + what, flush=True)
    if not good:
        expect.failed += 1


expect.failed = 0


def script(name, *arguments):
    command = [sys.executable, str(HERE / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def check_peer():
    """The Triton peer against float64 in Triton's interpreter; what PyTorch does not write is NaN."""
    os.environ["TRITON_INTERPRET"] = "1"
    import torch
    import triton_peer
    import triton_persistent
    from checks import BOUNDS, CUT, error

    torch.use_deterministic_algorithms(True)
    draw = torch.Generator().manual_seed(3)
    noise = lambda *shape: torch.randn(*shape, generator=draw)
    kinds = (("f32", torch.float32, BOUNDS["f32"]), ("f16", torch.float16, BOUNDS["f16"]), ("bf16", torch.bfloat16, CUT))
    for name, kind, bound in kinds:
        # several parts of the sum over tokens; one row; rank 1; two factors; widths that no tile divides
        for tokens, inputs, outputs, rank, factors in ((37, 67, 53, 5, 3), (1, 17, 130, 3, 3), (613, 33, 70, 19, 3), (65, 96, 31, 1, 2),
                                                       (613, 72, 136, 19, 3), (1, 40, 88, 3, 2)):
            x = noise(tokens, inputs).to(kind)
            bases = [(noise(inputs, outputs) / inputs**0.5).to(kind), (noise(outputs, inputs) / inputs**0.5).to(kind).T]
            bias = noise(outputs).to(kind)
            dys = [noise(tokens, outputs).to(kind) for _ in bases]
            own = [noise(inputs, rank) / inputs**0.5, noise(rank, rank) / rank**0.5, noise(rank, rank) / rank**0.5, noise(rank, outputs)]

            def run(layers, wide):
                given = [t.to(wide or t.dtype).detach().clone().requires_grad_() for t in (x, *own)]
                xx, r, m, n, l = given
                rows = [(bases[0], bias, (r, m, l) if factors == 3 else (r, l)), (bases[1], None, (r, n, l) if factors == 3 else (r, l))]
                ys = layers(xx, rows)
                torch.autograd.backward(ys, [dy.to(wide or dy.dtype) for dy in dys])
                return [*ys, *(t.grad for t in given if t.grad is not None)]

            def exact(xx, rows):
                ys = []
                for w, b, (first, *rest) in rows:
                    delta = xx @ first
                    for factor in rest:
                        delta = delta @ factor
                    ys.append(xx @ w.double() + (0 if b is None else b.double()) + 0.7 * delta)
                return ys

            wanted = run(exact, torch.float64)
            for which, expand in (("Triton peer", triton_peer.expand), ("persistent Triton peer", triton_persistent.expand)):
                told = f"{which}, {name}, {tokens} x {inputs} x {outputs}, rank {rank}, {factors} factors"
                try:
                    found = run(lambda xx, rows: triton_peer.layers(xx, 0.7, rows, expand), None)
                except ValueError as error_:
                    expect((inputs % 8 or outputs % 8) and "multiples of 16 bytes" in str(error_), f"{told}: left out, {error_}")
                    continue
                worst = max(error(f, w) for f, w in zip(found, wanted))
                expect(len(found) == len(wanted) and worst < bound, f"{told}: {worst:.1e}")
    torch.use_deterministic_algorithms(False)


def check_report():
    """Targets of hand-made times."""
    from library import Case
    from report import row_of, table, targets, text

    case = lambda tokens, purpose: Case(None, 4096, 4096, 3, 16, tokens, purpose=purpose)
    timed = lambda forward, step: SimpleNamespace(forward=forward, step=step, spread={}, why={}, kernels={})
    row = lambda case, forward, step={}: row_of(case, 0, 3, (4096, (4096,) * 3), {"lotrc": 1e-3, "torch": 1e-3}, {}, timed(forward, step))
    slow = row(case(8192, "train"), {"base": 1.0, "lotrc": 1.04}, {"base": 2.0, "lotrc": 2.2, "module": 2.4, "torch": 3.1, "addmm": 2.9})
    few, slower = (row(case(32, "serve"), {"base": 1.0, "lotrc": time}) for time in (1.02, 1.2))
    untimed = row(case(1, "serve"), {})
    judged = [(t["met"], t["limit"]) for t in targets([slow, slower, few, untimed])]
    expect(judged == [(True, 0.05), (False, 0.03), (False, 1.25), (True, 0.03), (None, 0.03)], f"targets {judged}")
    shown = table([slow], "step")
    expect("+10.0 %" in shown and "3100.0 (1.41 x)" in shown, "ratios in the table")
    machine = {"device": "d", "driver": "1", "cuda": "2", "torch": "3"}
    expect("not timed" in text([untimed], machine) and "Nothing was timed" in text([untimed], machine), "what was not timed is said")


def check_bench(folder):
    """run.py on the CPU, and the code that times, with a clock that does not."""
    shapes = (
        ("in=33,out=29", "train", "f32", 300, "--layers", 3, "--rank", 5, "--bias"),
        ("in=40,out=24", "train", "bf16", 71, "--layers", 2, "--rank", 3, "--method", "lora"),
        ("in=17,out=11", "train", "f32", 70, "--layers", 1, "--rank", 3, "--tf32"),
        ("in=33,out=29", "serve", "f16", 7, "--layers", 2, "--rank", 1),
    )
    aligned = {"in=40,out=24"}
    for shape, purpose, dtype, tokens, *rest in shapes:
        report = folder / "report.json"
        done = script("run.py", "--device", "cpu", "--shape", shape, "--for", purpose, "--dtype", dtype, "--tokens", tokens,
                      "--peers", "torch,addmm,triton" + (",fused,persistent,bordered" if shape in aligned else ""), "--json", report, *rest)
        rows = json.loads(report.read_text())["rows"] if done.returncode == 0 else []
        good = rows and all(row["good"] and not row["forward"] and not row["skipped"] for row in rows)
        errors = ", ".join(f"{name} {value:.1e}" for row in rows for name, value in row["errors"].items())
        expect(good, f"bench, {shape} {purpose} {dtype} {rest}: {errors or done.stderr[-300:]}")
    check_sanitized(folder)
    check_timed(folder)
    wrong = script("run.py", "--shape", "d=16", "--emit-only", "--work", folder / "w", "--lotrc", "no-such-program")
    expect(wrong.returncode == 1 and "no-such-program, which is not on the PATH" in wrong.stderr, "a missing program is named")


def check_sanitized(folder):
    """Cases under a stand-in for compute-sanitizer, which runs them, and one that finds something."""
    tools = folder / "tools"
    tools.mkdir()
    tool = tools / "compute-sanitizer"
    for ends, told in (('exec "$@"', None), ("echo a race; exit 86", "racecheck of compute-sanitizer found errors: a race")):
        tool.write_text(f"#!/bin/sh\n[ \"$1 $2 $3 $4\" = '--tool racecheck --error-exitcode 86' ] || exit 3\nshift 4\n{ends}\n")
        tool.chmod(0o755)
        command = [sys.executable, str(HERE / "run.py"), "--device", "cpu", "--shape", "in=17,out=11", "--rank", "3", "--tokens", "9",
                   "--layers", "1", "--dtype", "f32", "--peers", "torch", "--sanitize", "racecheck"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"})
        good = told in done.stderr and done.returncode == 1 if told else done.returncode == 0 and "error" in done.stdout
        expect(good, f"sanitized: {told or 'nothing found'}{'' if good else ': ' + done.stderr[-300:]}")


def check_timed(folder):
    """The code that times, from end to end: the clock counts calls instead."""
    import run
    import timing

    def counted(calls, repeats, in_graph, flush=False):
        for call in calls.values():
            call()
        return {name: 1.0 + at for at, name in enumerate(calls)}, {}, {}

    timing.medians, argv = counted, sys.argv
    try:
        names = {"base", "lotrc", "module", "torch", "addmm", "triton"}
        large = names | {"fused", "persistent", "bordered"}
        for purpose, parts in (("train", large), ("serve", None)):
            sys.argv = ["run.py", "--device", "cpu", "--shape", "in=40,out=24", "--layers", "2", "--rank", "3",
                        "--tokens", "70" if purpose == "train" else "7",
                        "--for", purpose, "--blocks", "2" if purpose == "train" else "1"]
            args = run.parse()
            args.timed = True
            run.check_machine(args)
            for case in run.cases_of(args):
                row, *whole = run.run_case(case, run.emit(case, folder, "sm_80", args), args)
                good = set(row["forward"]) == (parts or names) and set(row["step"]) == (parts or set())
                good = good and all(set(one["step"]) == parts for one in whole) and len(whole) == (purpose == "train")
                expect(good, f"what is timed in {case.name}: {sorted(row['forward'])}, {sorted(row['step'])}")
    finally:
        sys.argv = argv


def check_tuner(folder):
    """tune.py over a stand-in for nvcc and one for the driver; a candidate that leaves rows unwritten must be found out."""
    driver = folder / "driver.so"
    subprocess.run(["g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-o", driver, HERE / "cpu" / "driver.cpp", "-ldl"], check=True)
    for dtype, *rest in (("bf16",), ("f32", "--tf32"), ("f32",)):
        work = folder / f"tune-{dtype}{len(rest)}"
        common = ["--shape", "in=40,out=24", "--layers", 2, "--rank", 5, "--tokens", 70, "--most", 2, "--dtype", dtype, *rest,
                  "--rounds", 1, "--repeats", 1, "--nvcc", HERE / "cpu" / "nvcc.py", "--driver", driver, "--work", work,
                  "--json", work / "all.json", "-o", work / "rows.json"]
        done = script("tune.py", *common)
        if done.returncode != 0:
            expect(False, f"tuner, {dtype} {rest}: {done.stderr[-400:]}")
            continue
        jobs = json.loads((work / "all.json").read_text())["jobs"]
        rows = json.loads((work / "rows.json").read_text())["rows"]
        errors = [candidate["error"] for job in jobs for candidate in job["candidates"]]
        timed = all(time is not None for job in jobs for time in job["times"])
        expect(timed and len(rows) == len(jobs), f"tuner, {dtype} {rest}: {len(errors)} candidates, errors up to {max(errors):.1e}")
        if rest or dtype == "f32":
            continue
        check_warpgroups(work, common)
        made = json.loads((work / "jobs.json").read_text())
        at = next(at for at, job in enumerate(made["jobs"]) if job["candidates"][1]["grid"][1] > 1)
        made["jobs"] = made["jobs"][at : at + 1]
        made["jobs"][0]["candidates"][1]["grid"][1] -= 1
        (work / "jobs.json").write_text(json.dumps(made))
        done = script("tune.py", *common)
        (job,) = json.loads((work / "all.json").read_text())["jobs"]
        expect(job["times"][0] is not None and job["times"][1] is None and "wrong by" in done.stdout,
               "a candidate that leaves rows unwritten is left out")


def check_warpgroups(work, common):
    """Kernels for warpgroups are tuned too; one whose map is of other rows must be found out."""
    text = (work / "jobs.json").read_text()
    made = json.loads(text)
    mapped = [job for job in made["jobs"] if all(candidate["persistent"] for candidate in job["candidates"])]
    copies = [job["copies"] for job in json.loads((work / "all.json").read_text())["jobs"]]
    expect(mapped and max(copies) > 1, f"products for warpgroups: {len(mapped)}; copies of operands: {copies}")
    for what, change in (("offset", 8), ("rows", -1)):
        (wrong,) = json.loads(json.dumps(mapped[:1]))
        wrong["candidates"][1]["maps"][0][what] += change
        (work / "jobs.json").write_text(json.dumps(made | {"jobs": [wrong]}))
        done = script("tune.py", *common)
        (job,) = json.loads((work / "all.json").read_text())["jobs"]
        expect(job["times"][0] is not None and job["times"][1] is None and ("wrong by" in done.stdout or "cuTensorMap" in done.stdout),
               f"a candidate with a map of other {what} is left out")
    (work / "jobs.json").write_text(text)


def compile_peer():
    """Every configuration of the Triton kernels, compiled for two architectures."""
    probe = subprocess.run([sys.executable, str(HERE / "cpu" / "triton_compile.py")], text=True, stdout=subprocess.PIPE)
    expect(probe.returncode == 0, probe.stdout.strip().splitlines()[-1] if probe.stdout.strip() else "Triton compiles nothing")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="report,peer,module,bench,tuner")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    os.environ["TRITON_INTERPRET"] = "1"
    with tempfile.TemporaryDirectory(prefix="lotrc-check-") as name:
        folder = pathlib.Path(name)
        from autograd import check_module

        parts = {"report": check_report, "peer": check_peer, "module": lambda: check_module(folder / "module", expect),
                 "bench": lambda: check_bench(folder), "tuner": lambda: check_tuner(folder)}
        for part in args.only.split(","):
            parts[part]()
        if args.compile:
            compile_peer()
    sys.exit(1 if expect.failed else 0)


if __name__ == "__main__":
    main()
