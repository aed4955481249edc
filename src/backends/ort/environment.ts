/**
 * Variables that a process which runs models may read: those of the system and its loaders, of ONNX Runtime and its threads,
 * and of graphics drivers. The others stay here: they may hold passwords and tokens, and options of Node that are not
 * meant for it.
 */
const NAMES: ReadonlySet<string> = new Set([
  ...['HOME', 'LANG', 'PATH', 'TZ', 'TMPDIR', 'TEMP', 'TMP', 'DISPLAY', 'WAYLAND_DISPLAY'],
  // Windows
  ...[
    'SYSTEMROOT',
    'SYSTEMDRIVE',
    'WINDIR',
    'COMSPEC',
    'USERPROFILE',
    'APPDATA',
    'LOCALAPPDATA',
    'PROGRAMDATA',
  ],
]);
const FAMILIES =
  /^(LC|LD|DYLD|XDG|ORT|ONNXRUNTIME|OMP|GOMP|KMP|MKL|OPENBLAS|MALLOC|CUDA|CUDNN|CUBLAS|NVIDIA|NV|TF32|VK|VULKAN|MESA|LIBGL|GALLIUM|LP|DRI|RADV|AMD|INTEL|ANV|MTL|METAL|DAWN)_/;

/** The part of an environment that goes to a process which runs models. */
export function modelEnvironment(all: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(all).filter(([name]) => {
    const upper = name.toUpperCase();
    return NAMES.has(upper) || FAMILIES.test(upper);
  });
  return Object.fromEntries(kept);
}
