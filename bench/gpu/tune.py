"""Times schedules of the emitted CUDA kernels on this machine and writes the fastest for `lotrc emit cuda --schedules`.

    python bench/gpu/tune.py --shape d=4096 --rank 16 --tokens 16,1024,8192 --dtype bf16 -o schedules.json
    python bench/gpu/tune.py model.lotr.onnx --tokens 8192
    python bench/gpu/tune.py --shape d=4096 --compile-only          # no GPU: registers, shared memory and spills

lotrc makes the kernels of every legal schedule of every product of a plan; nvcc compiles them, many at once, and those that spill are
left out; the others run through the CUDA driver, are held to float64 in a sample of elements and timed in turn. Launches that are timed take turns over
copies of the buffers, so that none finds its operands in the second-level cache. Needs nvcc, Node and the driver: no PyTorch. See README.md.
"""
import argparse
import array
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from library import Missing, node_script, run
from run import shape_of
from values import BOUNDS, BYTES, Checked, Noise

SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")
# of the buffers of a job: more are no help where operands are as small as this would have them be
MOST_COPIES = 64


def compile_one(folder, file, arch, nvcc):
    """Registers and spilled bytes of a candidate, and its cubin beside it."""
    cubin = folder / (file + "bin")
    command = [nvcc, "-cubin", f"-arch={arch}", "-Xptxas", "-v", "-o", str(cubin), str(folder / file)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return {"failed": (done.stderr or done.stdout).strip()[-500:]}
    spills, registers = SPILLS.search(done.stderr), REGISTERS.search(done.stderr)
    return {"registers": int(registers[1]) if registers else 0, "spills": sum(map(int, spills.groups())) if spills else 0}


def compile_all(folder, jobs, args):
    """What nvcc says of every candidate of every job."""
    if shutil.which(args.nvcc) is None:
        raise Missing(f"there is no {args.nvcc}: the CUDA toolkit 11.8 or newer is needed")
    files = [candidate["file"] for job in jobs["jobs"] for candidate in job["candidates"]]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        found = dict(zip(files, pool.map(lambda file: compile_one(folder, file, jobs["target"], args.nvcc), files)))
    for job in jobs["jobs"]:
        for candidate in job["candidates"]:
            candidate |= found[candidate["file"]]


def why_not(candidate):
    """Why a candidate is not timed; None when it is."""
    if "failed" in candidate:
        return "does not compile: " + candidate["failed"].splitlines()[-1]
    return f"{candidate['spills']} bytes spilled" if candidate["spills"] else None


def copies_for(operand_bytes, cache_bytes):
    """Copies of the buffers of a job: operands of all of them are more than twice the second-level cache, as far as copies go."""
    return min(MOST_COPIES, 2 * cache_bytes // max(operand_bytes, 1) + 1)


class Bench:
    """The buffers of one job on the device, several times."""

    def __init__(self, driver, job):
        self.driver, self.job, self.copies = driver, job, []
        self.out = next(buffer for buffer in job["buffers"] if not buffer["read"])
        self.elem = {b["name"]: b["elem"] for b in job["buffers"]}
        self.noise = {b["name"]: Noise(b["elem"], 7 + at) for at, b in enumerate(job["buffers"])}
        size = lambda b: b["elements"] * BYTES[b["elem"]]
        self.operand_bytes = sum(size(b) for b in job["buffers"] if b["read"])
        for _ in range(copies_for(self.operand_bytes, driver.cache_bytes)):
            memory = {}
            self.copies.append(memory)
            for b in job["buffers"]:
                memory[b["name"]] = driver.memory(size(b))
                driver.write(memory[b["name"]], self.noise[b["name"]].bytes(b["elements"]))
        # what is checked
        self.memory = self.copies[0]
        self.checked = Checked(job["work"], self.noise)

    def free(self):
        for memory in self.copies:
            for address in memory.values():
                self.driver.free(address)

    def launchers(self, module, candidate):
        """Calls that launch a candidate over each copy of the buffers."""
        driver = self.driver
        function = driver.function(module, candidate["kernel"])
        x, y, z = candidate["grid"]
        together = candidate["together"]
        grid = (min(x, driver.multiprocessors // together * together) if candidate["persistent"] else x, y, z)
        made = []
        for memory in self.copies:
            maps = [driver.tensor_map(self.elem[m["buffer"]], memory[m["buffer"]], *(m[key] for key in ("offset", "rows", "cols", "pitch", "box")))
                    for m in candidate["maps"]]
            pointers = [driver.pointer(memory[name]) for name in candidate["pointers"]]
            numbers = map(driver.number, self.job["uniforms"])
            made.append(driver.launcher(function, grid, candidate["threads"], candidate["launchBytes"], [*maps, *pointers, *numbers]))
        return made

    def error(self, launch):
        """Error of a launch into a poisoned result (or into what it adds to); infinite where an element is left as it was."""
        name, elem, elements = (self.out[key] for key in ("name", "elem", "elements"))
        size, work = elements * BYTES[elem], self.job["work"]
        if work["accumulate"]:
            self.driver.write(self.memory[name], self.noise[name].bytes(elements))
        else:
            self.driver.fill(self.memory[name], 0xFF, size)
        launch()
        self.driver.wait()
        data = self.driver.read(self.memory[name], size)
        if not work["accumulate"] and self._poisoned(data, elem):
            return float("inf")
        return self.checked.error(elem, data)

    def _poisoned(self, data, elem):
        """Whether an element of a dense result was not written."""
        work, size = self.job["work"], BYTES[elem]
        down, across = work["out"]["strides"]
        if (down, across) != (work["cols"], 1):
            return False
        first = work["out"]["offset"] * size
        numbers = array.array("I" if size == 4 else "H", data[first : first + work["parts"] * work["rows"] * down * size])
        return numbers.count(0xFFFFFFFF if size == 4 else 0xFFFF) > 0


def time_job(driver, folder, job, args):
    """Seconds of every candidate of a job, None for one that is left out, and why."""
    bench, ready, times, why = Bench(driver, job), {}, [None] * len(job["candidates"]), {}
    bound = max(BOUNDS[job["rounded"]], BOUNDS[bench.out["elem"]])
    modules = []
    try:
        for at, candidate in enumerate(job["candidates"]):
            why[at] = why_not(candidate)
            if why[at]:
                continue
            try:
                module = driver.module((folder / (candidate["file"] + "bin")).read_bytes())
                modules.append(module)
                launches = bench.launchers(module, candidate)
                error = bench.error(launches[0])
            except RuntimeError as error_:
                # a launch that went wrong leaves the context unusable; one that was refused does not
                driver.wait()
                why[at] = str(error_)
                continue
            candidate["error"] = error
            if error < bound:
                ready[at] = launches
            else:
                why[at] = f"wrong by {error:.1e}"
        found = {at: [] for at in ready}
        for round_ in range(args.rounds + 1):
            for at, launches in ready.items():
                seconds = driver.seconds(launches, -(-args.repeats // len(launches)))
                # the first round warms up
                if round_ > 0:
                    found[at].append(seconds)
        for at, seconds in found.items():
            times[at] = statistics.median(seconds)
    finally:
        for module in modules:
            driver.unload(module)
        bench.free()
    job["copies"], job["operandBytes"] = len(bench.copies), bench.operand_bytes
    return times, why


def show(job, times=None, why=None, cache_bytes=None):
    print(f"\n{job['label']}  ({job['problem']['family']}, {job['problem']['dtype']})\n")
    if times:
        read = job["copies"] * job["operandBytes"]
        print(f"Launches take turns over {job['copies']} copies of {job['operandBytes']} bytes of operands; the second-level cache has {cache_bytes} bytes"
              f"{': they stay in it' if read <= cache_bytes else ''}.\n")
    print("| schedule | registers | shared bytes | spilled | us | |\n| --- | --- | --- | --- | --- | --- |")
    best = min((t for t in times or [] if t is not None), default=None)
    for at, candidate in enumerate(job["candidates"]):
        time = times[at] if times else None
        note = [*(["as planned"] if at == 0 else []), *(["fastest"] if time is not None and time == best else [])]
        reason = (why or {}).get(at) or why_not(candidate)
        cells = [candidate["text"], candidate.get("registers", "-"), candidate["sharedBytes"], candidate.get("spills", "-"),
                 "-" if time is None else f"{time * 1e6:.1f}", ", ".join(note + ([reason] if reason else []))]
        print("| " + " | ".join(map(str, cells)) + " |")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, help="a model with adapters")
    parser.add_argument("--shape", type=shape_of, help="generated layers that read one x: d=4096, or in=4096,out=11008")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--tokens", default="1024", help="one or more numbers of rows, with commas between")
    parser.add_argument("--dtype", default="bf16", choices=["f32", "f16", "bf16"])
    parser.add_argument("--tf32", action="store_true", help="float32 products on matrix units: rows for emit --tf32 only")
    parser.add_argument("--for", dest="purpose", default="train", choices=["train", "serve"])
    parser.add_argument("--arch", default="sm_90a", choices=["sm_80", "sm_90a", "sm_120"])
    parser.add_argument("--most", type=int, default=40, help="candidates of one product")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=20, help="launches in one measurement")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=pathlib.Path("schedules.json"))
    parser.add_argument("--compile-only", action="store_true", help="compile and report; run nothing, rank nothing, write nothing")
    parser.add_argument("--json", type=pathlib.Path, help="write all figures there")
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--driver", default="libcuda.so.1", help="the library of the CUDA driver")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="compilations at once")
    parser.add_argument("--work", type=pathlib.Path, help="folder for kernels; jobs.json that is there is used")
    args = parser.parse_args()
    if (args.model is None) == (args.shape is None):
        parser.error("give a model, or --shape")
    return args


def jobs_of(args, work):
    """The candidates, written below `work` by lotrc unless they are there."""
    if not (work / "jobs.json").exists():
        model = args.model
        if model is None:
            model = work / "layers.lotr.onnx"
            run(*node_script("layers"), "--in", args.shape[0], "--out", args.shape[1], "--layers", args.layers,
                "--rank", args.rank, "-o", model, what="generating layers")
        run(*node_script("cuda-jobs"), model, "--arch", args.arch, "--dtype", args.dtype, *(["--tf32"] if args.tf32 else []),
            "--tokens", args.tokens, "--for", args.purpose, "--most", args.most, "-o", work, what="making candidates")
    return json.loads((work / "jobs.json").read_text())


def device_of(args):
    """The device, if it runs what is compiled for --arch."""
    from driver import Driver

    driver = Driver(args.driver)
    if driver.capability[0] != {"sm_80": 8, "sm_90a": 9, "sm_120": 12}[args.arch]:
        capability = ".".join(map(str, driver.capability))
        raise Missing(f"{driver.name} has compute capability {capability}: --arch {args.arch} is not for it")
    return driver


def tune(args, work):
    driver = None if args.compile_only else device_of(args)
    jobs = jobs_of(args, work)
    total = sum(len(job["candidates"]) for job in jobs["jobs"])
    print(f"{total} candidates for {len(jobs['jobs'])} products, for {jobs['target']}", file=sys.stderr)
    compile_all(work, jobs, args)
    all_times = []
    print(f"device: {driver.name}, driver for CUDA {driver.version}" if driver else "Compiled only: nothing was run or timed.")
    for job in jobs["jobs"]:
        if driver is None:
            show(job)
            continue
        times, why = time_job(driver, work, job, args)
        job["times"] = times
        all_times.append(times)
        show(job, times, why, driver.cache_bytes)
    if args.json:
        machine = {"device": driver.name, "driver": driver.version} if driver else None
        args.json.write_text(json.dumps({"machine": machine, **jobs}, indent=1) + "\n")
    if driver:
        (work / "times.json").write_text(json.dumps(all_times))
        run(*node_script("cuda-rows"), work, args.output, what="writing rows")
        print(f"\nwrote {args.output}: give it to lotrc emit cuda with --schedules")


def main():
    args = parse()
    work = args.work or pathlib.Path(tempfile.mkdtemp(prefix="lotrc-tune-"))
    try:
        work.mkdir(parents=True, exist_ok=True)
        tune(args, work)
    except Missing as error:
        sys.exit(str(error))
    except RuntimeError as error:
        # after a kernel has gone astray the driver does nothing more for this process
        sys.exit(f"the CUDA driver gave up: {error}")
    finally:
        if args.work is None:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
