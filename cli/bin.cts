#!/usr/bin/env node
// `lotrc`. Every Node can read this file, also those that the rest does not run on: no imports, no newer syntax.
const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`lotrc needs Node 20.19 or newer, and this is Node ${process.versions.node}`);
  process.exit(1);
}
require('./start.cjs');
