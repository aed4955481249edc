import { dirname } from '#platform';
import { textTooDeep } from '../codes/text.js';
import { fail } from '../diagnostics.js';
import { dtypeText } from '../dtype.js';
import type { Graph, GraphFunction, Model, Node, Value } from '../model.js';
import { sameShape, type ValueType } from '../shape.js';
import { labelOf } from '../tensor-label.js';
import { printAttr } from './attr-print.js';
import { omittedFields } from './omitted-fields.js';
import { canonicalOrder } from './order.js';
import { idText, quote, wordText } from './strings.js';
import { type TensorTextOptions, tensorText } from './tensor.js';
import { typeText } from './types.js';

export interface PrintOptions {
  /** folder that the locations of tensors are relative to; by default the folder of the model's file */
  readonly folder?: string;
  /** false leaves out where large tensors lie: their checksums remain (default true) */
  readonly locations?: boolean;
  /** keys of the model's metadata that are left out (default none) */
  readonly hidden?: ReadonlySet<string>;
  /** true adds which nodes and which pass each node came from (default false) */
  readonly origins?: boolean;
}

/** Graphs nested deeper are refused: the limit of the ONNX reader. */
export const MAX_NESTING = 64;
/** Signatures longer than this have one value per line. */
const MAX_LINE = 100;

/**
 * The model in ONNX's textual syntax (README.md lists our additions): ASCII, LF, canonical order.
 * `printModel(parseModel(t)) === t` for every t that this function gave. Reads tensors for their checksums.
 * Throws LOTR1407 when graphs are nested deeper than 64.
 */
export function printModel(model: Model, options: PrintOptions = {}): string {
  const graphs = [model.graph, ...[...model.functions.values()].map((fn) => fn.graph)];
  for (const graph of graphs) refuseDeep(graph);
  const printer = new Printer(settle(options, model));
  const parts = [header(model, options.hidden), printer.graph(model.graph, '', graphName(model.graph))];
  for (const fn of model.functions.values()) parts.push(printer.functionText(fn));
  const missing = [...omittedFields(model)].map(([kind, count]) => `${kind}: ${count}`).sort();
  if (missing.length > 0) parts.push(`#@ not_shown ${missing.join(', ')}`);
  return `${parts.join('\n')}\n`;
}

interface Settled extends TensorTextOptions {
  readonly origins: boolean;
}

function settle(options: PrintOptions, { path }: Model): Settled {
  return {
    folder: options.folder ?? (path === null ? null : dirname(path)),
    locations: options.locations ?? true,
    origins: options.origins ?? false,
  };
}

function refuseDeep(top: Graph): void {
  const stack: { graph: Graph; depth: number }[] = [{ graph: top, depth: 1 }];
  for (let item = stack.pop(); item; item = stack.pop()) {
    const { graph, depth } = item;
    if (depth > MAX_NESTING) fail(textTooDeep({ limit: MAX_NESTING, graph: graph.name }));
    for (const node of graph.nodes)
      for (const inner of node.subgraphs()) stack.push({ graph: inner, depth: depth + 1 });
  }
}

const graphName = (graph: Graph): string => idText(graph.name);

function entries(map: ReadonlyMap<string, string>): string {
  return `[${[...map].map(([key, value]) => `${quote(key)}: ${quote(value)}`).join(', ')}]`;
}

function opsetText(opsets: ReadonlyMap<string, number>): string {
  return `opset_import: [${[...opsets].map(([domain, version]) => `${quote(domain)} : ${version}`).join(', ')}]`;
}

function headerText(fields: readonly (string | false)[]): string {
  return `<\n${fields
    .filter((field) => field !== false)
    .map((field) => `  ${field}`)
    .join(',\n')}\n>`;
}

function header(model: Model, hidden: ReadonlySet<string> = new Set()): string {
  const metadata = new Map([...model.metadata].filter(([key]) => !hidden.has(key)));
  return headerText([
    `ir_version: ${model.irVersion}`,
    opsetText(model.opsets),
    model.producerName !== '' && `producer_name: ${quote(model.producerName)}`,
    model.producerVersion !== '' && `producer_version: ${quote(model.producerVersion)}`,
    model.domain !== '' && `domain: ${quote(model.domain)}`,
    model.modelVersion !== null && `model_version: ${model.modelVersion}`,
    model.docString !== '' && `doc_string: ${quote(model.docString)}`,
    metadata.size > 0 && `metadata_props: ${entries(metadata)}`,
  ]);
}

/** `#@` notes: what ONNX's grammar has no place for. */
function note(target: string, docString: string, metadata: ReadonlyMap<string, string>): string[] {
  const parts: string[] = [];
  if (docString !== '') parts.push(`doc_string: ${quote(docString)}`);
  if (metadata.size > 0) parts.push(`metadata_props: ${entries(metadata)}`);
  return parts.length === 0 ? [] : [`#@ ${target === '' ? '' : `${target} `}${parts.join(', ')}`];
}

/** The type that the text shows for a value; an initializer always has one. */
function shownType(value: Value): ValueType | null {
  if (value.type || !value.constant) return value.type;
  return { kind: 'tensor', dtype: value.constant.dtype, shape: value.constant.shape };
}

function infoText(value: Value): string {
  const type = shownType(value);
  return `${type ? `${typeText(type)} ` : ''}${idText(value.name)}`;
}

class Printer {
  readonly #options: Settled;

  constructor(options: Settled) {
    this.#options = options;
  }

  functionText(fn: GraphFunction): string {
    const head = headerText([
      `domain: ${quote(fn.domain)}`,
      fn.overload !== '' && `overload: ${quote(fn.overload)}`,
      opsetText(fn.opsets),
      fn.docString !== '' && `doc_string: ${quote(fn.docString)}`,
    ]);
    const attrs = [
      ...fn.attributes.map(wordText),
      ...fn.defaults.map(([name, attr]) =>
        printAttr(name, attr, this.#options, (graph) => this.#nested(graph, '')),
      ),
    ];
    const name = `${idText(fn.name)}${attrs.length === 0 ? '' : ` <${attrs.join(', ')}>`}`;
    return `${head}\n${this.graph(fn.graph, '', name, note('function', '', fn.metadata))}`;
  }

  /** A graph whose first line is already indented; `title` is before its inputs. */
  graph(graph: Graph, indent: string, title: string, notes: readonly string[] = []): string {
    const nodes = canonicalOrder(graph);
    const inputs = graph.inputs.map(infoText);
    const outputs = graph.outputs.map(infoText);
    const wide = title.length + inputs.join(', ').length + outputs.join(', ').length > MAX_LINE;
    const list = (items: readonly string[]): string =>
      wide && items.length > 1
        ? `(\n${indent}  ${items.join(`,\n${indent}  `)}\n${indent})`
        : `(${items.join(', ')})`;
    const values = inner(graph, nodes);
    const infos = this.#infos(graph, values);
    const body = [...notes, ...this.#graphNotes(graph, values)].map((line) => `${indent}  ${line}`);
    for (const node of nodes) this.#node(node, `${indent}  `, body);
    return [
      `${title} ${list(inputs)} => ${list(outputs)} `,
      infos.length === 0 ? '' : `<\n${indent}  ${infos.join(`,\n${indent}  `)}\n${indent}> `,
      `{\n${body.map((line) => `${line}\n`).join('')}${indent}}`,
    ].join('');
  }

  /** A node without indentation, documentation and line feed. */
  #nodeText(node: Node, indent: string): string {
    const label = node.name === '' ? '' : `[${wordText(node.name)}] `;
    const outputs = node.outputs.map((output) => idText(output.name)).join(', ');
    const op = `${node.domain === '' ? '' : `${domainText(node.domain)}.`}${wordText(node.op)}`;
    const overload = node.overload === '' ? '' : `:${wordText(node.overload)}`;
    const inputs = `(${node.inputs.map((input) => idText(input?.name ?? '')).join(', ')})`;
    const nested = node.subgraphs().length > 0;
    const attrs = [...node.attrs].map(([name, attr]) =>
      printAttr(name, attr, this.#options, (inner) => this.#nested(inner, `${indent}  `)),
    );
    const start = `${label}${outputs}${outputs === '' ? '' : ' '}= ${op}${overload}`;
    if (attrs.length === 0) return `${start} ${inputs}`;
    if (!nested) return `${start} <${attrs.join(', ')}> ${inputs}`;
    return `${start} ${inputs} <\n${indent}  ${attrs.join(`,\n${indent}  `)}\n${indent}>`;
  }

  #nested(graph: Graph, indent: string): string {
    return this.graph(graph, indent, graphName(graph));
  }

  #node(node: Node, indent: string, lines: string[]): void {
    const extra = note('', node.docString, node.metadata);
    if (this.#options.origins && (node.origin.from.length > 0 || node.origin.pass !== undefined)) {
      const { from, pass } = node.origin;
      extra.push(
        `#@ origin: [${from.map(quote).join(', ')}]${pass === undefined ? '' : `, pass: ${quote(pass)}`}`,
      );
    }
    for (const [name, attr] of node.attrs) {
      if (attr.docString) extra.push(...note(`attr ${wordText(name)}`, attr.docString, NO_ENTRIES));
    }
    for (const line of extra) lines.push(`${indent}${line}`);
    lines.push(`${indent}${this.#nodeText(node, indent)}`);
  }

  /** Initializers in their order, then types of values that are neither inputs nor outputs. */
  #infos(graph: Graph, values: readonly Value[]): string[] {
    const lines: string[] = [];
    for (const value of graph.initializers.values()) {
      const data = value.constant!;
      const shape = data.shape.length === 0 ? '' : `[${data.shape.join(',')}]`;
      lines.push(
        `${dtypeText(data.dtype)}${shape} ${idText(value.name)} = ${tensorText(data, this.#options)}`,
      );
    }
    const shown = new Set<Value>([...graph.inputs, ...graph.outputs]);
    for (const value of graph.initializers.values()) {
      if (!shown.has(value) && !typeOfData(value) && graph.own(value.name) === value)
        lines.push(infoText(value));
    }
    for (const value of values) if (value.type && !shown.has(value)) lines.push(infoText(value));
    return lines;
  }

  #graphNotes(graph: Graph, values: readonly Value[]): string[] {
    const lines = note('graph', graph.docString, graph.metadata);
    for (const value of new Set([...graph.inputs, ...graph.initializers.values(), ...values])) {
      if (graph.own(value.name) !== value) continue;
      if (value.docString !== '' || value.metadata.size > 0) {
        lines.push(...note(`value ${idText(value.name)}`, value.docString, value.metadata));
      }
      if (!value.constant) continue;
      const { docString, metadata } = labelOf(value.constant);
      lines.push(...note(`tensor ${idText(value.name)}`, docString, metadata));
    }
    return lines;
  }
}

const NO_ENTRIES: ReadonlyMap<string, string> = new Map();

/**
 * Values that are neither inputs nor initializers: outputs of nodes in the order of the text, then, by name, those that
 * nothing in the text defines (missing ones and those of sparse initializers). Of several with one name, which only
 * damaged models have, the one that the graph means by it.
 */
function inner(graph: Graph, nodes: readonly Node[]): readonly Value[] {
  const found: Value[] = [];
  let unique = true;
  for (const node of nodes) {
    for (const value of node.outputs) {
      if (graph.own(value.name) === value) found.push(value);
      else if (value.name !== '') unique = false;
    }
  }
  if (!unique) {
    const names = new Set(nodes.flatMap((node) => node.outputs.map((output) => output.name)));
    const meant = [...names].map((name) => graph.own(name));
    found.length = 0;
    for (const value of meant) if (value && !value.isInput && !value.constant) found.push(value);
  }
  const produced = unique ? null : new Set(found);
  const loose: Value[] = [];
  for (const value of graph.ownValues()) {
    // a type of a value that nothing makes or reads is not of the model: binary files keep it unread
    if (value.uses.size === 0 && !value.isOutput) continue;
    if (!value.producer && !value.isInput && !value.constant && !produced?.has(value)) loose.push(value);
  }
  return [...found, ...loose.sort((a, b) => (a.name < b.name ? -1 : 1))];
}

/** Whether an initializer's type is what its data says. */
function typeOfData({ type, constant }: Value): boolean {
  if (!type || !constant) return true;
  return (
    type.kind === 'tensor' &&
    type.dtype === constant.dtype &&
    type.shape !== null &&
    sameShape(type.shape, constant.shape)
  );
}

const QUALIFIED = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;

/** A domain: dotted identifiers as they are, anything else in one pair of quotes. */
function domainText(domain: string): string {
  return QUALIFIED.test(domain) ? domain : quote(domain);
}
