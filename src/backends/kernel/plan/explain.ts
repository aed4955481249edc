import type { Share } from '../../../adapter/description.js';
import { deltaTerm, isChain } from '../../../adapter/terms.js';
import { visible } from '../../../ir/visible.js';
import type { Group } from '../model/layers.js';
import type { KernelPlan, Launch, Predicted, RegionPlan } from '../model/types.js';
import { strategyName } from './choose.js';
import { ELEMENT_BYTES, rateOf } from './cost.js';
import { packedBytes, packedParts } from './packed-buffers.js';
import { total } from './price.js';
import { scheduleText } from './schedule.js';
import { siText, timeText } from './unit-text.js';

/**
 * A plan as text: what is multiplied in which order and why, the predicted cost of each launch, and what the
 * adapters add to the layers. Regions that are planned alike are shown once.
 */
export function explainPlan(plan: KernelPlan): string {
  const lines = [...headline(plan).split('\n'), ''];
  for (const group of plan.groups) {
    lines.push(groupLine(group, plan.purpose));
    for (const alike of kindsOf(plan.regions.filter(({ region }) => region.group === group.id))) {
      lines.push(...regionLines(plan, alike).map((line) => (line === '' ? '' : `  ${line}`)));
    }
    lines.push('');
  }
  lines.push(...weightSpace(plan));
  for (const { layer, because } of plan.skipped) lines.push(`left as it is: ${layer}: ${because}`);
  if (plan.skipped.length > 0) lines.push('');
  lines.push(...summary(plan));
  // names of layers come from files
  return `${lines.map(visible).join('\n')}\n`;
}

function headline(plan: KernelPlan): string {
  const { device, dtype, rounding, tokens, purpose, adapters, mostRank } = plan;
  const rate = rateOf(rounding ?? dtype, device);
  const batch =
    mostRank !== undefined
      ? `, each row with one of ${adapters} adapters of ranks up to ${mostRank}`
      : adapters > 1
        ? `, ${adapters} adapters in a batch`
        : '';
  return [
    `${purpose === 'train' ? 'training' : 'serving'} ${tokens} ${tokens === 1 ? 'token' : 'tokens'}${batch} in ${dtype}${rounding ? ` (products over tokens in ${rounding})` : ''} on ${device.name}`,
    `  ${siText(rate, 'FLOP/s')}, ${siText(device.bytesPerSecond, 'B/s')}, ${timeText(device.launchSeconds)} per launch (${device.source})`,
    '  predicted, not timed: the slower of memory and the busiest multiprocessor or core, plus the launch; without adapters: a library with the best tiles',
  ].join('\n');
}

function groupLine(
  { id, method, delta, form, extents, unpadded, rank, scale, sites, factors, in: inn, out }: Group,
  purpose: KernelPlan['purpose'],
): string {
  const sharing = [
    ...Object.entries(SHARING).flatMap(([share, text]) => {
      const own = factors.filter((factor) => factor.share === share).map(({ name }) => name);
      return own.length > 0 ? [`${own.join(', ')} ${text}`] : [];
    }),
    ...factors.flatMap(({ name, trainable, lrMultiplier }) => {
      if (purpose === 'serve') return [];
      if (!trainable) return [`${name} frozen`];
      return lrMultiplier === 1 ? [] : [`${name} at ${lrMultiplier} times the learning rate`];
    }),
  ].join(', ');
  const count = sites.length === 1 ? '1 layer' : `${sites.length} layers`;
  const names = factors.map(({ name }) => name).join(' ');
  const room = unpadded ? ` (stored with zeros up to ${extents[form.inner[0]!]})` : '';
  const formula = isChain(deltaTerm(delta))
    ? `y = x W + s x ${names}`
    : `y = x W + s x D, D = ${delta} of ${names}`;
  return `group ${id}: ${method}, ${formula}, ${inn} x ${out}, rank ${rank}${room}, s = ${Number(scale.toPrecision(6))}, ${count}; ${sharing}`;
}

/** Which layers read one instance of a factor. */
const SHARING: Readonly<Record<Share, string>> = {
  group: 'shared',
  model: 'of all layers',
  layer: 'of the layers in one block',
  type: 'of the layers of one kind',
  site: 'per layer',
};

/** Regions whose plans differ in names only. */
function kindsOf(regions: readonly RegionPlan[]): readonly (readonly RegionPlan[])[] {
  const kinds = new Map<string, RegionPlan[]>();
  for (const plan of regions) {
    const shape = [plan.forward, plan.backward].map((list) => list.map(launchKey));
    const key = JSON.stringify([plan.strategy, plan.scheme, shape, plan.rejected]);
    const kind = kinds.get(key);
    if (kind) kind.push(plan);
    else kinds.set(key, [plan]);
  }
  return [...kinds.values()];
}

const launchKey = ({ family, does, schedule, warpgroups, predicted }: Launch) => [
  family,
  does,
  schedule,
  warpgroups,
  predicted,
];

/** The tiles of a launch, on devices with warpgroups and on others. */
export const tilesText = ({ schedule, warpgroups }: Launch): string =>
  warpgroups
    ? `${scheduleText(warpgroups)}; without warpgroups ${scheduleText(schedule)}`
    : scheduleText(schedule);

function regionLines(plan: KernelPlan, alike: readonly RegionPlan[]): readonly string[] {
  const [first, ...others] = alike as readonly [RegionPlan, ...RegionPlan[]];
  const { region, forward, backward, base, rejected, because } = first;
  const lines = [''];
  const count = region.layers.length;
  lines.push(count === 1 ? region.label : `${region.label}: ${count} layers read one x`);
  if (others.length > 0) {
    const labels = others.map((other) => other.region.label);
    lines.push(
      `and alike: ${labels.length > 4 ? `${labels.slice(0, 3).join(', ')}, ... (${labels.length} in all)` : labels.join(', ')}`,
    );
  }
  lines.push(`  ${strategyName(first)}: ${because}`);
  const packed = packedText(plan, first);
  if (packed) lines.push(`  ${packed}`);
  lines.push(
    ...table([...phase('forward', forward), ...phase('backward', backward)]).map((line) => `  ${line}`),
  );
  lines.push(`  ${against('forward', total(forward), base.forward, forward.length, base.launches)}`);
  if (plan.purpose === 'train') {
    lines.push(`  ${against('backward', total(backward), base.backward, backward.length, base.launches)}`);
  }
  if (rejected.length > 0) lines.push('  not chosen');
  for (const { strategy, because: reason } of rejected) lines.push(`    ${strategy}: ${reason}`);
  return lines;
}

/** The type of the packed weights of a region and their bytes, next to those of weights that are not packed; null without any. */
function packedText({ dtype, buffers }: KernelPlan, { region: { layers } }: RegionPlan): string | null {
  const [layer] = layers.filter(({ packed }) => packed);
  if (!layer?.packed) return null;
  const { bits, table, block, scales, zeros } = layer.packed;
  const bytes = new Map(
    layers.flatMap((one) => packedParts(one).map((name) => [name, packedBytes(buffers, name)] as const)),
  );
  const sum = [...bytes.values()].reduce((all, own) => all + own, 0);
  const weights = new Set(layers.map(({ weight }) => weight)).size;
  const plain = weights * layer.in * layer.out * ELEMENT_BYTES[dtype];
  const zero = zeros
    ? `zero points in ${zeros.dtype === 'u8' ? `${bits} bits` : zeros.dtype}`
    : 'no zero points';
  const [operator, codes, more] = table
    ? ['MatMulBnb4', table, '']
    : ['MatMulNBits', `${bits} bits`, `, ${zero}`];
  const how = `${codes} in blocks of ${block}, scales in ${scales.dtype}${more}`;
  return `weights packed as ${operator} (${how}): ${siText(sum, 'B')}; in ${dtype} ${siText(plain, 'B')}`;
}

type Row = readonly [what: string, flops: string, bytes: string, time: string, schedule: string];

function phase(name: string, launches: readonly Launch[]): readonly Row[] {
  if (launches.length === 0) return [];
  const rows: Row[] = [[name, '', '', '', '']];
  for (const { launch, times } of runs(launches)) {
    const { flops, bytes, seconds } = launch.predicted;
    const what = `  ${launch.family.padEnd(14)} ${launch.does}${times > 1 ? `   (${times} times)` : ''}`;
    rows.push([what, siText(flops, 'FLOP'), siText(bytes, 'B'), timeText(seconds), tilesText(launch)]);
  }
  return rows;
}

/** Launches in order; equal neighbours are counted. */
function runs(launches: readonly Launch[]): readonly { readonly launch: Launch; readonly times: number }[] {
  const list: { launch: Launch; times: number }[] = [];
  for (const launch of launches) {
    const before = list.at(-1);
    if (before && JSON.stringify(launchKey(before.launch)) === JSON.stringify(launchKey(launch)))
      before.times++;
    else list.push({ launch, times: 1 });
  }
  return list;
}

function table(rows: readonly Row[]): readonly string[] {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]!.length));
  const widths = [0, 1, 2, 3].map(width);
  return rows.map(([what, flops, bytes, seconds, schedule]) =>
    [
      what.padEnd(widths[0]!),
      flops.padStart(widths[1]!),
      bytes.padStart(widths[2]!),
      seconds.padStart(widths[3]!),
      schedule,
    ]
      .join('  ')
      .trimEnd(),
  );
}

function against(name: string, own: Predicted, base: Predicted, launches: number, before: number): string {
  return (
    `${name}: ${timeText(own.seconds)} in ${count(launches)}, ` +
    `${over(own.seconds, base.seconds)} over ${timeText(base.seconds)} in ${before} without adapters ` +
    `(${over(own.flops, base.flops)} FLOP, ${over(own.bytes, base.bytes)} bytes)`
  );
}

function weightSpace({ prologue, epilogue, purpose, merging }: KernelPlan): readonly string[] {
  if (prologue.length + epilogue.length === 0 && !merging) return [];
  const when = purpose === 'train' ? 'once per step' : 'when the adapter changes';
  const asked = merging
    ? [
        ...phase('into the weights', merging.merge),
        ...phase('out of the weights', merging.unmerge),
        ...phase('forward with it in the weights', merging.forward.flat()),
      ]
    : [];
  const rows = [...phase('before the tokens', prologue), ...phase('after the tokens', epilogue), ...asked];
  return [`weight space, ${when}`, ...table(rows).map((line) => `  ${line}`), ''];
}

/** Totals over all adapted layers. */
export function totals(plan: KernelPlan) {
  const { prologue, epilogue, regions, purpose } = plan;
  const tokens = regions.flatMap(({ forward, backward }) => [...forward, ...backward]);
  const launches = purpose === 'train' ? [...prologue, ...tokens, ...epilogue] : tokens;
  const base = regions.reduce(
    (sum, { base: { forward, backward, launches: one } }) => ({
      seconds: sum.seconds + forward.seconds + (purpose === 'train' ? backward.seconds : 0),
      launches: sum.launches + one * (purpose === 'train' ? 2 : 1),
    }),
    { seconds: 0, launches: 0 },
  );
  return { ...total(launches), launches: launches.length, base };
}

function summary(plan: KernelPlan): readonly string[] {
  const { flops, bytes, seconds, launches, base } = totals(plan);
  const what = plan.purpose === 'train' ? 'a step' : 'a forward pass';
  const active = plan.regions.filter(({ region }) => region.layers.some((l) => l.activation));
  const note =
    plan.purpose === 'train' && active.length > 0
      ? ['activations stay outside of the kernels while training: their gradient needs the value before them']
      : active.some(({ scheme }) => scheme === 'S0')
        ? ["activations stay outside: y is what the vendor's library gives"]
        : [];
  return [
    ...note,
    `${what} of the adapted layers: ${timeText(seconds)} in ${count(launches)} (${siText(flops, 'FLOP')}, ${siText(bytes, 'B')})`,
    `the same layers without adapters: ${timeText(base.seconds)} in ${count(base.launches)}; the adapters add ${over(seconds, base.seconds).slice(1)}`,
  ];
}

const count = (launches: number) => `${launches} ${launches === 1 ? 'launch' : 'launches'}`;

function over(own: number, base: number): string {
  const percent = 100 * (own / base - 1);
  const digits = Math.abs(percent) < 10 ? 1 : 0;
  return `${percent < 0 ? '' : '+'}${percent.toFixed(digits)} %`;
}
