import type { ElementwiseDef } from '../../../train/optimizers/define.js';
import { CAST_WIDTH } from '../../kernel/gen/cast.js';
import type { KernelPlan, Launch } from '../../kernel/model/types.js';
import { cudaPrototype } from '../../kernel/print/cuda/print.js';
import { launchBytes } from '../../kernel/print/cuda/shared-memory.js';
import { runtimeText } from '../../runtime-text.js';
import { type BoundKernel, distinct } from '../shared/kernels.js';
import type { FactorCast, FactorStep } from '../shared/steps.js';
import {
  type GridExtent,
  gridFor,
  keptOf,
  type kernelsOf,
  placesOf,
  regionRow,
  rowBlockOf,
  rowFactorsOf,
} from '../shared/tables.js';
import { blasText, borderCopies, libraryCalls, productTable, productText } from './blas.js';
import { ADAPTERS_CU, STATE_CU } from './generated/runtime.js';
import { eitherText, indented, inPairs, kernelCall, plainBuffers, queueText, SM90A } from './launch-text.js';
import { type LibraryProperties, propertiesOf } from './properties.js';
import { allowText, type BufferNumbers, bufferText, cString, placeText } from './rows.js';
import { stepSource, stepTables, updateText } from './step.js';
import { MapTable, preparationText, type twinsOf } from './warpgroups.js';

/** adapters.cu: tables, what launches the kernels, and the functions of adapters.h over them. */
export function sourceText(
  plan: KernelPlan,
  kernels: ReturnType<typeof kernelsOf>,
  { twins, early }: { readonly twins: ReturnType<typeof twinsOf>; readonly early: ReadonlySet<string> },
  optimizer: ElementwiseDef,
  steps: readonly FactorStep[],
  narrowed: readonly FactorCast[],
): string {
  const properties = propertiesOf(plan, twins.size > 0);
  const corrections = Object.keys(optimizer.corrections).length > 0;
  const number = new Map(plan.buffers.map(({ name }, index) => [name, index]));
  const products = libraryCalls(plan);
  const maps = new MapTable(number);
  const grouped = distinct(twins.values());
  const large = distinct(kernels.values()).filter((kernel) => launchBytes(kernel) > 0);
  for (const twin of twins.values()) for (const map of twin.kernel.maps ?? []) maps.of(map, twin);
  const statements = (launch: Launch): readonly string[] => {
    const own = kernels.get(launch.name);
    const twin = twins.get(launch.name);
    const begins = early.has(launch.name);
    const call = own
      ? callText(own, number, plan.tokens, { early: begins && !twin })
      : productText(launch, products);
    if (!twin) return [`LOTRC_TRY(${call});`];
    const grouped = callText(twin, number, plan.tokens, { table: maps, early: begins });
    const used = (twin.kernel.maps ?? []).map((map) => maps.of(map, twin)).join(', ');
    return eitherText('a', [`LOTRC_TRY(current_maps(a, {${used}}));`], grouped, call);
  };
  const calls = (launches: readonly Launch[], indent = '  ') =>
    launches.flatMap((launch) => indented(statements(launch), indent));
  return runtimeText(
    ADAPTERS_CU,
    { ...properties, corrections, large: large.length > 0, early: early.size > 0 },
    {
      prototypes: [
        ...distinct([...kernels.values(), ...narrowed, ...steps]).map(cudaPrototype),
        ...(grouped.length > 0 ? [`#ifdef ${SM90A}`, ...grouped.map(cudaPrototype), '#endif'] : []),
      ],
      tables: [
        ...tablesText(plan, maps, number, properties),
        ...(properties.training ? stepTables(optimizer, steps, plan, number) : []),
        ...(properties.rows ? rowTables(plan, number) : []),
      ],
      queue: queueText({ ...properties, early: early.size > 0, pairs: inPairs(grouped) }),
      blas: properties.library ? blasText() : [],
      products: properties.library ? productTable(plan, number) : [],
      large: large.map(allowText),
      shared_bytes: [`    ${Math.max(...large.map(launchBytes))};`],
      warpgroups: properties.warpgroups ? preparationText(maps, grouped) : [],
      ...stepSource(optimizer),
      state: STATE_CU.trimEnd().split('\n'),
      launches: launchesText(plan, calls, updateText(optimizer, steps, number), narrowed, number),
    },
  );
}

/** Everything that the functions of the library look up. */
function tablesText(
  plan: KernelPlan,
  maps: MapTable,
  number: BufferNumbers,
  { training, library, warpgroups }: LibraryProperties,
): readonly string[] {
  const regions = plan.regions.map((region) => ({ ...regionRow(region, plan), kept: keptOf(region) }));
  const place = (name: string | null | undefined) => (name ? number.get(name)! : -1);
  const lent = new Set(
    regions.flatMap(({ x, y, dy = [], dx, kept }) => [x, ...y, ...dy, dx ?? '', kept ?? '']),
  );
  const rowBlock = rowBlockOf(plan);
  let outputs = 0;
  return [
    `static constexpr int BUFFER_COUNT = ${plan.buffers.length};`,
    `static constexpr uint32_t REGION_COUNT = ${plan.regions.length};`,
    ...(warpgroups ? [`static constexpr int MAP_COUNT = ${maps.rows.length};`] : []),
    '',
    'static const BufferRow BUFFERS[BUFFER_COUNT] = {',
    ...plan.buffers.map((buffer) =>
      bufferText(buffer, rowBlock, library, lent.has(buffer.name) || (buffer.life === 'weight' && !library)),
    ),
    '};',
    '',
    'static const Place PLACES[] = {',
    ...(['weight', 'step'] as const).flatMap((life) =>
      Object.entries(placesOf(plan.buffers, life, plan.adapters)).flatMap(([tensor, list]) =>
        list.map((place) => placeText(tensor, place, life === 'step', number, library)),
      ),
    ),
    '};',
    '',
    'static const OutputRow OUTPUTS[] = {',
    ...regions.flatMap(({ y, dy = [] }) =>
      y.map((name) => {
        const gradient = dy.includes(`d${name}`) ? `d${name}` : null;
        return `    {${[place(name), ...(training ? [place(gradient)] : [])].join(', ')}},`;
      }),
    ),
    '};',
    '',
    'static const RegionRow REGIONS[REGION_COUNT] = {',
    ...regions.map(({ x, y, dx, kept, addsToDx }) => {
      const first = outputs;
      outputs += y.length;
      const more = training ? [place(kept), place(dx), addsToDx === true] : [];
      return `    {${[place(x), first, y.length, ...more].join(', ')}},`;
    }),
    '};',
  ];
}

/** Groups with the buffers of their adapters' ranks and scales, and the factors that adapters of rows have. */
function rowTables(plan: KernelPlan, number: BufferNumbers): readonly string[] {
  const { groups } = plan;
  return [
    '',
    'static const GroupRow GROUPS[] = {',
    ...groups.map(
      ({ id }, n) =>
        `    {${[cString(id), number.get(`ranks_${n}`)!, number.get(`scales_${n}`)!].join(', ')}},`,
    ),
    '};',
    '',
    'static const FactorRow FACTORS[] = {',
    ...rowFactorsOf(plan).map(({ buffer, line, group, tensor, nth, length, turned }) => {
      const first = `${nth * line}u * LOTRC_MAX_RANK`;
      return `    {${[cString(tensor), group, number.get(buffer)!, first, length ?? 0, turned].join(', ')}},`;
    }),
    '};',
  ];
}

/** The functions that run the launches of each part of the plan; `calls`: those of some launches, `update`: those of a step. */
function launchesText(
  plan: KernelPlan,
  calls: (launches: readonly Launch[], indent?: string) => readonly string[],
  update: readonly string[],
  narrowed: readonly FactorCast[],
  number: BufferNumbers,
): readonly string[] {
  const cleared = plan.buffers.flatMap(({ name, cleared: yes }) => (yes ? [number.get(name)!] : []));
  return [
    '// what depends on the factors alone',
    ...functionText('prologue', [
      ...castsText(narrowed, number),
      ...borderCopies(plan.buffers, number),
      ...calls(plan.prologue),
    ]),
    ...regionsText(
      'forward',
      plan.regions.map(({ forward }) => calls(forward, '      ')),
    ),
    ...(plan.merging
      ? [
          '// merge and unmerge of the adapter, and the layers without it',
          ...functionText('merge', calls(plan.merging.merge)),
          ...functionText('unmerge', calls(plan.merging.unmerge)),
          ...regionsText(
            'forward_merged',
            plan.merging.forward.map((launches) => calls(launches, '      ')),
          ),
        ]
      : []),
    ...(plan.purpose === 'train'
      ? [
          ...regionsText(
            'backward',
            plan.regions.map(({ backward }) => calls(backward, '      ')),
          ),
          '// finishes the gradients of the factors',
          ...functionText('epilogue', calls(plan.epilogue)),
          '// sums over regions: zero before the first of a step',
          ...functionText(
            'clear',
            cleared.map(
              (i) => `  LOTRC_TRY(cudaMemsetAsync(a->buffer[${i}], 0, bytes_of(a, ${i}), a->stream));`,
            ),
          ),
          ...update,
        ]
      : []),
  ];
}

function functionText(name: string, body: readonly string[]): string[] {
  // a plan may have no launches there
  const head = `static cudaError_t ${name}([[maybe_unused]] lotrc_adapters *a) {`;
  return [head, ...body, '  return cudaSuccess;', '}', ''];
}

function regionsText(name: string, regions: readonly (readonly string[])[]): string[] {
  return [
    `static cudaError_t ${name}(lotrc_adapters *a, uint32_t region) {`,
    '  switch (region) {',
    ...regions.flatMap((lines, index) => [`    case ${index}:`, ...lines, '      return cudaSuccess;']),
    '    default:',
    '      return cudaErrorInvalidValue;',
    '  }',
    '}',
    '',
  ];
}

/** Lengths that kernels take, as the library names them. */
const LENGTHS: Readonly<Record<string, string>> = {
  M: 'a->rows',
  rowBlocks: 'tiles(a, LOTRC_ROW_BLOCK)',
  rowBlock: 'LOTRC_ROW_BLOCK',
};

/** The call that launches a kernel, with maps of the table where it is for warpgroups; `early`: it may begin before the one before it has ended. */
function callText(
  bound: BoundKernel,
  number: BufferNumbers,
  tokens: number,
  { table, early }: { readonly table?: MapTable; readonly early: boolean },
): string {
  const { kernel, launch, buffers, firsts } = bound;
  const operands = plainBuffers(kernel).map(({ name }) => {
    const [buffer, first] = [number.get(buffers.get(name)!)!, firsts.get(name) ?? 0];
    return first === 0 ? `a->buffer[${buffer}]` : `within(a, ${buffer}, ${first})`;
  });
  const uniforms = kernel.uniforms.map(({ name }) => {
    const text = LENGTHS[name];
    if (text === undefined) throw new Error(`the launch ${launch.name} wants a number ${name}`);
    return text;
  });
  return kernelCall(kernel, {
    ...{ queue: 'a', operands, uniforms, early },
    maps: (kernel.maps ?? []).map((map) => `a->map[${table!.of(map, bound)}].made`),
    grid: gridFor(launch, tokens).map(extentText),
  });
}

const extentText = (extent: GridExtent): string =>
  typeof extent === 'number' ? `${extent}` : `tiles(a, ${extent.per})`;

function castsText(narrowed: readonly FactorCast[], number: BufferNumbers): string[] {
  return narrowed.map(({ kernel, from, to, elements }) => {
    const own: Readonly<Record<string, string>> = { wide: from, narrow: to };
    const operands = kernel.buffers.map(({ name }) => `a->buffer[${number.get(own[name]!)!}]`);
    const grid = [`${Math.ceil(elements / CAST_WIDTH)}`, '1', '1'];
    return `  LOTRC_TRY(${kernelCall(kernel, { queue: 'a', grid, maps: [], operands, uniforms: [] })});`;
  });
}
