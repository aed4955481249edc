import type { ByteSource, Carried, RawField } from '../carried.js';
import { duplicateDefinition, malformed } from '../codes/load.js';
import { fail, LotrcError } from '../diagnostics.js';
import { fileKind } from '../files/file-kind.js';
import { GraphFunction, Model } from '../model.js';
import { fillGraph, fillNodes } from './build.js';
import { carryEntry } from './entries.js';
import { ExternalData } from './external.js';
import { type AttrDraft, type GraphDraft, GraphReader } from './graph-read.js';
import type { ModelFolder } from './model-folder.js';
import { MemorySource } from './source.js';
import { readEntry } from './tensor-read.js';
import { BYTES, Scanner, VARINT } from './wire.js';

/** Reads a model held in memory. External data cannot be resolved then and is refused. */
export function readModelBytes(bytes: Uint8Array, label = '<memory>'): Model {
  return readModelFrom(new MemorySource(bytes, label), null);
}

/**
 * Reads a model from any byte source; `folder` is where its external data lies, null when there is none and it is refused.
 * Throws as {@link readModel} of a file.
 */
export function readModelFrom(source: ByteSource, folder: ModelFolder | null): Model {
  try {
    return parse(source, folder);
  } catch (error) {
    if (!(error instanceof LotrcError) || error.diagnostics[0]?.code !== malformed.code) throw error;
    const kind = fileKind(source.read(0, Math.min(32, source.size)));
    throw kind ? new LotrcError([malformed({ file: source.path, offset: 0, ...kind })]) : error;
  }
}

function parse(source: ByteSource, folder: ModelFolder | null): Model {
  const scan = new Scanner(source, 0);
  const end = source.size;
  const reader = new GraphReader(scan, new ExternalData(folder));
  const unknown: RawField[] = [];
  if (end === 0) scan.fail('the file is empty');
  const main = reader.body();
  const model = new Model(main.graph);
  let seen = false;
  const functions: FunctionDraft[] = [];
  while (scan.pos < end) {
    const start = scan.pos;
    const [field, wire] = scan.tag();
    if (wire === BYTES && EMPTY_TEXT.has(field) && scan.peekEmpty()) {
      scan.skip(wire, end);
      unknown.push(rawField(scan, field, start));
    } else if (field === 1 && wire === VARINT) model.irVersion = version(scan, 'ir_version');
    else if (field === 2 && wire === BYTES) model.producerName = scan.string(scan.length(end));
    else if (field === 3 && wire === BYTES) model.producerVersion = scan.string(scan.length(end));
    else if (field === 4 && wire === BYTES) model.domain = scan.string(scan.length(end));
    else if (field === 5 && wire === VARINT) model.modelVersion = scan.int64();
    else if (field === 6 && wire === BYTES) model.docString = scan.string(scan.length(end));
    else if (field === 7 && wire === BYTES) {
      if (seen) scan.fail('the model holds two graphs', start);
      seen = true;
      const stop = scan.length(end) + scan.pos;
      reader.graph(main, start, stop);
    } else if (field === 8 && wire === BYTES) {
      const [domain, version] = readOpset(scan, end);
      model.opsets.set(domain, version);
      carryEntry(model, 'opset', domain, version, rawField(scan, field, start));
    } else if (field === 14 && wire === BYTES) {
      const [key, value] = readEntry(scan, end);
      model.setMetadata(key, value);
      carryEntry(model, 'metadata', key, value, rawField(scan, field, start));
    } else if (field === 25 && wire === BYTES) {
      const stop = scan.length(end) + scan.pos;
      functions.push(readFunction(scan, reader, start, stop));
    } else {
      scan.skip(wire, end);
      unknown.push(rawField(scan, field, start));
    }
  }
  if (!seen) scan.fail('it holds no graph; is it an ONNX model?', 0);
  model.carried = { source, start: 0, offset: 0, length: end, unknown };
  fillGraph(main);
  for (const draft of functions) addFunction(model, draft);
  settle(model);
  return model;
}

/** Text fields that some producers write though they are empty: carried, so that an edited model keeps them. */
const EMPTY_TEXT: ReadonlySet<number> = new Set([2, 3, 4, 6]);

function rawField(scan: Scanner, field: number, start: number): RawField {
  return { field, source: scan.source, offset: start, length: scan.pos - start };
}

/** A version, which must be a number that is kept exactly. */
function version(scan: Scanner, what: string): number {
  const start = scan.pos;
  const value = Number(scan.int64());
  return Number.isSafeInteger(value) ? value : scan.fail(`${what} is ${value}`, start);
}

function readOpset(scan: Scanner, outerEnd: number): readonly [string, number] {
  const end = scan.length(outerEnd) + scan.pos;
  let domain = '';
  let found = 0;
  while (scan.pos < end) {
    const [field, wire] = scan.tag();
    if (field === 1 && wire === BYTES) domain = scan.string(scan.length(end));
    else if (field === 2 && wire === VARINT) found = version(scan, 'the version of an operator set');
    else scan.skip(wire, end);
  }
  return [domain === 'ai.onnx' ? '' : domain, found];
}

interface FunctionDraft {
  name: string;
  domain: string;
  overload: string;
  docString: string;
  readonly body: GraphDraft;
  readonly inputs: string[];
  readonly outputs: string[];
  readonly attributes: string[];
  readonly defaults: AttrDraft[];
  readonly opsets: (readonly [string, number])[];
  readonly metadata: Map<string, string>;
  carried: Carried;
}

function readFunction(scan: Scanner, reader: GraphReader, start: number, end: number): FunctionDraft {
  const offset = scan.pos;
  const unknown: RawField[] = [];
  const draft: FunctionDraft = {
    name: '',
    domain: '',
    overload: '',
    docString: '',
    body: reader.body(),
    inputs: [],
    outputs: [],
    attributes: [],
    defaults: [],
    opsets: [],
    metadata: new Map(),
    carried: { source: scan.source, start, offset, length: end - offset, unknown },
  };
  while (scan.pos < end) {
    const at = scan.pos;
    const [field, wire] = scan.tag();
    if (wire !== BYTES) {
      scan.skip(wire, end);
      unknown.push(rawField(scan, field, at));
    } else if (field === 1) draft.name = scan.string(scan.length(end));
    else if (field === 4) draft.inputs.push(scan.string(scan.length(end)));
    else if (field === 5) draft.outputs.push(scan.string(scan.length(end)));
    else if (field === 6) draft.attributes.push(scan.string(scan.length(end)));
    else if (field === 7) reader.node(draft.body, at, scan.length(end) + scan.pos);
    else if (field === 8) draft.docString = scan.string(scan.length(end));
    else if (field === 9) draft.opsets.push(readOpset(scan, end));
    else if (field === 10) draft.domain = scan.string(scan.length(end));
    else if (field === 11) draft.defaults.push(reader.attribute(at, scan.length(end) + scan.pos));
    else if (field === 12) draft.body.valueInfo.push(reader.valueInfo(at, scan.length(end) + scan.pos));
    else if (field === 13) draft.overload = scan.string(scan.length(end));
    else if (field === 14) draft.metadata.set(...readEntry(scan, end));
    else {
      scan.skip(wire, end);
      unknown.push(rawField(scan, field, at));
    }
  }
  return draft;
}

function addFunction(model: Model, draft: FunctionDraft): void {
  const { graph } = draft.body;
  const fn = new GraphFunction(draft.domain, draft.name, draft.overload, graph);
  if (model.functions.has(fn.key)) {
    fail(duplicateDefinition({ name: fn.key, graph: '', what: 'the function' }));
  }
  fn.docString = draft.docString;
  fn.metadata = draft.metadata;
  fn.attributes = draft.attributes;
  fn.carried = draft.carried;
  for (const [domain, version] of draft.opsets) fn.opsets.set(domain, version);
  for (const name of draft.inputs) {
    if (graph.own(name)) fail(duplicateDefinition({ name, graph: fn.key, what: 'input' }));
    graph.addInput(name, null);
  }
  fillNodes(draft.body);
  fn.defaults = draft.defaults.map(({ name, attr }) => [name, attr]);
  for (const name of draft.outputs) graph.addOutput(graph.own(name) ?? graph.declare(name, false));
  model.addFunction(fn);
}

/** What was built is what the file says: nothing counts as edited. Nodes and their outputs never were. */
function settle(model: Model): void {
  for (const graph of model.everyGraph()) {
    for (const input of graph.inputs) input.infoEdited = false;
    graph.edited = false;
  }
  for (const fn of model.functions.values()) fn.edited = false;
  model.edited = false;
}
