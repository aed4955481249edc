import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ModuleKind, ModuleResolutionKind, Project, ScriptTarget, ts } from 'ts-morph';

/** A kernel in the tables of an emitted module. */
export interface EmittedKernel {
  readonly workgroup: readonly number[];
  readonly grid: readonly (number | { readonly per: number })[];
  readonly bindings: readonly { readonly buffer: string; readonly type: string }[];
  readonly uniformBytes: number;
  readonly code: string;
}

/** What tests use of an emitted module without a device. */
export interface EmittedModule {
  readonly TOKENS: number;
  readonly BUFFERS: Readonly<Record<string, { readonly type: string; readonly shape: readonly unknown[] }>>;
  readonly FACTORS: Readonly<Record<string, unknown>>;
  readonly KERNELS: Readonly<Record<string, EmittedKernel>>;
  readonly STEPS?: readonly { readonly factor: string; readonly kernel: EmittedKernel }[];
  requirements(tokens?: number): {
    readonly requiredFeatures: readonly string[];
    readonly requiredLimits: Readonly<Record<string, number>>;
  };
  missing(from: unknown, tokens?: number): readonly string[];
  createAdapters(device: unknown, options?: { readonly tokens?: number }): Promise<Record<string, unknown>>;
}

/** An emitted index.ts, with its types taken off. */
export async function loadModule(text: string): Promise<EmittedModule> {
  const folder = mkdtempSync(join(tmpdir(), 'lotrc-module-'));
  try {
    const path = join(folder, 'index.mjs');
    const target = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    writeFileSync(path, ts.transpile(text, target));
    return (await import(pathToFileURL(path).href)) as EmittedModule;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What TypeScript says, with all checks, of modules and of programs next to them: path -> messages. */
export function diagnosticsOf(files: Readonly<Record<string, string>>): Readonly<Record<string, string[]>> {
  const project = new Project({
    useInMemoryFileSystem: true,
    compilerOptions: {
      strict: true,
      noImplicitReturns: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      noUnusedLocals: true,
      noUnusedParameters: true,
      noPropertyAccessFromIndexSignature: true,
      isolatedModules: true,
      verbatimModuleSyntax: true,
      target: ScriptTarget.ES2022,
      module: ModuleKind.NodeNext,
      moduleResolution: ModuleResolutionKind.NodeNext,
      lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
      types: [],
      skipDefaultLibCheck: true,
    },
  });
  project.createSourceFile('/package.json', '{ "type": "module" }');
  for (const [path, text] of Object.entries(files)) project.createSourceFile(`/${path}`, text);
  const found: Record<string, string[]> = Object.fromEntries(Object.keys(files).map((path) => [path, []]));
  for (const diagnostic of project.getPreEmitDiagnostics()) {
    const path = diagnostic.getSourceFile()?.getFilePath().slice(1) ?? '';
    const message = ts.flattenDiagnosticMessageText(diagnostic.compilerObject.messageText, '\n');
    (found[path] ??= []).push(message);
  }
  return found;
}
