/**
 * The entries of ONNX Runtime's session configuration that lotrc uses, with the values that it gives them. Training
 * directories name entries in `signature.json`; no other entry is passed on, because some of them write files.
 */
const SESSION_ENTRIES = {
  /** products with 4-bit and 8-bit weights: 1 computes in float32, the default rounds activations to 8 bits */
  'session.qdq_matmulnbits_accuracy_level': ['1'],
} as const;

type SessionKey = keyof typeof SESSION_ENTRIES;

export type SessionEntries = {
  readonly [Key in SessionKey]?: (typeof SESSION_ENTRIES)[Key][number];
};

/** Why this pair is not an entry that lotrc uses; null when it is one. */
export function entryFault(key: string, value: unknown): string | null {
  if (!Object.hasOwn(SESSION_ENTRIES, key)) {
    const known = Object.keys(SESSION_ENTRIES).join(', ');
    return `${JSON.stringify(key)} is not a setting that lotrc passes to ONNX Runtime; it passes ${known}`;
  }
  const values: readonly unknown[] = SESSION_ENTRIES[key as SessionKey];
  return values.includes(value) ? null : `${JSON.stringify(key)} takes ${values.join(' or ')}`;
}
