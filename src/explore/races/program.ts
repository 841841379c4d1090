import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';
import ts from 'typescript';
import { firstLineOf } from '../../base/said.ts';
import { Conductor } from './conductor.ts';
import { Rewriter } from './rewrite/rewriter.ts';
import { RefusedError, type Site } from './operation.ts';

const MODULE_FILE = /\.[mc]?[jt]s$/;

/** This folder, and the package's face, are the checker itself: a checked module gets them as they are. */
const checker = dirname(fileURLToPath(import.meta.url));
const face = resolve(checker, '../../index');

export interface ProgramOptions {
  /** Changes the source of a file before it is checked: path and text; returns the text. For mutants. */
  readonly edit?: (path: string, text: string) => string;
}

interface Module {
  readonly path: string;
  readonly name: string;
  readonly text: string;
  /** Specifier to path, or to undefined for what is taken from outside of the program. */
  readonly imports: ReadonlyMap<string, string | undefined>;
}

/** A module and all that it imports by relative paths, rewritten so that its threads can be stopped. */
export class Program {
  readonly conductor: Conductor;
  readonly exports: Readonly<Record<string, unknown>>;
  /** The files that were rewritten. */
  readonly files: readonly string[];

  private constructor(conductor: Conductor, exports: Record<string, unknown>, files: readonly string[]) {
    this.conductor = conductor;
    this.exports = exports;
    this.files = files;
  }

  /** Throws a {@link RefusedError} with file and line when some code cannot be checked. */
  static async load(path: string, { edit }: ProgramOptions = {}): Promise<Program> {
    const modules = readModules(resolve(path), edit);
    const conductor = new Conductor();
    const foreign = await importForeign(modules);
    const accessors = new Set(
      [...modules.values()].flatMap(({ text, path: file }) => accessorNames(text, file)),
    );
    const place = (site: Site): number => conductor.sites.push(site) - 1;
    const instances = new Map<string, Record<string, unknown>>();

    const instance = (file: string): Record<string, unknown> => {
      const known = instances.get(file);
      if (known !== undefined) return known;
      const exports: Record<string, unknown> = {};
      instances.set(file, exports);
      const module = modules.get(file)!;
      const isForeign = (specifier: string): boolean => module.imports.get(specifier) === undefined;
      const rewriter = new Rewriter({ name: module.name, text: module.text, place, isForeign, accessors });
      const require = (specifier: string): unknown => {
        const target = module.imports.get(specifier);
        return target === undefined ? foreign.get(`${file}\n${specifier}`) : instance(target);
      };
      loading(module.name, () => {
        const code = toScript(rewriter.rewritten(), module.name);
        const run = compileFunction(code, ['exports', 'require', '$'], { filename: module.name }) as (
          ...args: unknown[]
        ) => void;
        run(exports, require, conductor);
      });
      return exports;
    };
    return new Program(conductor, instance(resolve(path)), [...modules.keys()]);
  }
}

function readModules(entry: string, edit: ProgramOptions['edit']): Map<string, Module> {
  const modules = new Map<string, Module>();
  const queue = [entry];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (modules.has(path)) continue;
    const shipped = readModule(path);
    const text = edit?.(path, shipped) ?? shipped;
    const imports = new Map<string, string | undefined>();
    for (const { specifier, typesOnly } of importsOf(text, path)) {
      const target = typesOnly ? undefined : resolveImport(specifier, path);
      if (imports.get(specifier) === undefined) imports.set(specifier, target);
      if (target !== undefined) queue.push(target);
    }
    modules.set(path, { path, name: nameOf(path), text, imports });
  }
  return modules;
}

function readModule(path: string): string {
  const there = existsSync(path);
  if (there && MODULE_FILE.test(path) && statSync(path).isFile()) return readFileSync(path, 'utf8');
  const what = there ? 'this is no module' : 'there is no such file';
  throw new RefusedError(nameOf(path), 1, `${what}; expected a .ts or .js file that exports scenarios`);
}

function nameOf(path: string): string {
  const near = relative(process.cwd(), path);
  return (near.startsWith('..') ? path : near).split(sep).join('/');
}

/** A module that is none, or throws when it is loaded, is refused by its name. */
function loading(name: string, load: () => void): void {
  try {
    load();
  } catch (error) {
    if (error instanceof RefusedError) throw error;
    throw new RefusedError(name, 1, `cannot be loaded: ${firstLineOf(error)}; expected a module that loads`);
  }
}

function parse(text: string, path: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

interface Import {
  readonly specifier: string;
  readonly typesOnly: boolean;
}

function importsOf(text: string, path: string): Import[] {
  return parse(text, path).statements.flatMap((statement) => {
    if (ts.isImportDeclaration(statement)) {
      const clause = statement.importClause;
      const specifier = (statement.moduleSpecifier as ts.StringLiteral).text;
      const bindings = clause?.namedBindings;
      const allTypes =
        bindings !== undefined &&
        ts.isNamedImports(bindings) &&
        clause?.name === undefined &&
        bindings.elements.length > 0 &&
        bindings.elements.every((element) => element.isTypeOnly);
      return [{ specifier, typesOnly: clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || allTypes }];
    }
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined)
      return [
        { specifier: (statement.moduleSpecifier as ts.StringLiteral).text, typesOnly: statement.isTypeOnly },
      ];
    return [];
  });
}

/** The file of a relative import, or undefined for what the program takes as it is. */
function resolveImport(specifier: string, from: string): string | undefined {
  if (!/^\.{1,2}\//.test(specifier)) return undefined;
  const path = resolve(dirname(from), specifier);
  if (path.startsWith(checker + sep) || path.replace(/\.[jt]s$/, '') === face) return undefined;
  const found = [path, path.replace(/\.js$/, '.ts')].find((candidate) => existsSync(candidate));
  if (found === undefined)
    throw new RefusedError(nameOf(from), 1, `imports ${specifier}, which is not there`);
  return MODULE_FILE.test(found) ? found : undefined;
}

async function importForeign(modules: ReadonlyMap<string, Module>): Promise<Map<string, unknown>> {
  const foreign = new Map<string, unknown>();
  for (const { path, imports, text } of modules.values()) {
    const needed = new Set(importsOf(text, path).flatMap((one) => (one.typesOnly ? [] : [one.specifier])));
    for (const [specifier, target] of imports) {
      if (target !== undefined || !needed.has(specifier)) continue;
      const url = specifier.startsWith('.')
        ? pathToFileURL(resolve(dirname(path), specifier)).href
        : specifier;
      try {
        foreign.set(`${path}\n${specifier}`, await import(url));
      } catch (error) {
        // The checker is who imports it: of no use to whoever wrote it.
        const why = firstLineOf(error).replace(/ imported from .*/, '');
        throw new RefusedError(nameOf(path), 1, `imports ${specifier}, which cannot be loaded: ${why}`);
      }
    }
  }
  return foreign;
}

/** Getters and setters that call or read something: a thread may have to be stopped inside of them. */
function accessorNames(text: string, path: string): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    if (
      ts.isAccessor(node) &&
      ts.isIdentifier(node.name) &&
      ts.isClassLike(node.parent) &&
      node.body !== undefined
    )
      if (reads(node.body)) names.push(node.name.text);
    ts.forEachChild(node, visit);
  };
  visit(parse(text, path));
  return names;
}

const reads = (node: ts.Node): boolean =>
  ts.isCallExpression(node) || ts.isElementAccessExpression(node) || ts.forEachChild(node, reads) === true;

/** What was compiled last: a campaign of mutants loads mostly the same files. */
const compiled = new Map<string, string>();
const MOST_COMPILED = 64;

/** Strips types and turns imports and exports into plain calls. */
function toScript(text: string, name: string): string {
  const known = compiled.get(text);
  if (known !== undefined) return known;
  const { outputText } = ts.transpileModule(text, {
    // By its name, .mjs would stay a module of the other kind.
    fileName: name.replace(/\.[mc](?=[jt]s$)/, '.'),
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.CommonJS,
      isolatedModules: true,
      esModuleInterop: false,
      sourceMap: false,
    },
  });
  if (compiled.size >= MOST_COMPILED) compiled.clear();
  compiled.set(text, outputText);
  return outputText;
}
