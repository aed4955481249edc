/** Settings of the plugin. Apart from it: the types that users see need none of a bundler. */
export interface LotrcPluginOptions {
  /** folder of the cache, from that of the project; default `node_modules/.cache/lotrc`, which `lotrc build` has too */
  readonly cache?: string | undefined;
}
