import { bare } from '../../ir/keys.js';
import { entryFault, type SessionEntries } from '../../ir/ops/core/session-entries.js';

/** Entries of ONNX Runtime's session configuration that this process may set: those of models, and its own. */
export type Config = SessionEntries & { readonly 'session.disable_prepacking'?: '1' };

/**
 * `optimization.x` -> { optimization: { x } }, the form that the JavaScript interface takes. The objects have no prototype,
 * which a key could otherwise reach. Throws an Error for an entry that is not in the table of entries: those that write
 * files must never get here, whoever asks.
 */
export function nested(config: Config): Record<string, unknown> {
  const root = bare<unknown>();
  for (const [key, value] of Object.entries(config)) {
    const own = key === 'session.disable_prepacking' && value === '1';
    const fault = own ? null : entryFault(key, value);
    if (fault !== null) throw new Error(fault);
    const parts = key.split('.');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      at[part] ??= bare<unknown>();
      at = at[part] as Record<string, unknown>;
    }
    at[parts.at(-1)!] = value;
  }
  return root;
}
