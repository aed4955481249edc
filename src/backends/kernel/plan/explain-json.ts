import type { AdaptedLayer, Group, LayerRegion } from '../model/layers.js';
import type { EinsumStep, KernelPlan, Launch, Predicted, Strategy } from '../model/types.js';
import { totals } from './explain.js';
import { packedBytes, packedParts } from './packed-buffers.js';
import { total } from './price.js';
import { type Lowered, lowerTerms } from './rewrites.js';

/** What `lotrc emit wgsl|cuda --explain --json` prints. The format is stable: other tools read it. */
export function plansJson(plans: readonly KernelPlan[]): string {
  return `${JSON.stringify({ version: 1, plans: plans.map(planJson) }, null, 2)}\n`;
}

function planJson(plan: KernelPlan) {
  const { device, dtype, tokens, purpose, adapters, mostRank, groups, prologue, epilogue, merging, skipped } =
    plan;
  const { launches, base, ...sum } = totals(plan);
  return {
    device: device.name,
    target: device.target,
    dtype,
    tokens,
    purpose,
    adapters,
    ...(mostRank === undefined ? {} : { maxRank: mostRank }),
    groups: groups.map(({ id, method, in: inn, out, rank, scale, factors, sites }) => ({
      id,
      method,
      in: inn,
      out,
      rank,
      scale,
      factors: factors.map(({ name, trainable, lrMultiplier }) => ({ name, trainable, lrMultiplier })),
      sites,
    })),
    regions: plan.regions.map(
      ({ region, strategy, scheme, because, forward, backward, base: bare, rejected }) => ({
        group: region.group,
        input: region.x,
        layers: region.layers.map((layer) => layerJson(layer, plan)),
        form: strategy,
        scheme,
        because,
        forward: forward.map(launchJson),
        backward: backward.map(launchJson),
        overhead: {
          forward: ratio(total(forward), bare.forward),
          backward: backward.length === 0 ? null : ratio(total(backward), bare.backward),
        },
        terms: termsOf(region, strategy, groups),
        rejected: rejected.map((entry) => ({ form: entry.strategy, because: entry.because })),
      }),
    ),
    prologue: prologue.map(launchJson),
    epilogue: epilogue.map(launchJson),
    ...(merging
      ? {
          merging: {
            merge: merging.merge.map(launchJson),
            unmerge: merging.unmerge.map(launchJson),
            forward: merging.forward.flat().map(launchJson),
          },
        }
      : {}),
    skipped,
    total: { ...figures(sum), launches, base: { ...base, seconds: nine(base.seconds) } },
  };
}

/** A layer; of a packed weight how, and its bytes with those of scales and zero points. */
function layerJson(layer: AdaptedLayer, { buffers }: KernelPlan) {
  const { id, bias, activation, packed } = layer;
  if (!packed) return { id, bias, activation };
  const { bits, table, block, zeros } = packed;
  const bytes = packedParts(layer).reduce((all, name) => all + packedBytes(buffers, name), 0);
  return { id, bias, activation, packed: { bits, table, block, zeroPoints: zeros?.dtype ?? null, bytes } };
}

/** The lowering as einsum terms over the model's own tensors and values. */
function termsOf(region: LayerRegion, strategy: Strategy, groups: readonly Group[]) {
  const group = groups.find(({ id }) => id === region.group)!;
  const { factors: rows } = group;
  const operands = region.layers.map(({ id, weight, factors, down }) => ({
    id,
    x: region.x,
    w: weight,
    factors,
    down,
    group,
  }));
  const frozen = region.layers.flatMap(({ factors }) => factors.filter((_, k) => !rows[k]!.trainable));
  return withoutGradients(lowerTerms(strategy, operands), new Set(frozen.map((name) => `d.${name}`)));
}

/** The terms without these results, and without terms that only they need. */
function withoutGradients(terms: Lowered, dropped: ReadonlySet<string>): Lowered {
  const all = (lists: Lowered) => Object.values(lists).flat() as EinsumStep[];
  const read = new Set(all(terms).flatMap(({ args }) => args));
  const left = (lists: Lowered, keep: (term: EinsumStep) => boolean): Lowered => ({
    prologue: lists.prologue.filter(keep),
    forward: lists.forward.filter(keep),
    backward: lists.backward.filter(keep),
    epilogue: lists.epilogue.filter(keep),
  });
  let kept = left(terms, ({ out }) => !dropped.has(out));
  for (let before = Number.POSITIVE_INFINITY; all(kept).length < before; ) {
    before = all(kept).length;
    const still = new Set(all(kept).flatMap(({ args }) => args));
    kept = left(kept, ({ out }) => !read.has(out) || still.has(out));
  }
  return kept;
}

/** Predicted time over that of the layers without adapters, less 1. */
const ratio = (own: Predicted, base: Predicted) => nine(own.seconds / base.seconds - 1);

/** Nine digits: further digits of sums of floats have no meaning. */
const nine = (value: number) => Number(value.toPrecision(9));

const figures = ({ flops, bytes, seconds }: Predicted) => ({ flops, bytes, seconds: nine(seconds) });

function launchJson({ name, family, does, schedule, predicted }: Launch) {
  return { name, family, does, schedule, ...figures(predicted) };
}
