/**
 * Objects whose keys come from files. An ordinary object has keys that it was not given (`constructor`, `toString`) and one
 * that cannot be given (`__proto__`): such objects are made, and looked into, with these two.
 */

/** An object without a prototype: every key is a key like any other. */
export function bare<T>(entries: Iterable<readonly [string, T]> = []): Record<string, T> {
  const made = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) made[key] = value;
  return made;
}

/** What a table has under a key of its own. */
export function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
