import { BACK_ENDS, type BackEnd } from '../../src/backends/backend.js';

/** The back ends that are tested: those that users have. */
export const TESTED: readonly BackEnd[] = [...BACK_ENDS];
