import { BACK_ENDS, type BackEnd } from '../../src/backends/backend.js';
import { EXAMPLE } from './example-back-end/back-end.js';

/** The back ends that are tested: those that users have, and an example. */
export const TESTED: readonly BackEnd[] = [...BACK_ENDS, EXAMPLE];
