import { hasCore } from '../../../adapter/kernel-chain.js';
import type { Group } from '../model/layers.js';
import type { Launch } from '../model/types.js';
import type { Buffers } from './buffers.js';
import { flipped, plain, productLaunch, type Target } from './launches.js';

/**
 * L' = s M L for all sites of a group in one launch: their cores are stacked one below the other, so the stack of L' is one
 * product with inner dimension r. Nothing to do with two factors.
 */
export function prologueOf(group: Group, buffers: Buffers, target: Target): readonly Launch[] {
  if (!hasCore(group)) return [];
  const [m, l] = [buffers.stack(group.id, 1, 'weights'), buffers.stack(group.id, 2, 'weights')];
  const out = buffers.foldedStack(group.id);
  return [
    productLaunch(target, {
      name: `fold_${out.buffer}`,
      family: 'rankBatched',
      does: `${group.factors[2]!.name}' = s ${group.factors[1]!.name} ${group.factors[2]!.name}, ${sites(group)}`,
      rows: out.rows,
      cols: out.cols,
      segments: [{ a: plain(m), b: plain(l), inner: group.rank }],
      epilogue: { scale: group.scale },
      out,
    }),
  ];
}

/**
 * dM = s Z L^T for all sites in one launch, and dL = s (stack of M)^T (stack of Z): the inner dimension is sites * r.
 * Frozen factors have no gradients.
 */
export function epilogueOf(group: Group, buffers: Buffers, target: Target): readonly Launch[] {
  if (!hasCore(group)) return [];
  const [m, l] = [buffers.stack(group.id, 1, 'weights'), buffers.stack(group.id, 2, 'weights')];
  const [, middle, last] = group.factors;
  const common = { family: 'rankBatched', epilogue: { scale: group.scale } } as const;
  const launches: Launch[] = [];
  if (middle!.trainable) {
    const [z, dm] = [buffers.sumsStack(group.id), buffers.gradientStack(group.id, 1)];
    launches.push(
      productLaunch(target, {
        ...common,
        name: `gradient_${dm.buffer}`,
        does: `d${middle!.name} = s Z ${last!.name}^T, ${sites(group)}`,
        rows: dm.rows,
        cols: dm.cols,
        segments: [{ a: plain(z), b: flipped(l), inner: group.out }],
        out: dm,
      }),
    );
  }
  if (last!.trainable) {
    const [z, dl] = [buffers.sumsStack(group.id), buffers.gradientStack(group.id, 2)];
    launches.push(
      productLaunch(target, {
        ...common,
        name: `gradient_${dl.buffer}`,
        does: `d${last!.name} = s sum of ${middle!.name}^T Z, ${sites(group)}`,
        rows: dl.rows,
        cols: dl.cols,
        segments: [{ a: flipped(m), b: plain(z), inner: m.rows }],
        out: dl,
      }),
    );
  }
  return launches;
}

const sites = (group: Group) => `${group.sites.length} ${group.sites.length === 1 ? 'site' : 'sites'}`;
