import { optimizerText, stateText, stepNumbers } from '../../shared/optimizer.js';
import type { ModuleFacts } from './facts.js';
import type { Statement } from './source.js';
import { alias, field, method, shape } from './structures.js';

/** The interface of a module: types of its inputs, and all methods. */
export const api = (facts: ModuleFacts): Statement[] => [
  alias(
    {
      name: 'TensorData',
      parameter: 'Name extends string',
      doc: 'Tensors by their names in the model, each as the model stores it: row-major float32. Those left out stay as they are.',
    },
    'Partial<Readonly<Record<Name, Float32Array<ArrayBuffer>>>>',
  ),
  ...(facts.training ? [hyperparameters(facts)] : []),
  ...(facts.rows ? [adapterOptions] : []),
  shape({ name: 'AdaptersOptions', doc: 'Options of createAdapters.' }, [
    field('tokens?', 'number', 'rows of every x; TOKENS unless given'),
  ]),
  shape(
    {
      name: 'Adapters',
      doc: 'The adapted layers on one device: what createAdapters makes. Calls are queued in order; only read waits for the device.',
    },
    [
      field('tokens', 'number', 'Rows of every x and y: the M of BUFFERS.'),
      field(
        'buffers',
        'Readonly<Record<BufferName, GPUBuffer>>',
        "All buffers, for the caller's own passes: to be bound as storage and to be copied from and to.",
      ),
    ],
    [...uploads(facts), ...passes(facts), ...(facts.training ? trainingMethods(facts) : []), destroy],
  ),
];

const hyperparameters = ({ optimizer }: ModuleFacts) =>
  shape(
    {
      name: optimizer.title,
      doc: `Hyperparameters of a step of ${optimizerText(optimizer)}.`,
    },
    stepNumbers(optimizer).map((number) =>
      number.default === undefined
        ? field(number.name, 'number')
        : field(`${number.name}?`, 'number', `${number.default} unless given`),
    ),
  );

/** Rank and scale of an adapter of rows. */
const adapterOptions = shape({ name: 'AdapterOptions', doc: 'Options of setAdapter.' }, [
  field('rank?', 'number', '1 to MAX_RANK; that of the factors unless given'),
  field('scale?', 'number', "what it was, at first the scale of the model's adapter, unless given"),
]);

const ROW_METHODS = [
  method(
    'setAdapter',
    { tensors: 'TensorData<FactorName>', 'adapter?': 'number', 'options?': 'AdapterOptions' },
    'void',
    'Uploads factors of one adapter, 0 to ADAPTERS - 1; 0 unless given. Rank and scale are those of the groups of the factors, or of all groups where none is given; with another rank than before it has no factors of a group but these. Throws RangeError for another name, size, rank or adapter.',
  ),
  method(
    'setRows',
    { adapters: 'readonly (number | null)[]' },
    'void',
    'Says whose the rows of x are: the adapter of each row, in any order; null: none. Rows beyond the last have none. Throws RangeError for more rows than tokens or another adapter, and an error for an adapter that lacks a factor.',
  ),
];

function uploads({ adapters, merging, packed, rows, training }: ModuleFacts) {
  const many = adapters > 1;
  const order = merging ? ' Throws while the adapter is in the weights.' : '';
  return [
    method(
      'setWeights',
      { tensors: 'TensorData<WeightName>' },
      'void',
      `Uploads base weights and biases. Throws RangeError for another name or size.${order}`,
    ),
    ...(Object.keys(packed).length > 0
      ? [
          method(
            'setPacked',
            { tensors: 'Partial<Readonly<Record<PackedName, Uint8Array<ArrayBuffer>>>>' },
            'void',
            'Uploads packed weights and their packed zero points: the bytes that the model stores. setWeights takes their scales. Throws RangeError for another name or size.',
          ),
        ]
      : []),
    ...(rows
      ? ROW_METHODS
      : many
        ? [
            method(
              'setAdapter',
              { tensors: 'TensorData<FactorName>', 'adapter?': 'number' },
              'void',
              'Uploads factors of one adapter, 0 to ADAPTERS - 1; 0 unless given. Throws RangeError for another name, size or adapter.',
            ),
            method(
              'setRows',
              { adapters: 'readonly number[]' },
              'void',
              'Says whose the rows of x are: the adapter of each block of ROW_BLOCK rows, the last of which may be shorter. Rows of one adapter that do not fill a block are followed by rows of padding. Throws RangeError for another count or adapter.',
            ),
          ]
        : [
            method(
              'setAdapter',
              { tensors: 'TensorData<FactorName>' },
              'void',
              `Uploads factors of the adapter, at any time. Throws RangeError for another name or size.${order}`,
            ),
          ]),
    method(
      'write',
      { name: 'NumbersName', data: 'Float32Array<ArrayBuffer>' },
      'void',
      'Fills a buffer with numbers, row-major, as many as sizeOf says. Throws RangeError for another count.',
    ),
    method(
      'read',
      { name: 'NumbersName' },
      'Promise<Float32Array<ArrayBuffer>>',
      'A copy of a buffer, row-major, once all that was queued before is done.',
    ),
    ...(training
      ? [
          method(
            'readAdapter',
            {},
            'Promise<Record<FactorName, Float32Array<ArrayBuffer>>>',
            'The factors as they are now, by their names in the model: what an adapter file holds under these names, and setAdapter takes.',
          ),
        ]
      : []),
  ];
}

function passes({ merging }: ModuleFacts) {
  return [
    method(
      'encode',
      { pass: 'GPUComputePassEncoder', region: 'RegionIndex' },
      'void',
      "Records the forward pass of a region in the caller's own compute pass, which the caller ends and submits: one submission for many regions. Throws RangeError for a region that is not there.",
    ),
    method(
      'forward',
      { region: 'RegionIndex' },
      'void',
      "y (M, out) of every layer of a region, from the region's x (M, in): REGIONS names the buffers. Throws RangeError for a region that is not there.",
    ),
    ...(merging
      ? [
          method(
            'merge',
            {},
            'void',
            'Folds the adapter into the weights in place, W += s R M L: forward is then the layers alone, without any overhead. Throws when it is merged already.',
          ),
          method(
            'unmerge',
            {},
            'void',
            'Takes the adapter out again, W -= s R M L: the weights are as before, except for rounding. Throws when it is not merged.',
          ),
        ]
      : []),
  ];
}

const trainingMethods = ({ optimizer, optimizer: { title } }: ModuleFacts) => [
  method(
    'backward',
    { region: 'RegionIndex' },
    'void',
    'From the dy (M, out) of every layer of a region: dx (M, in), and the share of the region in the gradients of the factors. Needs the forward pass of the region before it. Regions that read the same x add to one dx: the lowest of them goes first (throws otherwise).',
  ),
  method(
    'gradients',
    {},
    'void',
    'Finishes the gradients of the factors from what backward has summed, for read; step does so itself. May be called again.',
  ),
  method(
    'step',
    { hyper: title },
    'void',
    `One ${title} step on all factors that are trained, with their gradients finished first and zero afterwards. Throws RangeError for numbers that are not valid hyperparameters.`,
  ),
  method('clearGradients', {}, 'void', 'Drops the gradients that were summed since the last step.'),
  method(
    'readState',
    {},
    'Promise<Uint8Array<ArrayBuffer>>',
    `The state of the optimizer, with which training goes on in another module for the same adapters: moments and the number of steps, without the factors (readAdapter) and the gradients that were summed since the last step. A safetensors file, with tensors as the checkpoints of lotrc train name them: ${stateText(optimizer)}.`,
  ),
  method(
    'writeState',
    { state: 'ArrayBuffer | Uint8Array' },
    'void',
    'Goes on from what readState gave. Throws for a state of another optimizer, or of adapters of another method, rank, scale, size or number, which changes nothing.',
  ),
];

const destroy = method('destroy', {}, 'void', 'Frees all buffers. Other calls throw afterwards.');
