"""Times on a CUDA machine: events, a warm-up, medians, and peers in turn so that clocks that change hit all of them alike."""
import statistics

import torch

WARM_UP = 5
def captured(call, stream, count):
    """The call as a CUDA graph of `count`."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(count):
            call()
    return graph.replay


def medians(calls, repeats, in_graph, flush=False):
    """Milliseconds of each call by name on the current stream: the median, and the tenth and ninetieth of a hundred; and
    why some have none. `in_graph`: calls in one CUDA graph, so that no column waits for its host program; 0: no graph."""
    stream = torch.cuda.current_stream()
    cache = getattr(torch.cuda.get_device_properties(stream.device), "L2_cache_size", 64 << 20)
    wiped = torch.empty(2 * max(cache, 1 << 20), dtype=torch.int8, device="cuda") if flush else None
    ready, why = {}, {}
    for name, call in calls.items():
        try:
            for _ in range(WARM_UP):
                call()
            torch.cuda.synchronize()
            ready[name] = captured(call, stream, in_graph) if in_graph else call
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
    taken = {name: sorted(s.elapsed_time(e) / max(in_graph, 1) for s, e in pairs) for name, pairs in times.items()}
    at = lambda all_of, share: all_of[min(len(all_of) - 1, int(share * len(all_of)))]
    spread = {name: [at(all_of, 0.1), at(all_of, 0.9)] for name, all_of in taken.items()}
    return {name: statistics.median(all_of) for name, all_of in taken.items()}, spread, why


def kernels(call, times=10):
    """Microseconds of each kernel in one call, by name, as PyTorch's profiler reads them; and how often it is launched."""
    from torch.profiler import ProfilerActivity, profile

    call()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        for _ in range(times):
            call()
        torch.cuda.synchronize()
    return {event.key: [event.device_time_total / times, event.count / times] for event in seen.key_averages() if event.device_time_total > 0}
