import { median } from './turns.js';

/** Seconds of the nodes that ONNX Runtime runs: for each the median over the runs. Nodes that it fuses have one name. */
export type NodeTimes = ReadonlyMap<string, number>;

/** Reads a profile of ONNX Runtime, which has an event for each node of each run; the first run is not counted. */
export function nodeTimes(text: string): NodeTimes {
  const events = JSON.parse(text) as readonly { readonly name?: string; readonly dur?: number }[];
  const runs = new Map<string, number[]>();
  for (const { name, dur } of events) {
    if (!name?.endsWith(KERNEL) || dur === undefined) continue;
    const node = name.slice(0, -KERNEL.length);
    const own = runs.get(node);
    if (own) own.push(dur / 1e6);
    else runs.set(node, [dur / 1e6]);
  }
  return new Map([...runs].map(([node, times]) => [node, median(times.length > 1 ? times.slice(1) : times)]));
}
const KERNEL = '_kernel_time';

/**
 * Time of all nodes of `form` over that of all nodes of `base`. Each model's time is in units of the nodes that both have, so a machine that is
 * slower during one of the two runs changes nothing. Null where they have no node in common.
 */
export function ratioByNodes(base: NodeTimes, form: NodeTimes): number | null {
  const units = (times: NodeTimes, other: NodeTimes): number => {
    let [all, common] = [0, 0];
    for (const [node, seconds] of times) {
      all += seconds;
      if (other.has(node)) common += seconds;
    }
    return all / common;
  };
  const ratio = units(form, base) / units(base, form);
  return Number.isFinite(ratio) ? ratio : null;
}
