import { flagOf, type OptionDef } from './define.js';
import { BadValue } from './types.js';
import { refuseUsage } from './usage.js';

/** The value that a text stands for, after those that were read `before` where values are gathered. Throws LOTR8001. */
export function readOption(key: string, def: OptionDef, text: string, before: unknown): unknown {
  try {
    return def.type.read(text, before);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    return refuseUsage(`--${flagOf(key, def)} ${error.message}`);
  }
}
