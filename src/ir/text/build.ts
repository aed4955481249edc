import type { HeldAttr } from '../attr.js';
import { type Carried, NO_FIELDS } from '../carried.js';
import { textDuplicate } from '../codes/text.js';
import { fail } from '../diagnostics.js';
import type { Graph, Node } from '../model.js';
import { MemorySource } from '../onnx/source.js';
import { setLabel } from '../tensor-label.js';
import type { ParsedGraph, TextNote } from './drafts.js';
import type { Lexer } from './lexer.js';

/**
 * Turns a draft's names into values and edges, the same way as the ONNX reader: every node of a graph is declared
 * before an input is bound, so nodes may be in any order; a name that nothing defines becomes a missing value of the
 * graph that reads it. Throws LOTR1403 when inputs or initializers repeat a name.
 */
export function fillParsedGraph(draft: ParsedGraph, lex: Lexer): void {
  const { graph } = draft;
  const twice = (what: string, name: string, at: number): never =>
    fail(textDuplicate({ ...lex.place(at), what, name }));
  for (const { name, type, data, at } of draft.inputs) {
    if (graph.own(name)) twice('the input', name, at);
    const value = graph.addInput(name, type);
    if (data) graph.makeOverridable(value, data);
  }
  for (const { name, data, at } of draft.infos) {
    if (!data) continue;
    const input = graph.own(name);
    if (!input && !graph.initializers.has(name)) graph.addInitializer(name, data);
    else if (input?.isInput && !input.constant) graph.makeOverridable(input, data);
    else twice('the initializer', name, at);
  }
  const nodes = declareNodes(draft);
  for (const { name, type, data } of draft.infos) {
    if (data) continue;
    const value = graph.own(name) ?? graph.declare(name, false);
    if (!value.isInput) value.setType(type);
    graph.valueInfo.set(value, NOT_READ);
  }
  for (const [index, held] of draft.nodes.entries()) {
    const node = nodes[index]!;
    for (const [at, name] of held.inputs.entries()) {
      node.setInput(at, name === '' ? null : (graph.find(name) ?? graph.declare(name, false)));
    }
  }
  for (const held of draft.nodes) for (const inner of held.graphs) fillParsedGraph(inner, lex);
  for (const { name, type } of draft.outputs) {
    const value = graph.find(name) ?? graph.declare(name, false);
    if (!value.isInput && type !== null && value.graph === graph) value.setType(type);
    graph.addOutput(value);
  }
  applyNotes(draft, lex);
}

/** What the writer finds for a value whose ValueInfoProto is to be made: the values are marked edited. */
const NOT_READ: Carried = {
  source: new MemorySource(new Uint8Array(0), '<text>'),
  start: 0,
  offset: 0,
  length: 0,
  unknown: NO_FIELDS,
};

function declareNodes(draft: ParsedGraph): Node[] {
  return draft.nodes.map((held) => {
    const node = draft.graph.append({
      op: held.op,
      domain: held.domain,
      overload: held.overload,
      name: held.name,
      inputs: [],
      outputs: held.outputs,
      attrs: held.attrs,
      ...(held.note.origin ? { origin: held.note.origin } : {}),
    });
    node.docString = held.note.docString;
    if (held.note.metadata.size > 0) node.metadata = held.note.metadata;
    return node;
  });
}

/** Documentation of values and of the tensors of initializers. Throws LOTR1402 when there is no such value. */
function applyNotes(draft: ParsedGraph, lex: Lexer): void {
  for (const { target, name, note, at } of draft.notes) {
    const value = draft.graph.own(name);
    const tensor = value?.constant;
    if (!value || (target === 'tensor' && !tensor)) {
      lex.invalid(
        `the note is about ${JSON.stringify(name)}, but this graph has no ${target} of that name`,
        target === 'tensor' ? 'tensors are the initializers of the graph' : 'check the name',
        at,
      );
    }
    if (target === 'tensor') setLabel(tensor!, { name, docString: note.docString, metadata: note.metadata });
    else {
      value.docString = note.docString;
      if (note.metadata.size > 0) value.metadata = note.metadata;
      value.setType(value.type); // marks the entry as one to be made
      if (!value.isInput && !value.isOutput) draft.graph.valueInfo.set(value, NOT_READ);
    }
  }
}

/** The attributes of a node with the documentation that notes gave them. */
export function withDocs(
  attrs: readonly (readonly [string, HeldAttr])[],
  docs: ReadonlyMap<string, string>,
): readonly (readonly [string, HeldAttr])[] {
  if (docs.size === 0) return attrs;
  return attrs.map(([name, attr]) => {
    const docString = docs.get(name);
    return [name, docString === undefined ? attr : { ...attr, docString }] as const;
  });
}

/** Documentation of a graph itself. */
export function describeGraph(graph: Graph, note: TextNote): void {
  graph.docString = note.docString;
  if (note.metadata.size > 0) graph.metadata = note.metadata;
}
