import ts from 'typescript';
import { BULK_METHODS } from '../conductor.ts';
import { KIND } from '../operation.ts';
import type { Mode, Rewriting } from './scope.ts';
import { isPureGlobal } from './survey.ts';

/** Methods of foreign objects that read the memory that they are given. */
const READERS: ReadonlySet<string> = new Set([
  'from',
  'decode',
  'encodeInto',
  'concat',
  'write',
  'send',
  'postMessage',
  'digest',
  'update',
  'apply',
]);

/**
 * A call: of a function with a second form, the engine runs that one; of any other, as it stands. `isAwaited`: the
 * call stands below an `await`, so the function may be an async one.
 */
export function rewriteCall(to: Rewriting, node: ts.CallExpression, mode: Mode, isAwaited = false): string {
  if (node.expression.kind === ts.SyntaxKind.ImportKeyword)
    to.refuse(node, 'imports while it runs; import at the top');
  if (!mode.threaded) return plainCall(to, node, mode);
  const hint =
    ts.isIdentifier(node.expression) && to.survey.foreign.has(node.expression.text)
      ? node.expression.text
      : '';
  if (hint === 'pause' || hint === 'stamp') return `($.${hint}(${to.site(node, KIND[hint], mode)}), yield 0)`;
  if (isPureGlobal(node.expression, to.survey)) return to.copy(node, mode);
  const form = isAwaited ? '$a' : '$g';
  const chain = optionalChain(node);
  if (chain !== undefined) return optionalCall(to, node, chain, mode);
  const callee = ts.isNonNullExpression(node.expression) ? node.expression.expression : node.expression;
  const args = (): string => argumentsOf(to, node, callee, mode);
  if (callee.kind === ts.SyntaxKind.SuperKeyword) return to.copy(node, mode);
  if (ts.isPropertyAccessExpression(callee)) {
    if (callee.expression.kind === ts.SyntaxKind.SuperKeyword) return superCall(callee, args, mode, form);
    const name = callee.name.text;
    if (ts.isPrivateIdentifier(callee.name)) return privateCall(to, callee, args, mode, form);
    return mode.temps.use(4, (object, method, chosen, result) => {
      const target = `${object} = ${to.visit(callee.expression, mode)}`;
      const call = (values: string): string =>
        `(${method} = ${object}.${name}, ${chosen} = ${method}.${form} ?? ${method}, ` +
        `${result} = ${chosen}.call(${[object, values].filter(Boolean).join(', ')}), ` +
        `${chosen} === ${method} ? ${result} : ($.callee = ${result}, yield 1))`;
      if (!BULK_METHODS.has(name)) return `(${target}, ${call(args())})`;
      const site = to.site(node, KIND.read, mode);
      return mode.temps.use(
        1,
        (values) =>
          `(${target}, ${values} = [${args()}], ($.callee = $.bulk(${object}, '${name}', ${values}, ${site})) ` +
          `!== undefined ? yield 1 : ${call(`...${values}`)})`,
      );
    });
  }
  return mode.temps.use(3, (method, chosen, result) => {
    const values = args();
    return (
      `(${method} = ${to.visit(callee, mode)}, ${chosen} = ${method}.${form} ?? ${method}, ` +
      `${result} = ${chosen}(${values}), ${chosen} === ${method} ? ${result} : ($.callee = ${result}, yield 1))`
    );
  });
}

/** Arguments; those that go to code outside of the program must not be shared memory. */
function argumentsOf(to: Rewriting, node: ts.CallExpression, callee: ts.Expression, mode: Mode): string {
  const guarded = leavesProgram(to, callee);
  const inner = { ...mode, inside: 'a function outside of the program' };
  return node.arguments
    .map((arg) => {
      const text = to.visit(arg, mode);
      if (!guarded || ts.isSpreadElement(arg)) return text;
      return `$.alone(${text}, ${to.site(arg, KIND.read, inner)})`;
    })
    .join(', ');
}

function leavesProgram(to: Rewriting, callee: ts.Expression): boolean {
  const method = ts.isPropertyAccessExpression(callee) ? callee.name.text : '';
  if (READERS.has(method)) return true;
  let root = callee;
  while (ts.isPropertyAccessExpression(root)) root = root.expression;
  if (!ts.isIdentifier(root)) return false;
  return to.survey.foreign.has(root.text);
}

function plainCall(to: Rewriting, node: ts.CallExpression, mode: Mode): string {
  const callee = node.expression;
  if (!ts.isPropertyAccessExpression(callee) || !BULK_METHODS.has(callee.name.text))
    return to.copy(node, mode);
  // A view's own method touches its bytes, and those of the view that it is given.
  const site = to.site(node, KIND.read, mode);
  const dot = callee.questionDotToken === undefined ? '.' : '?.';
  const args = node.arguments.map((arg) =>
    ts.isSpreadElement(arg) || callee.name.text !== 'set'
      ? to.visit(arg, mode)
      : `$.alone(${to.visit(arg, mode)}, ${site})`,
  );
  return `$.alone(${to.visit(callee.expression, mode)}, ${site})${dot}${callee.name.text}(${args.join(', ')})`;
}

function superCall(
  callee: ts.PropertyAccessExpression,
  args: () => string,
  mode: Mode,
  form: string,
): string {
  const name = callee.name.text;
  return mode.temps.use(2, (chosen, result) => {
    const call = `${result} = ${chosen}.call(${['this', args()].filter(Boolean).join(', ')})`;
    const choose = `${chosen} = super.${name}.${form} ?? super.${name}`;
    return `(${choose}, ${call}, ${chosen} === super.${name} ? ${result} : ($.callee = ${result}, yield 1))`;
  });
}

function privateCall(
  to: Rewriting,
  callee: ts.PropertyAccessExpression,
  args: () => string,
  mode: Mode,
  form: string,
): string {
  const name = callee.name.text;
  const object = (): string => to.visit(callee.expression, mode);
  if (mode.privateMethods.has(name)) return `($.callee = ${object()}.${name}$g(${args()}), yield 1)`;
  // A private field that holds a function, or a private method that touches nothing.
  return mode.temps.use(4, (target, method, chosen, result) => {
    const call = `${result} = ${chosen}.call(${[target, args()].filter(Boolean).join(', ')})`;
    return (
      `(${target} = ${object()}, ${method} = ${target}.${name}, ${chosen} = ${method}.${form} ?? ${method}, ${call}, ` +
      `${chosen} === ${method} ? ${result} : ($.callee = ${result}, yield 1))`
    );
  });
}

/** The innermost `?.` of a call's chain: what stands before it decides whether anything follows. */
function optionalChain(node: ts.Expression): ts.Expression | undefined {
  for (let link: ts.Expression = node; ;) {
    if (
      ts.isCallExpression(link) ||
      ts.isPropertyAccessExpression(link) ||
      ts.isElementAccessExpression(link)
    ) {
      if (link.questionDotToken !== undefined) return link;
      link = link.expression;
    } else if (ts.isNonNullExpression(link)) link = link.expression;
    else return undefined;
  }
}

/** `a?.b(c)`, with one link after the `?.` or `a?.(c)`; longer chains are refused. */
function optionalCall(to: Rewriting, node: ts.CallExpression, chain: ts.Expression, mode: Mode): string {
  const args = (): string => node.arguments.map((arg) => to.visit(arg, mode)).join(', ');
  const finish = (target: string, method: string, chosen: string, result: string): string =>
    `${chosen} = ${method}.$g ?? ${method}, ${result} = ${chosen}.call(${[target, args()].filter(Boolean).join(', ')}), ` +
    `${chosen} === ${method} ? ${result} : ($.callee = ${result}, yield 1)`;
  const callee = node.expression;
  if (chain === callee && ts.isPropertyAccessExpression(callee))
    return mode.temps.use(
      4,
      (target, method, chosen, result) =>
        `((${target} = ${to.visit(callee.expression, mode)}) == null ? undefined : ` +
        `(${method} = ${target}.${callee.name.text}, ${finish(target, method, chosen, result)}))`,
    );
  if (chain === node && ts.isPropertyAccessExpression(callee) && callee.questionDotToken === undefined)
    return mode.temps.use(
      4,
      (target, method, chosen, result) =>
        `(${target} = ${to.visit(callee.expression, mode)}, (${method} = ${target}.${callee.name.text}) == null ? ` +
        `undefined : (${finish(target, method, chosen, result)}))`,
    );
  if (chain === node && ts.isIdentifier(callee))
    return mode.temps.use(
      3,
      (method, chosen, result) =>
        `((${method} = ${to.visit(callee, mode)}) == null ? undefined : (${finish('undefined', method, chosen, result)}))`,
    );
  return to.refuse(node, 'calls at the end of a long ?. chain; take it apart');
}
