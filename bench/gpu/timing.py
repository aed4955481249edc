"""Times on a CUDA machine: events, a warm-up, medians, and peers in turn so that clocks that change hit all of them alike."""
import statistics

import torch

WARM_UP = 5
# calls in one captured graph: few rows take less time than a launch of a graph
IN_GRAPH = 20


def captured(call, stream):
    """The call as a CUDA graph of several."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(IN_GRAPH):
            call()
    return graph.replay


def medians(calls, repeats, graphs=False, flush=False):
    """Milliseconds of each call by name, on the current stream, and why some have none."""
    stream = torch.cuda.current_stream()
    cache = getattr(torch.cuda.get_device_properties(stream.device), "L2_cache_size", 64 << 20)
    wiped = torch.empty(2 * max(cache, 1 << 20), dtype=torch.int8, device="cuda") if flush else None
    ready, why = {}, {}
    for name, call in calls.items():
        try:
            for _ in range(WARM_UP):
                call()
            torch.cuda.synchronize()
            ready[name] = captured(call, stream) if graphs else call
            ready[name]()
            torch.cuda.synchronize()
        except Exception as error:  # a compiler that is missing, a graph that cannot be captured
            ready.pop(name, None)
            why[name] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
    times = {name: [] for name in ready}
    for _ in range(repeats):
        for name, call in ready.items():
            if wiped is not None:
                wiped.zero_()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            times[name].append((start, end))
    torch.cuda.synchronize()
    per = IN_GRAPH if graphs else 1
    return {name: statistics.median(s.elapsed_time(e) for s, e in pairs) / per for name, pairs in times.items()}, why
