/** A page of the site: its file in `docs/` without `.md`, and what the sidebar calls it. */
type Page = readonly [file: string, title: string];

/** Which pages of `docs/` stand where in the sidebar. Every page of `docs/` is named once. */
export const SITE_SECTIONS = {
  start: [
    ['quick-start', 'Quick start'],
    ['compare', 'Next to other tools'],
    ['models', 'Which models'],
  ],
  tutorials: [
    ['tutorials/classifier', 'A text classifier'],
    ['tutorials/language-model', 'A language model'],
    ['tutorials/embedding', 'An embedding model'],
    ['tutorials/browser', 'In the browser'],
    ['tutorials/from-peft', 'From PEFT'],
    ['tutorials/ci', 'In a build and in CI'],
  ],
  guides: [
    ['training', 'Training'],
    ['streaming', 'Data larger than memory'],
    ['distributed', 'Several processes'],
    ['scale', 'Internet scale, on paper'],
    ['init', 'Initial factors'],
    ['methods', 'Adapter methods'],
    ['interop', 'Other programs'],
    ['build', 'Config, build and check'],
    ['plugin', 'Bundlers and vitest'],
    ['core', 'The compiler in a browser'],
    ['runtime', 'In pages and programs'],
    ['playground', 'The playground'],
    ['onnx-train', 'A training loop of your own'],
    ['kernels', 'GPU kernels'],
    ['kernels-webgpu', 'Kernels for WebGPU'],
    ['kernels-cuda', 'Kernels for CUDA'],
    ['kernels-onnxruntime', 'Operators for ONNX Runtime'],
    ['kernels-hip', 'Kernels for HIP (AMD)'],
    ['logs', 'Logs and reports'],
    ['experiments', 'Studies of many runs'],
    ['quality', 'Methods at equal size'],
  ],
  reference: [
    ['command-line', 'The command line'],
    ['options', 'Commands and options'],
    ['json', 'JSON output'],
  ],
  contributing: [
    ['how-to/add-a-method', 'A method'],
    ['how-to/add-an-op', 'An operator'],
    ['how-to/add-a-pass', 'A pass'],
    ['how-to/add-a-loss', 'A loss'],
    ['how-to/add-a-back-end', 'A back end'],
  ],
} as const satisfies Readonly<Record<string, readonly Page[]>>;
