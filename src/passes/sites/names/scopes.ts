import type { Node } from '../../../ir/model.js';

/**
 * Module paths in the metadata that torch.export's exporter gives to nodes. The last scope is the operation inside the
 * module, the one before it the module. `layers.0@1` is the second call of `layers.0`.
 */

/** `pkg.torch.onnx.name_scopes`: `['', 'net', 'net.fc', 'linear']`. */
export function fromNameScopes(node: Node): string | null {
  return moduleScope(parsePythonList(node.metadata.get('pkg.torch.onnx.name_scopes')));
}

/** `pkg.onnxscript.name_scopes`: the same, written by the converter of functions. */
export function fromOnnxscriptScopes(node: Node): string | null {
  return moduleScope(parsePythonList(node.metadata.get('pkg.onnxscript.name_scopes')));
}

/** `namespace`: `: Root/net: Net/net.fc: torch.nn.Linear/linear: aten.linear.default`. */
export function fromNamespace(node: Node): string | null {
  const text = node.metadata.get('namespace');
  return text === undefined
    ? null
    : moduleScope(text.split('/').map((entry) => entry.split(': ')[0]!.replace(/^:.*/, '')));
}

function moduleScope(scopes: readonly string[]): string | null {
  const path = scopes.at(-2)?.replace(/@\d+/g, '').trim();
  return path ? path : null;
}

/** The strings of a Python list's `repr`. */
export function parsePythonList(text: string | undefined): string[] {
  const items: string[] = [];
  for (const match of (text ?? '').matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)) {
    items.push((match[1] ?? match[2] ?? '').replace(/\\(.)/g, '$1'));
  }
  return items;
}
