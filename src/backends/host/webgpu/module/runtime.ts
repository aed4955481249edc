import { runtimeText } from '../../../runtime-text.js';
import {
  ADAPTERS_TS,
  CHECKS_TS,
  COMPILE_TS,
  HALVES_TS,
  NEEDS_TS,
  ROWS_TS,
  STATE_TS,
} from '../generated/runtime.js';
import type { ModuleFacts } from './facts.js';
import { quotedText } from './literal.js';
import { stepParts } from './step.js';

/** The sources of ../runtime in the order in which a module has them. */
const SOURCES = [NEEDS_TS, HALVES_TS, ADAPTERS_TS, ROWS_TS, STATE_TS, CHECKS_TS, COMPILE_TS].join('');

/** What runs the tables of a module: its functions, of all sources in one file. */
export function runtime(facts: ModuleFacts): string {
  const { training, merging, half, slices, adapters, packed, rows, matrix } = facts;
  const { conditions, lines } = stepParts(facts);
  const properties = {
    source: false,
    training,
    merging: merging !== null,
    half,
    slices,
    many: adapters > 1 && rows === null,
    rows: rows !== null,
    slots: adapters > 1 || rows !== null,
    packed: Object.keys(packed).length > 0,
    matrices: matrix !== null,
    ...conditions,
  };
  const inserted = { example: example(facts), ...lines };
  // sources meet with an empty line each where the one between is left out
  const text = runtimeText(SOURCES, properties, inserted).replace(/\n{3,}/g, '\n\n');
  return `\n${text.trimEnd()}\n`;
}

/** A use of the module, with names of the first region. */
function example({ regions, training, packed, rows }: ModuleFacts): readonly string[] {
  const [region] = regions;
  if (!region) throw new Error('a plan has a region');
  const [y] = region.y;
  const [dy] = region.dy ?? [];
  return [
    'const device = await adapter.requestDevice(requirements());',
    'const host = await createAdapters(device);',
    'host.setWeights(weights);',
    ...(Object.keys(packed).length > 0 ? ['host.setPacked(bytes);'] : []),
    'host.setAdapter(factors);',
    ...(rows === null ? [] : ['host.setRows([0]);']),
    `host.write(${quotedText(region.x)}, x);`,
    'host.forward(0);',
    ...(y === undefined ? [] : [`const y = await host.read(${quotedText(y)});`]),
    ...(training && dy !== undefined
      ? [`host.write(${quotedText(dy)}, dy);`, 'host.backward(0);', 'host.step({ learningRate: 1e-3 });']
      : []),
  ];
}
