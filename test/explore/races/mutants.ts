// Makes mutants of a source file: the small mistakes that lock-free code is prone to, one at a time.
import ts from 'typescript';

export interface Mutant {
  /** `RingProducer.publish: Atomics.exchange(…) made plain`. */
  readonly name: string;
  readonly kind: 'made plain' | 'torn in two' | 'swapped' | 'dropped' | 'off by one' | 'turned round';
  readonly line: number;
  readonly text: string;
}

/**
 * All mutants of the functions and methods named: `walk`, `Iommu.synchronise`. With `reckoned`, those of what is reckoned
 * there, too: each constant off by one, each operation another one or left out.
 */
export function mutantsOf(
  path: string,
  text: string,
  functions: readonly string[],
  reckoned = false,
): Mutant[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const mutants: Mutant[] = [];
  const textOf = (node: ts.Node): string => node.getText(source);
  let inside = '';

  const add = (node: ts.Node, kind: Mutant['kind'], replacement: string, what = textOf(node)): void => {
    const from = node.getStart(source);
    const line = source.getLineAndCharacterOfPosition(from).line + 1;
    const short = what.replace(/\s+/g, ' ').slice(0, 70);
    const name = `${inside}: ${short} ${kind}${kind === 'off by one' || kind === 'turned round' ? ` (${replacement})` : ''}`;
    mutants.push({ name, kind, line, text: text.slice(0, from) + replacement + text.slice(node.end) });
  };

  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) calls(node, add, textOf);
    if (ts.isIfStatement(node))
      add(
        node.expression,
        'dropped',
        `false && (${textOf(node.expression)})`,
        `if (${textOf(node.expression)})`,
      );
    if (ts.isBinaryExpression(node)) operators(node, add, textOf);
    if (reckoned && ts.isBinaryExpression(node)) arithmetic(node, add, textOf);
    if (
      reckoned &&
      ts.isIdentifier(node) &&
      /^[A-Z_]+$/.test(node.text) &&
      !ts.isPropertyAccessExpression(node.parent)
    )
      for (const other of [`(${node.text} + 1)`, `(${node.text} - 1)`])
        add(node, 'off by one', other, textOf(node.parent));
    if (ts.isNumericLiteral(node))
      add(node, 'off by one', String(Number(node.text) + 1), textOf(node.parent));
    if (ts.isBlock(node)) {
      statements(node, add, textOf);
      for (const [at, statement] of node.statements.entries()) {
        const next = node.statements[at + 1];
        if (next === undefined || !movable(statement) || !movable(next)) continue;
        const from = statement.getStart(source);
        const between = text.slice(statement.end, next.getStart(source));
        const line = source.getLineAndCharacterOfPosition(from).line + 1;
        mutants.push({
          name: `${inside}: ${textOf(statement).slice(0, 40)} and ${textOf(next).slice(0, 40)} swapped`,
          kind: 'swapped',
          line,
          text: text.slice(0, from) + textOf(next) + between + textOf(statement) + text.slice(next.end),
        });
      }
    }
    ts.forEachChild(node, visit);
  };

  const enter = (node: ts.FunctionLikeDeclaration, name: string): void => {
    if (!functions.includes(name) || node.body === undefined) return;
    inside = name;
    visit(node.body);
  };
  for (const statement of source.statements) {
    if (ts.isFunctionDeclaration(statement)) enter(statement, statement.name?.text ?? '');
    if (!ts.isClassDeclaration(statement)) continue;
    for (const member of statement.members)
      if (ts.isMethodDeclaration(member) || ts.isAccessor(member))
        enter(member, `${statement.name?.text}.${textOf(member.name)}`);
  }
  const met = new Map<string, number>();
  return mutants.map((mutant) => {
    const times = (met.get(mutant.name) ?? 0) + 1;
    met.set(mutant.name, times);
    return times === 1 ? mutant : { ...mutant, name: `${mutant.name}, place ${times}` };
  });
}

type Add = (node: ts.Node, kind: Mutant['kind'], replacement: string, what?: string) => void;
type TextOf = (node: ts.Node) => string;

/** Each atomic made plain, and each that reads and writes at once torn in two. */
function calls(node: ts.CallExpression, add: Add, textOf: TextOf): void {
  const callee = textOf(node.expression);
  const [view = '', index = '', value = '', other = ''] = node.arguments.map(textOf);
  const place = `${view}[${index}]!`;
  const target = `${view}[${index}]`;
  switch (callee) {
    case 'Atomics.load':
      add(node, 'made plain', place);
      return;
    case 'Atomics.store':
      add(node, 'made plain', `(${target} = ${value})`);
      return;
    case 'Atomics.exchange':
      add(node, 'made plain', `[${place}, (${target} = ${value})][0]!`);
      add(
        node,
        'torn in two',
        `[Atomics.load(${view}, ${index}), Atomics.store(${view}, ${index}, ${value})][0]!`,
      );
      return;
    case 'Atomics.add':
      add(node, 'made plain', `((${target} = ${place} + ${value}) - ${value})`);
      add(
        node,
        'torn in two',
        `(Atomics.store(${view}, ${index}, Atomics.load(${view}, ${index}) + ${value}) - ${value})`,
      );
      return;
    case 'Atomics.compareExchange':
      add(node, 'made plain', `(${place} === ${value} ? ((${target} = ${other}), ${value}) : ${place})`);
      add(
        node,
        'torn in two',
        `(Atomics.load(${view}, ${index}) === ${value} ? (Atomics.store(${view}, ${index}, ${other}), ${value}) : Atomics.load(${view}, ${index}))`,
      );
      return;
    default:
  }
}

const turned: Readonly<Record<string, string>> = {
  '>=': '>',
  '>': '>=',
  '<': '<=',
  '<=': '<',
  '===': '!==',
  '!==': '===',
};

function operators(node: ts.BinaryExpression, add: Add, textOf: TextOf): void {
  const operator = textOf(node.operatorToken);
  const other = turned[operator];
  if (other !== undefined) add(node.operatorToken, 'turned round', other, textOf(node));
  if (operator === '&&' || operator === '||') {
    add(node, 'dropped', `(${textOf(node.right)})`, `${textOf(node.left)} of ${textOf(node)}`);
    add(node, 'dropped', `(${textOf(node.left)})`, `${textOf(node.right)} of ${textOf(node)}`);
  }
}

const instead: Readonly<Record<string, string>> = {
  '+': '-',
  '-': '+',
  '*': '/',
  '&': '|',
  '|': '&',
  '<<': '>>',
  '>>>': '>>',
  '+=': '-=',
};

/** Each operation another one; each remainder the whole. */
function arithmetic(node: ts.BinaryExpression, add: Add, textOf: TextOf): void {
  const operator = textOf(node.operatorToken);
  const other = instead[operator];
  if (other !== undefined) add(node.operatorToken, 'turned round', other, textOf(node));
  if (operator === '%' || operator === '&') add(node, 'dropped', textOf(node.left), textOf(node));
}

/** Each statement that does something, left out. */
function statements(block: ts.Block, add: Add, textOf: TextOf): void {
  for (const statement of block.statements)
    if (ts.isExpressionStatement(statement)) add(statement, 'dropped', ';', textOf(statement));
}

const movable = (node: ts.Statement): boolean =>
  ts.isExpressionStatement(node) ||
  ts.isIfStatement(node) ||
  (ts.isReturnStatement(node) && node.expression === undefined);
