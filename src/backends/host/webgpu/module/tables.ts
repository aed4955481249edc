import type { BufferPlan } from '../../../kernel/model/types.js';
import type { TensorPlace } from '../../shared/tables.js';
import type { ModuleFacts } from './facts.js';
import { keyText, literal, quotedText, type TableValue } from './literal.js';
import type { Statement } from './source.js';
import { alias, comment, constant, field, list, shape, typedTable } from './structures.js';

/** A module's description of its plan as data: buffers, tensors of the model, regions and the order of launches. */
export const tables = (facts: ModuleFacts): Statement[] => [
  constant(
    { name: 'TOKENS', doc: 'Rows of every x that the tiles were chosen for. Any other number works too.' },
    String(facts.tokens),
  ),
  ...(facts.adapters > 1 || facts.rows ? adapters(facts) : []),
  ...buffers(facts),
  ...tensors(facts),
  ...regions(facts),
  ...launches(facts),
];

const adapters = ({ adapters: count, rowBlock, rows }: ModuleFacts): Statement[] => [
  constant({ name: 'ADAPTERS', doc: 'Adapters in one batch.' }, String(count)),
  ...(rows
    ? [
        constant({ name: 'MAX_RANK', doc: 'The largest rank of an adapter.' }, String(rows.most)),
        constant(
          {
            name: 'NO_ADAPTER',
            doc: 'In the buffer rowAdapter: the row has none. Any other number that is not that of a complete adapter means the same.',
          },
          String(NONE),
        ),
      ]
    : [
        constant(
          { name: 'ROW_BLOCK', doc: 'Rows of x in a block. All rows of a block belong to one adapter.' },
          String(rowBlock),
        ),
      ]),
];

/** No number of an adapter. */
const NONE = 0xffffffff;

function buffers({ buffers: plans, adapters: count, half, packed, rows: apart }: ModuleFacts): Statement[] {
  const many = count > 1 && apart === null;
  const whole = plans.flatMap(({ name, dtype }) => (dtype === 'u32' ? [quotedText(name)] : []));
  const bytes = Object.keys(packed).length > 0;
  const types = [
    "'f32'",
    ...(half ? ["'f16'"] : []),
    ...(bytes ? ["'u8'"] : []),
    ...(whole.length > 0 ? ["'u32'"] : []),
  ];
  const rows = plans.map((plan) => {
    const about = aboutBuffer(plan);
    const row = `${keyText(plan.name)}: ${literal({ type: plan.dtype, shape: plan.shape }, 2, plan.name.length + 2)},`;
    return about === null ? row : `${comment(about, 2)}\n${row}`;
  });
  return [
    alias(
      {
        name: 'Extent',
        doc: `Length of an axis: a number, 'M' for the tokens${many ? ", or 'rowBlocks' for the blocks of ROW_BLOCK rows" : ''}.`,
      },
      `number | 'M'${many ? " | 'rowBlocks'" : ''}`,
    ),
    shape(
      {
        name: 'BufferLayout',
        doc: `What a buffer holds: elements of one type, row-major.${half ? ' Numbers of f16 go in and out as float32.' : ''}`,
      },
      [field('type', types.join(' | ')), field('shape', 'readonly Extent[]')],
    ),
    constant(
      { name: 'BUFFERS', doc: 'All buffers.' },
      `{\n${rows.join('\n')}\n} as const satisfies Record<string, BufferLayout>`,
    ),
    alias({ name: 'BufferName', doc: 'Name of a buffer.' }, 'keyof typeof BUFFERS'),
    alias(
      { name: 'NumbersName', doc: 'Name of a buffer that write fills and read copies.' },
      bytes
        ? "{ [Name in BufferName]: (typeof BUFFERS)[Name]['type'] extends 'f32' | 'f16' ? Name : never }[BufferName]"
        : whole.length > 0
          ? `Exclude<BufferName, ${whole.join(' | ')}>`
          : 'BufferName',
    ),
    constant(
      { name: 'BUFFER_NAMES', doc: 'Names of all buffers, in the order of BUFFERS.', exported: false },
      'Object.keys(BUFFERS) as BufferName[]',
    ),
  ];
}

/** The contents of buffers that no tensor fills, by the letters of their names. */
const LETTERS: Readonly<Record<string, string>> = {
  P: 'x times the first factors',
  dP: 'gradient of P',
  T: 'P times the middle factors',
  dT: 'gradient of T',
  Lp: "L' = s M L of every site",
  Z: 'P^T dy of every site, summed over tokens',
  Fp: 'what x is multiplied by, computed of factors',
  dFp: 'gradient of Fp, summed over tokens',
  V: 'a product of factors on the way to another',
  Wm: 'W with the adapter merged',
  partials: 'parts of sums over tokens',
  rowAdapter: 'adapter of each block of rows',
  D: 'what the adapters of rows add to y',
  ranks: 'rank of each adapter, 0 where it is not complete',
  scales: 'scale of each adapter',
};

function aboutBuffer({ name, from, ofRows, gradientOf, copyOf, value, life }: BufferPlan): string | null {
  if (from !== undefined) return tensorNames(from);
  if (ofRows !== undefined) return `${tensorNames(ofRows.tensors)} of every adapter`;
  if (gradientOf !== undefined) return `gradient of ${gradientOf}`;
  if (copyOf !== undefined) return `${copyOf} in float16`;
  if (value !== undefined) return `${name.startsWith('d') ? 'gradient of ' : ''}\`${value}\` of the model`;
  const [letters = name] = name.split('_');
  return LETTERS[letters] ?? (life === 'scratch' ? 'scratch' : null);
}

function tensorNames(all: readonly string[]): string {
  const shown = all.slice(0, 3).map((tensor) => `\`${tensor}\``);
  const more = all.length > 3 ? ` and ${all.length - 3} more` : '';
  return `${shown.join(', ')}${more}`;
}

const PLACES = 'Places';

const tensors = ({ weights, packed, factors, adapters: count, rows }: ModuleFacts): Statement[] => [
  shape(
    {
      name: 'Place',
      doc: 'Place of a tensor in a buffer: rows x cols elements from `offset` on, `rowStride` elements from row to row.',
    },
    [
      field('buffer', 'BufferName'),
      ...['offset', 'rows', 'cols', 'rowStride'].map((name) => field(name, 'number')),
    ],
  ),
  alias(
    { name: 'Places', doc: 'The places of tensors, by name.' },
    'Readonly<Record<string, readonly Place[]>>',
  ),
  typedTable(
    { name: 'WEIGHTS', doc: "The model's weights and biases of the adapted layers.", type: PLACES },
    placesValue(weights),
  ),
  alias({ name: 'WeightName', doc: 'Name of a weight or bias in the model.' }, 'keyof typeof WEIGHTS'),
  ...(Object.keys(packed).length > 0 ? packedTable(packed) : []),
  ...(rows
    ? rowFactors(rows)
    : [
        typedTable(
          {
            name: 'FACTORS',
            doc: `The model's factors.${count > 1 ? ' Places are those of adapter 0.' : ''}`,
            type: PLACES,
          },
          placesValue(factors),
        ),
        alias({ name: 'FactorName', doc: 'Name of a factor in the model.' }, 'keyof typeof FACTORS'),
      ]),
];

/** Factors of adapters that have ranks of their own. */
const rowFactors = ({ groups, factors }: NonNullable<ModuleFacts['rows']>): Statement[] => [
  shape({ name: 'Group', doc: 'Layers of which an adapter has one rank and scale.' }, [
    field('label', 'string'),
    field('scale', 'number', 'of the adapter of the model'),
    field('ranks', 'BufferName', 'of each adapter: 0 where it is not complete'),
    field('scales', 'BufferName', 'of each adapter'),
  ]),
  typedTable({ name: 'GROUPS', doc: 'All groups.', type: 'readonly Group[]' }, groups),
  shape(
    {
      name: 'RowPlace',
      doc: 'Place of a factor of adapter 0: from element `first` on, a line for each of its rank, with room for MAX_RANK and a few more.',
    },
    [
      field('buffer', 'BufferName'),
      field('group', 'number', 'index of the group whose rank it has'),
      field('first', 'number'),
      field('length', 'number | null', 'numbers of a line; null: as many as the rank'),
      field('turned', 'boolean', 'the model has the axis of the rank last'),
    ],
  ),
  typedTable(
    {
      name: 'ROW_FACTORS',
      doc: 'Factors of an adapter, by their names in the model.',
      type: 'Readonly<Record<string, readonly RowPlace[]>>',
    },
    factors,
  ),
  alias({ name: 'FactorName', doc: 'Name of a factor in the model.' }, 'keyof typeof ROW_FACTORS'),
];

const packedTable = (packed: Readonly<Record<string, string>>): Statement[] => [
  typedTable(
    {
      name: 'PACKED',
      doc: 'The buffers of packed weights and zero points, by their names in the model.',
      type: 'Readonly<Record<string, BufferName>>',
    },
    packed,
  ),
  alias(
    { name: 'PackedName', doc: 'Name of a packed weight, or of its zero points, in the model.' },
    'keyof typeof PACKED',
  ),
];

const placesValue = (places: Readonly<Record<string, readonly TensorPlace[]>>): TableValue =>
  Object.fromEntries(Object.entries(places).map(([name, rows]) => [name, rows.map((row) => ({ ...row }))]));

const KERNEL_LIST = 'readonly KernelName[]';

function regions({ regions: rows, training, merging }: ModuleFacts): Statement[] {
  return [
    shape({ name: 'Region', doc: 'Layers that read the same x.' }, [
      field('index', 'number', 'argument of forward'),
      field('label', 'string'),
      field('layers', 'readonly string[]', 'nodes of the model'),
      field('x', 'BufferName', 'read: (M, in)'),
      field('y', 'readonly BufferName[]', 'written by forward, one for each layer: (M, out)'),
      field('forward', KERNEL_LIST, 'launches in order'),
      ...(merging ? [field('merged', KERNEL_LIST, 'launches while the adapter is in the weights')] : []),
      ...(training
        ? [
            field('dy', 'readonly BufferName[]', 'read by backward, one for each layer: (M, out)'),
            field('dx', 'BufferName | null', 'written by backward: (M, in); null where nothing needs it'),
            field('addsToDx', 'boolean', 'an earlier region reads the same x: its backward goes first'),
            field('backward', KERNEL_LIST, 'launches in order'),
          ]
        : []),
    ]),
    typedTable(
      { name: 'REGIONS', doc: 'All regions, in the order of the model.', type: 'readonly Region[]' },
      rows.map((row, index) => ({ index, ...row }) as TableValue),
    ),
    alias({ name: 'RegionIndex', doc: 'Index of a region.' }, "(typeof REGIONS)[number]['index']"),
  ];
}

function launches({ prologue, epilogue, cleared, merging, training }: ModuleFacts): Statement[] {
  const names = (name: string, about: string, value: readonly string[], type = KERNEL_LIST) =>
    list({ name, doc: about, exported: false, type }, value);
  return [
    names('PROLOGUE', 'Launches that make of the factors what the regions read.', prologue),
    ...(merging
      ? [
          names('MERGE', 'Launches that fold the adapter into the weights.', merging.merge),
          names('UNMERGE', 'Launches that take it out again.', merging.unmerge),
        ]
      : []),
    ...(training
      ? [
          names('EPILOGUE', 'Launches that finish the gradients of the factors.', epilogue),
          names(
            'CLEARED',
            'Sums over regions: zero before the first of a step.',
            cleared,
            'readonly BufferName[]',
          ),
        ]
      : []),
  ];
}
