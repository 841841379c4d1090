import ts from 'typescript';
import { KIND, RefusedError, type Kind, type Site } from '../operation.ts';
import { rewriteExpression } from './expressions.ts';
import { Temps, type Mode, type Rewriting } from './scope.ts';
import { mayTouch, surveyOf, type Survey } from './survey.ts';

export interface RewriterOptions {
  /** How the file is named in reports. */
  readonly name: string;
  readonly text: string;
  /** Takes a place; returns its number. */
  readonly place: (site: Site) => number;
  readonly isForeign: (specifier: string) => boolean;
  /** Names of getters and setters, in any module of the program, that may touch shared memory. */
  readonly accessors: ReadonlySet<string>;
}

/**
 * Gives every function of a module that may touch shared memory a second form: a generator that tells `$`
 * what it is about to do and yields before it does it. The first form stays, for setup and checks; it refuses
 * shared memory when a thread gets there. Rewrites text by the syntax tree, so types stay where they are.
 */
export class Rewriter implements Rewriting {
  readonly source: ts.SourceFile;
  readonly survey: Survey;
  readonly options: RewriterOptions;
  readonly accessors: ReadonlySet<string>;

  constructor(options: RewriterOptions) {
    this.options = options;
    this.accessors = options.accessors;
    this.source = ts.createSourceFile(options.name, options.text, ts.ScriptTarget.Latest, true);
    const broken = (this.source as unknown as { parseDiagnostics?: readonly ts.Diagnostic[] })
      .parseDiagnostics?.[0];
    if (broken !== undefined) {
      const { line } = this.source.getLineAndCharacterOfPosition(broken.start ?? 0);
      throw new RefusedError(
        options.name,
        line + 1,
        ts.flattenDiagnosticMessageText(broken.messageText, ' '),
      );
    }
    this.survey = surveyOf(this.source, options.isForeign);
  }

  rewritten(): string {
    const mode = {
      threaded: false,
      temps: new Temps(),
      inside: 'the module',
      privateMethods: new Set<string>(),
    };
    const body = this.copy(this.source, mode, this.links(this.source.statements));
    return `${mode.temps.declaration}${body}`;
  }

  // ---- places

  site(node: ts.Node, kind: Kind, mode: Mode): number {
    const { line, character } = this.source.getLineAndCharacterOfPosition(node.getStart(this.source));
    const text = node.getText(this.source).replace(/\s+/g, ' ');
    const { name: file } = this.options;
    return this.options.place({
      kind,
      file,
      line: line + 1,
      column: character + 1,
      text,
      inside: mode.inside,
    });
  }

  refuse(node: ts.Node, reason: string): never {
    const { line } = this.source.getLineAndCharacterOfPosition(node.getStart(this.source));
    throw new RefusedError(this.options.name, line + 1, reason);
  }

  touches(node: ts.Node | undefined): boolean {
    return node !== undefined && mayTouch(node, this.survey, this.accessors);
  }

  // ---- text

  /** The text of a node with each of its children rewritten; `start` goes before the first child. */
  copy(node: ts.Node, mode: Mode, start = ''): string {
    const { text } = this.source;
    let at = node.kind === ts.SyntaxKind.SourceFile ? 0 : node.getStart(this.source);
    let out = '';
    let first = start;
    ts.forEachChild(node, (child) => {
      const from = child.getStart(this.source);
      if (child.kind === ts.SyntaxKind.EndOfFileToken || from < at) return;
      out += text.slice(at, from) + first + this.visit(child, mode);
      first = '';
      at = child.end;
    });
    return out + text.slice(at, node.end);
  }

  visit(node: ts.Node, mode: Mode): string {
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return node.getText(this.source);
    if (
      ts.isInterfaceDeclaration(node) ||
      ts.isTypeAliasDeclaration(node) ||
      ts.isTypeParameterDeclaration(node)
    )
      return node.getText(this.source);
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.getText(this.source);
    if (ts.isFunctionDeclaration(node)) return this.#functionDeclaration(node, mode);
    if (ts.isClassLike(node)) return this.#classLike(node, mode);
    if (ts.isArrowFunction(node) || ts.isFunctionExpression(node))
      return this.#functionExpression(node, mode);
    if (ts.isMethodDeclaration(node)) return this.#objectMethod(node, mode);
    if (ts.isAccessor(node) || ts.isConstructorDeclaration(node)) return this.#plainMember(node, mode);
    if (ts.isBlock(node)) return this.copy(node, mode, this.#guard(node, mode) + this.links(node.statements));
    if (ts.isParameter(node) && mode.threaded) return this.copy(node, { ...mode, threaded: false });
    return rewriteExpression(this, node, mode);
  }

  // ---- functions

  /** Statements that tie second forms to the functions that a block declares: they are hoisted, so this is too. */
  links(statements: readonly ts.Statement[]): string {
    let out = '';
    for (const statement of statements) {
      if (!ts.isFunctionDeclaration(statement) || !this.hasSecondForm(statement)) continue;
      const { text } = statement.name!;
      out += `${text}.${isAsync(statement) ? '$a' : '$g'} = ${text}$g; `;
    }
    return out;
  }

  /** What the first form of an async function begins with. */
  #guard(body: ts.Node, mode: Mode): string {
    const { parent } = body;
    if (mode.threaded || !ts.isFunctionLike(parent) || !isAsync(parent)) return '';
    const inside = 'body' in parent && parent.body === body && this.touches(body);
    // It never goes on: to throw here would be a rejection that nobody hears.
    return inside
      ? `if ($.unawaited(${this.site(body, KIND.read, mode)})) await new Promise(() => {}); `
      : '';
  }

  hasSecondForm(node: ts.FunctionLikeDeclaration): boolean {
    const isGenerator = 'asteriskToken' in node && node.asteriskToken !== undefined;
    return node.body !== undefined && !isGenerator && this.touches(node.body);
  }

  #functionDeclaration(node: ts.FunctionDeclaration, mode: Mode): string {
    if (node.body === undefined) return node.getText(this.source);
    const name = node.name?.text ?? 'default';
    const plain = this.copy(node, this.plain(mode, name));
    if (node.name === undefined || !this.hasSecondForm(node)) return plain;
    return `${plain}; function* ${name}$g${this.#threadedTail(node, name, mode)};`;
  }

  #functionExpression(node: ts.ArrowFunction | ts.FunctionExpression, mode: Mode): string {
    const name = node.name?.getText(this.source) ?? nameOf(node) ?? `a function in ${mode.inside}`;
    const plain = `(${this.copyFunction(node, name, mode)})`;
    if (!this.hasSecondForm(node) || (ts.isArrowFunction(node) && mentionsArguments(node))) return plain;
    const bind = ts.isArrowFunction(node) && mentionsThis(node) ? '.bind(this)' : '';
    return `$.dual(${plain}, (function* ${this.#threadedTail(node, name, mode)})${bind}, ${isAsync(node)})`;
  }

  copyFunction(node: ts.FunctionLikeDeclaration, name: string, mode: Mode): string {
    const inner = this.plain(mode, name);
    if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) {
      const head = this.source.text.slice(node.getStart(this.source), node.body.getStart(this.source));
      const body = this.visit(node.body, inner);
      return `${head.replace(/=>[\s(]*$/, '=>')} { ${this.#guard(node.body, inner)}return (${body}); }`;
    }
    return this.copy(node, inner);
  }

  /** `(parameters) { body }` of the second form. */
  #threadedTail(node: ts.FunctionLikeDeclaration, name: string, mode: Mode): string {
    const inner: Mode = { ...mode, threaded: true, temps: new Temps(), inside: name };
    const parameters = node.parameters.map((parameter) => this.visit(parameter, inner)).join(', ');
    const body = node.body!;
    if (!ts.isBlock(body)) {
      const value = this.visit(body, inner);
      return `(${parameters}) { ${inner.temps.declaration}return (${value}); }`;
    }
    const text = this.copy(body, inner, this.links(body.statements));
    return `(${parameters}) { ${inner.temps.declaration}${text} }`;
  }

  plain(mode: Mode, inside: string): Mode {
    return { ...mode, threaded: false, temps: new Temps(), inside };
  }

  #objectMethod(node: ts.MethodDeclaration, mode: Mode): string {
    const name = node.name.getText(this.source);
    if (!this.hasSecondForm(node) || ts.isComputedPropertyName(node.name) || mentionsSuper(node))
      return this.copy(node, this.plain(mode, name));
    const start = node.parameters.pos - 1;
    const tail = this.#plainTail(node, name, mode, start);
    const prefix = isAsync(node) ? 'async ' : '';
    const threaded = this.#threadedTail(node, name, mode);
    return `${name}: $.dual(${prefix}function ${tail}, function* ${threaded}, ${isAsync(node)})`;
  }

  /** `(parameters): type { body }` as it stands. */
  #plainTail(node: ts.MethodDeclaration, name: string, mode: Mode, start: number): string {
    const inner = this.plain(mode, name);
    const { text } = this.source;
    let at = start;
    let out = '';
    for (const child of [...node.parameters, node.body!]) {
      const from = child.getStart(this.source);
      out += text.slice(at, from) + this.visit(child, inner);
      at = child.end;
    }
    return out;
  }

  #plainMember(node: ts.AccessorDeclaration | ts.ConstructorDeclaration, mode: Mode): string {
    const name = ts.isConstructorDeclaration(node)
      ? 'a constructor'
      : `an accessor (${node.name.getText(this.source)})`;
    return this.copy(node, this.plain(mode, name));
  }

  // ---- classes

  #classLike(node: ts.ClassLikeDeclaration, mode: Mode): string {
    const className = node.name?.text ?? 'a class';
    const methods = node.members.filter(
      (member) =>
        ts.isMethodDeclaration(member) &&
        !ts.isComputedPropertyName(member.name) &&
        this.hasSecondForm(member),
    ) as ts.MethodDeclaration[];
    const accessors = node.members.filter(
      (member) => ts.isAccessor(member) && ts.isIdentifier(member.name) && this.touches(member.body),
    ) as ts.AccessorDeclaration[];
    const privateMethods = new Set(
      methods.filter(({ name }) => ts.isPrivateIdentifier(name)).map(({ name }) => name.getText(this.source)),
    );
    const inner: Mode = { ...mode, threaded: false, privateMethods };
    let links = '';
    let forms = '';
    for (const method of methods) {
      const name = method.name.getText(this.source);
      const isStatic = method.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword) ?? false;
      const inside = `${className}.${name}`;
      const safe = ts.isStringLiteral(method.name) ? JSON.stringify(`${method.name.text}$g`) : `${name}$g`;
      forms += ` ${isStatic ? 'static ' : ''}*${safe}${this.#threadedTail(method, inside, inner)}`;
      if (ts.isPrivateIdentifier(method.name)) continue;
      const holder = isStatic ? 'this' : 'this.prototype';
      const key = JSON.stringify(
        ts.isIdentifier(method.name) ? name : (method.name as ts.StringLiteral).text,
      );
      links += `${holder}[${key}].${isAsync(method) ? '$a' : '$g'} = ${holder}[${key.slice(0, -1)}$g"]; `;
    }
    for (const accessor of accessors) {
      const name = accessor.name.getText(this.source);
      const form = ts.isGetAccessor(accessor) ? '$get' : '$set';
      forms += ` *${name}${form}${this.#threadedTail(accessor, `${className}.${name}`, inner)}`;
    }
    let out = this.#classText(node, className, inner);
    out = `${out.slice(0, out.lastIndexOf('}'))}${forms}${links === '' ? '' : ` static { ${links}}`} }`;
    return out;
  }

  #classText(node: ts.ClassLikeDeclaration, className: string, mode: Mode): string {
    const { text } = this.source;
    let at = node.getStart(this.source);
    let out = '';
    const children: ts.Node[] = [];
    ts.forEachChild(node, (child) => void children.push(child));
    for (const child of children) {
      const from = child.getStart(this.source);
      out += text.slice(at, from);
      if (ts.isMethodDeclaration(child))
        out += this.copy(child, this.plain(mode, `${className}.${child.name.getText(this.source)}`));
      else if (ts.isPropertyDeclaration(child))
        out += this.copy(child, this.plain(mode, `a field of ${className}`));
      else if (ts.isClassStaticBlockDeclaration(child))
        out += this.copy(child, this.plain(mode, 'a static block'));
      else out += this.visit(child, mode);
      at = child.end;
    }
    return out + text.slice(at, node.end);
  }
}

export const isAsync = (node: ts.Node): boolean =>
  ts.canHaveModifiers(node) &&
  (ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword) ?? false);

function nameOf(node: ts.Node): string | undefined {
  const { parent } = node;
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent))
    return parent.name.getText();
  return undefined;
}

const mentions =
  (what: (node: ts.Node) => boolean) =>
  (node: ts.Node): boolean => {
    const visit = (child: ts.Node): boolean => {
      if (what(child)) return true;
      if (ts.isFunctionDeclaration(child) || ts.isFunctionExpression(child) || ts.isClassLike(child))
        return false;
      return ts.forEachChild(child, visit) === true;
    };
    return ts.forEachChild(node, visit) === true;
  };
const mentionsThis = mentions((node) => node.kind === ts.SyntaxKind.ThisKeyword);
const mentionsSuper = mentions((node) => node.kind === ts.SyntaxKind.SuperKeyword);
const mentionsArguments = mentions(
  (node) => (ts.isIdentifier(node) && node.text === 'arguments') || node.kind === ts.SyntaxKind.SuperKeyword,
);
