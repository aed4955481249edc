/**
 * Module path in a node's name, as the TorchScript exporter (and others) write it: the scopes and then the operation,
 * `/encoder/layer.0/attention/query/MatMul`. A container that is itself called shows twice: `/layer1/layer1.0/conv1` is
 * `layer1.0.conv1`, while a list that is never called is one scope (`layer.0`).
 */
export function fromNodeName(name: string): string | null {
  if (!name.includes('/')) return null;
  const scopes = name.split('/').filter((scope) => scope !== '');
  scopes.pop();
  const kept: string[] = [];
  for (const scope of scopes) {
    const last = kept.at(-1);
    if (last !== undefined && scope.startsWith(`${last}.`)) kept[kept.length - 1] = scope;
    else kept.push(scope);
  }
  return kept.length > 0 && kept.every((scope) => /^[^:\s]+$/.test(scope)) ? kept.join('.') : null;
}
