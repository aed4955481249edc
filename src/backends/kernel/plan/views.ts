import type { AdaptedLayer, LayerRegion } from '../model/layers.js';
import type { MatrixRef, Operand } from '../model/types.js';
import type { Buffers } from './buffers.js';
import { plain } from './launches.js';

/** Where the matrices of a region are: this differs between buffers of their own and bordered ones. */
export interface Views {
  x(region: LayerRegion): MatrixRef;
  /** all of P or dP: the columns of everything that x is multiplied by */
  P(region: LayerRegion): MatrixRef;
  dP(region: LayerRegion): MatrixRef;
  dy(layer: AdaptedLayer): MatrixRef;
  /** what x is multiplied by: (in, r for each) */
  down(region: LayerRegion): Operand;
  /** L', or B: (r, out) */
  up(layer: AdaptedLayer): Operand;
}

/** A layer's own columns in P, dP, or what x is multiplied by. */
export function columnsOf<T extends MatrixRef>(all: T, region: LayerRegion, layer: AdaptedLayer): T {
  const at = region.downs.indexOf(layer.down) * region.rank;
  return { ...all, cols: region.rank, offset: all.offset + at };
}

/** Every matrix in a buffer of its own. */
export function ownBuffers(buffers: Buffers): Views {
  return {
    x: (region) => buffers.ofInput('x', region),
    P: (region) => buffers.ofRegion('P', region),
    dP: (region) => buffers.ofRegion('dP', region),
    dy: (layer) => buffers.ofLayer('dy', layer),
    down: (region) => buffers.down(region),
    up: (layer) => buffers.up(layer),
  };
}

/** P at the end of the rows of x, dP at the end of the rows of the first dy, R and L' at the borders of W. */
export function borders(buffers: Buffers, region: LayerRegion): Views {
  const [first] = region.layers;
  const rank = region.downs.length * region.rank;
  const part = (matrix: MatrixRef, rows: MatrixRef['rows'], cols: number, at: number): MatrixRef => ({
    ...matrix,
    rows,
    cols,
    offset: matrix.offset + at,
  });
  return {
    x: () => part(buffers.roomyInput(region), 'M', region.in, 0),
    P: () => part(buffers.roomyInput(region), 'M', rank, region.in),
    dP: () => part(buffers.roomyGradient(region, first!), 'M', rank, first!.out),
    dy: (layer) => part(buffers.roomyGradient(region, layer), 'M', layer.out, 0),
    down: () => plain(part(buffers.bordered(region, first!), region.in, rank, first!.out)),
    up: (layer) => {
      const all = buffers.bordered(region, layer);
      const row = layer.in + region.downs.indexOf(layer.down) * layer.rank;
      return plain(part(all, layer.rank, layer.out, row * Number(all.rowStride)));
    },
  };
}
