import { unknownDevice } from '../../../ir/codes/kernels.js';
import { closest, fail } from '../../../ir/diagnostics.js';
import type { DeviceProfile } from '../model/types.js';
import { PROFILES } from './profiles.js';

/** Devices of an API, in the order in which they are listed; the first is the default. */
export function profilesOf(api: DeviceProfile['api']): readonly DeviceProfile[] {
  return PROFILES.filter((profile) => profile.api === api);
}

/** The profile of that name among those of an API. Throws LOTR6003. */
export function profile(name: string, api: DeviceProfile['api']): DeviceProfile {
  const known = profilesOf(api);
  const found = known.find((candidate) => candidate.name === name);
  if (found) return found;
  const names = known.map((candidate) => candidate.name);
  return fail(unknownDevice({ name, api, known: names, near: closest(name, names, 1) }));
}

/** The first profile that code for an architecture is planned for. Throws LOTR6003. */
export function profileOfArch(arch: string): DeviceProfile {
  const known = profilesOf('cuda');
  const found = known.find(({ target }) => target === arch);
  if (found) return found;
  const names = [...new Set(known.map(({ target }) => target))];
  return fail(unknownDevice({ name: arch, api: 'cuda', known: names, near: closest(arch, names, 1) }));
}
