import { runtimeText } from '../../../runtime-text.js';
import { ADAPTERS_TS } from '../generated/runtime.js';
import type { ModuleFacts } from './facts.js';
import { quotedText } from './literal.js';

/** What runs the tables of a module: its functions, from the source in ../runtime. */
export function runtime(facts: ModuleFacts): string {
  checkUniforms(facts);
  const { training, merging, half, adapters } = facts;
  const properties = { source: false, training, merging: merging !== null, half, many: adapters > 1 };
  return `\n${runtimeText(ADAPTERS_TS, properties, { example: example(facts) }).trimEnd()}\n`;
}

/** A use of the module, with names of the first region. */
function example({ regions, training }: ModuleFacts): readonly string[] {
  const [region] = regions;
  if (!region) throw new Error('a plan has a region');
  const [y] = region.y;
  const [dy] = region.dy ?? [];
  return [
    'const device = await adapter.requestDevice(requirements());',
    'const host = await createAdapters(device);',
    'host.setWeights(weights);',
    'host.setAdapter(factors);',
    `host.write(${quotedText(region.x)}, x);`,
    'host.forward(0);',
    ...(y === undefined ? [] : [`const y = await host.read(${quotedText(y)});`]),
    ...(training && dy !== undefined
      ? [`host.write(${quotedText(dy)}, dy);`, 'host.backward(0);', 'host.step({ learningRate: 1e-3 });']
      : []),
  ];
}

/** The uniforms of a step's kernel in the order in which the source gives their values. */
const STEP_UNIFORMS: readonly string[] = [
  'learning_rate',
  'beta1',
  'beta2',
  'epsilon',
  'weight_decay',
  'correction1',
  'correction2',
];

function checkUniforms({ training, stepUniforms }: ModuleFacts): void {
  if (training && stepUniforms.join() !== STEP_UNIFORMS.join())
    throw new Error(`the kernel of a step takes ${stepUniforms.join(', ')}`);
}
