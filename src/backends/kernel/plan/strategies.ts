import { tokenScale } from '../../../adapter/kernel-form.js';
import type { AdaptedLayer, Group, LayerRegion } from '../model/layers.js';
import type {
  Activation,
  Launch,
  MatrixRef,
  Operand,
  Product,
  Scheme,
  Segment,
  Strategy,
} from '../model/types.js';
import type { Buffers } from './buffers.js';
import { concatLaunches, flipped, plain, productLaunch, type Target, TokenSums } from './launches.js';
import { unlessSlower } from './price.js';
import { chainedColumns } from './schedule.js';
import { launchedInVectors } from './vectors.js';
import { columnsOf, type Views } from './views.js';
import { sideName } from './weight-space.js';

/** What candidates are made from. */
export interface RegionContext {
  readonly target: Target;
  readonly buffers: Buffers;
  readonly group: Group;
  readonly purpose: 'train' | 'serve';
  readonly views: Views;
  /** another region has written the gradient of this one's input before it */
  readonly addsToDx: boolean;
  /** the launches that a back end emits for one */
  readonly emitted: (launch: Launch) => readonly Launch[];
}

/** One way to run a region, with all its launches. */
export interface RegionCandidate {
  readonly strategy: Strategy;
  readonly scheme: Scheme;
  /** for each weight of this region the launches that make it, of which the last writes it */
  readonly weights: readonly (readonly Launch[])[];
  readonly forward: readonly Launch[];
  readonly backward: readonly Launch[];
}

/** Split + concat-K: P = x R once, then one product per layer over the inner dimension in + r. */
export function split(region: LayerRegion, context: RegionContext): RegionCandidate {
  const { buffers, group } = context;
  return {
    strategy: 'L-fold',
    scheme: 'S1',
    weights: [],
    forward: [
      downLaunch(region, context),
      ...region.layers.map((layer) => {
        const segments = [
          segment(plain(buffers.ofInput('x', region)), buffers.weight(layer), region.in),
          segment(
            plain(columnsOf(buffers.ofRegion('P', region), region, layer)),
            buffers.up(layer),
            region.rank,
          ),
        ];
        return layerLaunch(layer, context, segments, `x W + P ${upName(group)}`);
      }),
    ],
    backward: backwardOf(region, context, (id) => dxLaunches(region, context, id, true)),
  };
}

/** One launch per layer that forms P while it reads x: for few rows. */
export function widened(region: LayerRegion, context: RegionContext): RegionCandidate {
  const { buffers, group } = context;
  const forward = region.layers.map((layer) => {
    const widen = {
      rank: region.rank,
      scale: tokenScale(group),
      down: downOf(region, layer, buffers),
      up: buffers.up(layer),
    };
    const x = segment(plain(buffers.ofInput('x', region)), buffers.weight(layer), region.in);
    const formula = `x W + ${scaleText(group)}(x ${sideName(group, 'down')}) ${upName(group)}`;
    return layerLaunch(layer, context, [x], formula, { widen });
  });
  return { strategy: 'L-fold', scheme: 'S2', weights: [], forward, backward: [] };
}

/**
 * T = (x R) M for all layers of the region, in one launch unless the rank is large, then one product per layer;
 * adapters differ by row block.
 */
export function byToken(region: LayerRegion, context: RegionContext): RegionCandidate {
  const { buffers, target, group } = context;
  const first = sideName(group, 'down');
  const [middle, last] = group.form.core!.map((k) => group.factors[k]!.name) as [string, string];
  const scale = group.scale;
  const down = {
    family: 'skinny',
    rows: 'M',
    cols: region.rank,
    segments: [segment(plain(buffers.ofInput('x', region)), buffers.down(region), region.in)],
  } as const;
  const cores = buffers.coresBeside(region);
  const tokens = {
    name: `tokens_${buffers.number(region)}`,
    out: buffers.cores(region),
    epilogue: { scale },
  };
  const chained = productLaunch(target, {
    ...down,
    ...tokens,
    does: `T = s (x ${first}) ${middle}`,
    chain: cores,
  });
  const sums = buffers.ofRegion('P', region);
  const apart = [
    productLaunch(target, {
      ...down,
      name: `down_${buffers.number(region)}`,
      does: `P = x ${first}`,
      out: sums,
    }),
    productLaunch(target, {
      ...tokens,
      family: 'gemm',
      does: `T = s P ${middle}`,
      rows: 'M',
      cols: buffers.cores(region).cols,
      segments: [segment(plain(sums), cores, region.rank)],
    }),
  ];
  // a row of P has to be in one tile to be multiplied there, element by element
  const steps =
    region.rank > chainedColumns(chained.schedule) ||
    (target.device.api === 'webgpu' && apart.every(launchedInVectors))
      ? apart
      : cheaper([chained], apart, context);
  const layers = region.layers.map((layer, index) => {
    const all = buffers.cores(region);
    const cols = Number(all.cols) / region.layers.length;
    const own = { ...all, cols, offset: index * cols };
    const segments = [
      segment(plain(buffers.ofInput('x', region)), buffers.weight(layer), region.in),
      segment(plain(own), buffers.lastOfCore(region, layer), cols),
    ];
    return layerLaunch(layer, context, segments, `x W + T ${last}`);
  });
  return { strategy: 'token', scheme: 'S1', weights: [], forward: [...steps, ...layers], backward: [] };
}

/** The first of two ways to launch the same, unless what is emitted for the other one is predicted to be clearly faster. */
function cheaper(first: readonly Launch[], other: readonly Launch[], { emitted }: RegionContext) {
  const own = first.flatMap(emitted);
  return unlessSlower(own, other.flatMap(emitted)) === own ? first : other;
}

/** W' = W + R L' per step, then the layer as if it had no adapter. */
export function merged(region: LayerRegion, context: RegionContext): RegionCandidate {
  const { buffers, target, group } = context;
  const weights = region.layers.map((layer) => {
    const { matrix, transposed } = buffers.weight(layer);
    const out = buffers.merged(layer).matrix;
    const [down, up] = [downOf(region, layer, buffers), buffers.up(layer)];
    const product = transposed ? segment(flip(up), flip(down), region.rank) : segment(down, up, region.rank);
    const launch = productLaunch(target, {
      name: `merge_${out.buffer}`,
      family: 'rankBatched',
      does: `W' = W + ${scaleText(group)}${sideName(group, 'down')} ${upName(group)}`,
      rows: out.rows,
      cols: out.cols,
      segments: [product],
      epilogue: { scale: tokenScale(group), residual: matrix },
      out,
    });
    return [launch];
  });
  const forward = region.layers.map((layer) =>
    layerLaunch(
      layer,
      context,
      [segment(plain(buffers.ofInput('x', region)), buffers.merged(layer), region.in)],
      "x W'",
    ),
  );
  const training = context.purpose === 'train';
  return {
    strategy: 'merged',
    scheme: 'plain',
    weights,
    forward: training && sumsWanted(group) ? [...forward, downLaunch(region, context)] : forward,
    backward: backwardOf(region, context, (id) => dxLaunches(region, context, id, false)),
  };
}

/** P = x R; where up is a factor, the scale is applied here. */
export function downLaunch(region: LayerRegion, { buffers, target, group, views }: RegionContext): Launch {
  return productLaunch(target, {
    name: `down_${buffers.number(region)}`,
    family: 'skinny',
    does: `P = ${scaleText(group)}x ${downName(region, group)}`,
    rows: 'M',
    cols: views.P(region).cols,
    segments: [segment(plain(views.x(region)), views.down(region), region.in)],
    epilogue: { scale: tokenScale(group) },
    out: views.P(region),
  });
}

/** y of a layer; `library`: by a call of the vendor's library, which does not apply the activation. */
export function layerLaunch(
  layer: AdaptedLayer,
  { buffers, target, purpose }: RegionContext,
  segments: readonly Segment[],
  formula: string,
  how: {
    readonly widen?: Product['widen'];
    readonly library?: true;
    readonly residual?: MatrixRef;
  } = {},
): Launch {
  const { widen, library, residual } = how;
  const out = library ? buffers.beforeActivation(layer) : buffers.ofLayer('y', layer);
  const activation = purpose === 'serve' && !library ? layer.activation : null;
  const sum = `${formula}${layer.bias === null ? '' : ' + b'}`;
  return productLaunch(target, {
    name: `layer_${buffers.layerNumber(layer)}`,
    family: library ? 'blas' : widen && target.tokens <= 4 ? 'gemv' : 'gemm',
    does: `y = ${activation ? `${ACTIVATION_TEXT[activation]}(${sum})` : sum}`,
    rows: 'M',
    cols: layer.out,
    segments,
    ...(widen ? { widen } : {}),
    epilogue: {
      ...buffers.bias(layer),
      ...(residual ? { residual } : {}),
      ...(activation ? { activation } : {}),
    },
    out,
  });
}

/** Whether any gradient follows from P^T dy, or from x^T dP: that of a factor of the side. */
const sumsWanted = ({ factors, form }: Group, which: 'down' | 'up' = 'up'): boolean =>
  form[which].operands.some((k) => factors[k]!.trainable);

/** dP, Z, dR, and the launches for dx, which differ. Frozen factors have no gradients. */
export function backwardOf(
  region: LayerRegion,
  context: RegionContext,
  dx: (id: number) => readonly Launch[],
): readonly Launch[] {
  if (context.purpose === 'serve') return [];
  const { buffers, target, group, views } = context;
  const { layers } = region;
  const id = buffers.number(region);
  const up = upName(group);
  const dP = views.dP(region);
  const epilogue = { scale: tokenScale(group) };
  const back = (layer: AdaptedLayer) => segment(plain(views.dy(layer)), flip(views.up(layer)), layer.out);
  const common = { family: 'skinny', rows: 'M', cols: region.rank, epilogue } as const;
  const summed = layers.length > 1 ? 'sum of ' : '';
  const rank =
    region.downs.length === 1
      ? concatLaunches(target, {
          ...common,
          name: `drank_${id}`,
          does: `dP = ${scaleText(group)}${summed}dy ${up}^T`,
          segments: layers.map(back),
          out: dP,
        })
      : layers.map((layer) =>
          productLaunch(target, {
            ...common,
            name: `drank_${id}_${buffers.layerNumber(layer)}`,
            does: `dP = ${scaleText(group)}dy ${up}^T`,
            segments: [back(layer)],
            out: columnsOf(dP, region, layer),
          }),
        );
  const sums = new TokenSums(target, buffers.scratch(0));
  for (const layer of sumsWanted(group) ? layers : []) {
    sums.add({
      name: `sum_${buffers.layerNumber(layer)}`,
      family: 'skinnyT',
      does: `${group.form.up.bare === null ? 'Z' : `d${up}`} = P^T dy`,
      rows: region.rank,
      cols: layer.out,
      segments: [segment(flipped(columnsOf(views.P(region), region, layer)), plain(views.dy(layer)), 'M')],
      out: buffers.sums(layer),
    });
  }
  if (sumsWanted(group, 'down')) {
    sums.add({
      name: `dfirst_${id}`,
      family: 'skinnyT',
      does: `d${downName(region, group)} = x^T dP`,
      rows: region.in,
      cols: dP.cols,
      segments: [segment(flipped(views.x(region)), plain(dP), 'M')],
      out: buffers.downGradient(region),
    });
  }
  buffers.scratch(sums.elements);
  return [...rank, ...sums.finish(`reduce_${id}`), ...dx(id)];
}

/** dx in one launch, if the bindings allow. `concat`: it takes dP R^T as well, which a merged weight already contains. */
function dxLaunches(
  region: LayerRegion,
  context: RegionContext,
  id: number,
  concat: boolean,
): readonly Launch[] {
  const { buffers, target, group, views, addsToDx } = context;
  const { layers } = region;
  const weight = (layer: AdaptedLayer) => (concat ? buffers.weight(layer) : buffers.merged(layer));
  const segments = layers.map((layer) => segment(plain(views.dy(layer)), flip(weight(layer)), layer.out));
  if (concat)
    segments.push(segment(plain(views.dP(region)), flip(views.down(region)), views.dP(region).cols));
  const terms = `${layers.length > 1 ? 'sum of ' : ''}dy ${concat ? 'W' : "W'"}^T`;
  return concatLaunches(target, {
    name: `dx_${id}`,
    family: 'gemm',
    does: `dx ${addsToDx ? '+=' : '='} ${terms}${concat ? ` + dP ${downName(region, group)}^T` : ''}`,
    rows: 'M',
    cols: region.in,
    segments,
    epilogue: { accumulate: addsToDx },
    out: buffers.ofInput('dx', region),
  });
}

const flip = (operand: Operand): Operand => ({ ...operand, transposed: !operand.transposed });

export const segment = (a: Operand, b: Operand, inner: Segment['inner']): Segment => ({ a, b, inner });

/** What a layer's x is multiplied by, within that of its region. */
export function downOf(region: LayerRegion, layer: AdaptedLayer, buffers: Buffers): Operand {
  const all = buffers.down(region);
  return { ...all, matrix: columnsOf(all.matrix, region, layer) };
}

/** R, or [A A' ...] where every layer has its own. */
export const downName = (region: LayerRegion, group: Group): string => {
  const name = sideName(group, 'down');
  return region.downs.length === 1 ? name : `[${name} of ${region.downs.length}]`;
};

/** What P is multiplied by: L' = s M L, or B. */
export const upName = (group: Group): string => sideName(group, 'up');

/** Where up is a factor, the scale is applied to P and dP. */
export const scaleText = (group: Group): string => (tokenScale(group) !== 1 ? 's ' : '');

const ACTIVATION_TEXT: Readonly<Record<Activation, string>> = {
  relu: 'Relu',
  gelu: 'Gelu',
  'gelu-tanh': 'GeluTanh',
  silu: 'Silu',
};
