import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { badTrainingFolder } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { isSystemError } from '../ir/files/atomic.js';
import { hasDigest } from '../ir/files/file-digest.js';
import type { GraphName, GraphSignature, Port, Role, Signature } from './signature.js';

const ROLES: ReadonlySet<string> = new Set<Role>([
  'batch',
  'label',
  'mask',
  'param',
  'state',
  'scalar',
  'loss',
  'grad',
  'logits',
  'output',
  'norm',
  'finite',
  'count',
]);

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads and checks `signature.json` of a training directory, and that the base files lie there with the lengths and
 * digests they had (`fileDigest`). Throws LOTR8201.
 */
export function readSignature(folder: string): Signature {
  const file = join(folder, 'signature.json');
  const refuse = (why: string): never => fail(badTrainingFolder({ file, why }));
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (isSystemError(error)) return refuse(`it cannot be read: ${error.message}`);
    return refuse(`it is not JSON: ${(error as Error).message}`);
  }
  const why = problem(parsed);
  if (why !== null) return refuse(why);
  const signature = parsed as Signature;
  for (const { location, byteLength, digest } of signature.base) {
    const path = join(folder, location);
    if (!existsSync(path)) fail(badTrainingFolder({ file: path, why: 'the base weights are missing' }));
    const { size } = statSync(path);
    if (size !== byteLength) {
      const lengths = `it has ${size} bytes, and ${byteLength} when the graphs were written`;
      fail(badTrainingFolder({ file: path, why: `the base weights were changed: ${lengths}` }));
    }
    if (!hasDigest(path, digest)) {
      const why = 'the base weights were changed: their digest is not the one in signature.json';
      fail(badTrainingFolder({ file: path, why }));
    }
  }
  return signature;
}

/** The graph of that name. Throws LOTR8201 when the directory lacks it. */
export function graphOf(signature: Signature, folder: string, name: GraphName): GraphSignature {
  return (
    signature.graphs[name] ??
    fail(badTrainingFolder({ file: join(folder, 'signature.json'), why: `there is no graph "${name}"` }))
  );
}

/** What is wrong with the value as a signature of version 1; null when nothing is. Fields that are new are let pass. */
function problem(value: unknown): string | null {
  if (!isObject(value)) return 'it is not a JSON object';
  if (value.version !== 1) return `it is of version ${JSON.stringify(value.version)}, and this lotrc reads 1`;
  const { graphs, params, optimizer, loss, base, session = {} } = value;
  if (!isObject(graphs)) return '"graphs" is no object';
  for (const [name, graph] of Object.entries(graphs)) {
    const why = graphProblem(graph);
    if (why !== null) return `graph "${name}": ${why}`;
  }
  if (
    !Array.isArray(params) ||
    !params.every((row) => isObject(row) && isText(row.name) && isShape(row.shape))
  )
    return '"params" is no list of named tensors';
  if (!isObject(optimizer) || !isObject(optimizer.constants) || !isTexts(optimizer.slots))
    return '"optimizer" lacks its constants or slots';
  if (optimizer.kind === 'adamw' && !['beta1', 'beta2'].every((name) => isNumber(constant(optimizer, name))))
    return 'the optimizer adamw lacks beta1 or beta2';
  if (!isObject(loss) || !isText(loss.kind)) return '"loss" lacks its kind';
  if (!isObject(session) || !Object.values(session).every(isText)) return '"session" is no object of texts';
  const files =
    Array.isArray(base) && base.every((row) => isObject(row) && isText(row.location) && isText(row.digest));
  return files ? null : '"base" is no list of files';
}

function constant(optimizer: Fields, name: string): unknown {
  return (optimizer.constants as Fields)[name];
}

function graphProblem(graph: unknown): string | null {
  if (!isObject(graph) || !isText(graph.file)) return 'it names no file';
  if (!isFileName(graph.file)) return `"${graph.file}" is no name of a file in the directory`;
  for (const list of [graph.inputs, graph.outputs]) {
    if (!Array.isArray(list)) return 'it has no lists of ports';
    for (const port of list as unknown[]) {
      const why = portProblem(port);
      if (why !== null) return why;
    }
  }
  const outputs = new Set((graph.outputs as readonly Port[]).map(({ name }) => name));
  const lost = (graph.inputs as readonly Port[]).find(({ next }) => next !== undefined && !outputs.has(next));
  return lost ? `input "${lost.name}" is followed by "${lost.next}", which is no output` : null;
}

function portProblem(port: unknown): string | null {
  if (!isObject(port) || !isText(port.name)) return 'a port has no name';
  if (!isText(port.role) || !ROLES.has(port.role)) return `port "${port.name}" has no known role`;
  if (!isText(port.dtype) || !Array.isArray(port.shape)) return `port "${port.name}" has no type`;
  const tied = port.role === 'param' || port.role === 'grad' || port.role === 'state';
  return tied && !isText(port.param) ? `port "${port.name}" names no parameter` : null;
}

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText);
const isShape = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isNumber);
const isFileName = (name: string): boolean => !/[/\\]/.test(name) && name !== '' && name !== '..';
