/** Before the tests that compile: what was compiled long ago and is not used any more goes. */
export { pruneCompiled as setup } from './compilers.js';
