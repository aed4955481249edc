/** Types of imports of models; see docs/plugin.md. TypeScript knows them by their ends, so `lotr` comes last. */

declare module '*?lotr' {
  /** URL of the adapted model */
  export const model: string;
  /** URL of its adapter */
  export const adapter: string;
}

declare module '*&lotr' {
  /** URL of the adapted model */
  export const model: string;
  /** URL of its adapter */
  export const adapter: string;
}
