import ts from 'typescript';
import { KIND, type Kind } from '../operation.ts';
import { rewriteCall } from './calls.ts';
import type { Mode, Rewriting } from './scope.ts';
import { isAssignment, steps } from './survey.ts';

const ATOMICS: Readonly<Record<string, Kind>> = {
  load: KIND.load,
  store: KIND.store,
  ...Object.fromEntries(['add', 'sub', 'and', 'or', 'xor', 'exchange'].map((name) => [name, KIND.update])),
  compareExchange: KIND.compareExchange,
  wait: KIND.wait,
  waitAsync: KIND.waitAsync,
  notify: KIND.notify,
  pause: KIND.pause,
};

/** `$.at(view, index, site) && (yield 0)`: what comes before an access. */
export const stopAt = (view: string, index: string, site: number, kind: Kind): string =>
  `$.at(${view}, ${index}, ${site}, ${kind}) && (yield 0)`;

export function rewriteExpression(to: Rewriting, node: ts.Node, mode: Mode): string {
  if (ts.isIdentifier(node)) return identifier(to, node);
  if (ts.isCallExpression(node)) {
    const operation = atomicsOf(node.expression);
    if (operation !== undefined) return atomics(to, node, operation, mode);
    return rewriteCall(to, node, mode);
  }
  if (ts.isNewExpression(node)) return creation(to, node, mode);
  if (ts.isElementAccessExpression(node) && node.questionDotToken === undefined)
    return element(to, node, mode);
  if (ts.isPropertyAccessExpression(node)) return property(to, node, mode);
  if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) return assignment(to, node, mode);
  if ((ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) && steps(node))
    return step(to, node, mode);
  if (ts.isSpreadElement(node)) return `...${whole(to, node.expression, mode)}`;
  if (ts.isForOfStatement(node)) return forOf(to, node, mode);
  if (ts.isAwaitExpression(node) && mode.threaded) return awaited(to, node, mode);
  if (
    ts.isVariableDeclaration(node) &&
    ts.isArrayBindingPattern(node.name) &&
    node.initializer !== undefined
  ) {
    const name = to.visit(node.name, mode);
    return `${name} = ${whole(to, node.initializer, mode)}`;
  }
  if (mode.threaded && isEmptyLoop(node)) return emptyLoop(to, node, mode);
  if (ts.isExpressionStatement(node)) return `${to.visit(node.expression, mode)};`;
  if (ts.isVariableStatement(node) || ts.isReturnStatement(node) || ts.isThrowStatement(node))
    return to.copy(node, mode).replace(/;?$/, ';');
  return to.copy(node, mode);
}

function identifier(to: Rewriting, node: ts.Identifier): string {
  if (node.text === 'Atomics' && !to.survey.declared.has('Atomics') && isValue(node))
    to.refuse(node, 'uses Atomics as a value; call Atomics.load and the others by their names');
  return node.text;
}

/** Not the name of a property, of a type, or of a place that is being declared. */
function isValue(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  return !(ts.isPropertyAssignment(parent) && parent.name === node) && !ts.isTypeReferenceNode(parent);
}

function atomicsOf(callee: ts.Expression): string | undefined {
  if (!ts.isPropertyAccessExpression(callee) || !ts.isIdentifier(callee.expression)) return undefined;
  return callee.expression.text === 'Atomics' ? callee.name.text : undefined;
}

function atomics(to: Rewriting, node: ts.CallExpression, name: string, mode: Mode): string {
  const args = node.arguments;
  if (name === 'isLockFree') return 'true';
  const kind = ATOMICS[name];
  if (kind === undefined) return to.refuse(node, `Atomics.${name} is not known here`);
  const site = to.site(node, kind, mode);
  if (name === 'pause') return mode.threaded ? `($.pause(${site}), yield 0)` : 'undefined';
  if (args.some(ts.isSpreadElement))
    return to.refuse(node, 'spreads the operands of an atomic; write them out');
  if (!mode.threaded) {
    if (name === 'wait' || name === 'waitAsync')
      return `$.refuse(${site}, 'waits where nobody could wake it')`;
    const [view, ...rest] = args.map((arg) => to.visit(arg, mode));
    return `Atomics.${name}(${[`$.alone(${view}, ${site})`, ...rest].join(', ')})`;
  }
  return operands(to, args, mode, (sets, [view, index, ...rest]) => {
    if (name === 'wait' || name === 'waitAsync') {
      const [expected = 'undefined', limit = 'undefined'] = rest;
      return `(${sets}$.wait(${view}, ${index}, ${expected}, ${limit}, ${site}, ${kind}), yield 0)`;
    }
    if (name === 'notify')
      return `(${sets}$.notify(${view}, ${index}, ${rest[0] ?? 'undefined'}, ${site}) ? yield 0 : 0)`;
    const stop =
      name === 'compareExchange'
        ? `$.compare(${view}, ${index}, ${rest[0]}, ${site}) && (yield 0)`
        : stopAt(view!, index!, site, kind);
    const call = `Atomics.${name}(${[view, index, ...rest].join(', ')})`;
    return `(${sets}${stop}, ${call})`;
  });
}

/** Evaluates operands once each, in order, into names where they are not names already. */
export function operands(
  to: Rewriting,
  nodes: readonly ts.Expression[],
  mode: Mode,
  build: (sets: string, values: string[]) => string,
): string {
  return mode.temps.use(nodes.length, (...names) => {
    let sets = '';
    const values = nodes.map((node, at) => {
      if (isStable(to, node)) return to.visit(node, mode);
      sets += `${names[at]} = ${to.visit(node, mode)}, `;
      return names[at]!;
    });
    return build(sets, values);
  });
}

/** An expression that is worth the same before and after its thread was stopped. */
export function isStable(to: Rewriting, node: ts.Expression): boolean {
  if (ts.isNumericLiteral(node) || ts.isStringLiteral(node) || node.kind === ts.SyntaxKind.ThisKeyword)
    return true;
  if (ts.isNonNullExpression(node) || ts.isParenthesizedExpression(node))
    return isStable(to, node.expression);
  return ts.isIdentifier(node) && !to.survey.assigned.has(node.text);
}

function creation(to: Rewriting, node: ts.NewExpression, mode: Mode): string {
  const name = ts.isIdentifier(node.expression) ? node.expression.text : '';
  if (
    !/^(SharedArrayBuffer|DataView|\w+Array)$/.test(name) ||
    to.survey.declared.has(name) ||
    name === 'Array'
  )
    return to.copy(node, mode);
  const site = to.site(node, KIND.read, mode);
  const args = (node.arguments ?? []).map((arg) => to.visit(arg, mode));
  return `$.create(${name}, [${args.join(', ')}], ${site})`;
}

const bare = (node: ts.Expression): ts.Expression =>
  ts.isNonNullExpression(node) || ts.isParenthesizedExpression(node) || ts.isAsExpression(node)
    ? bare(node.expression)
    : node;

function element(to: Rewriting, node: ts.ElementAccessExpression, mode: Mode): string {
  if (ts.isStringLiteral(node.argumentExpression)) return to.copy(node, mode);
  const site = to.site(node, KIND.read, mode);
  if (!mode.threaded)
    return `$.alone(${to.visit(node.expression, mode)}, ${site})[${to.visit(node.argumentExpression, mode)}]`;
  return operands(
    to,
    [node.expression, node.argumentExpression],
    mode,
    (sets, [view, index]) => `(${sets}${stopAt(view!, index!, site, KIND.read)}, ${view}[${index}])`,
  );
}

function property(to: Rewriting, node: ts.PropertyAccessExpression, mode: Mode): string {
  const name = node.name.text;
  if (!mode.threaded || !to.accessors.has(name) || node.questionDotToken !== undefined)
    return to.copy(node, mode);
  if (ts.isPrivateIdentifier(node.name)) return to.copy(node, mode);
  return mode.temps.use(
    1,
    (object) =>
      `((${object} = ${to.visit(node.expression, mode)}).${name}$get === undefined ? ${object}.${name} : ` +
      `($.callee = ${object}.${name}$get(), yield 1))`,
  );
}

function assignment(to: Rewriting, node: ts.BinaryExpression, mode: Mode): string {
  const target = bare(node.left);
  const operator = node.operatorToken.getText(to.source);
  if (mode.threaded) checkModuleVariable(to, target);
  if (ts.isArrayLiteralExpression(target))
    return `(${node.left.getText(to.source)} = ${whole(to, node.right, mode)})`;
  if (!ts.isElementAccessExpression(target)) {
    if (
      mode.threaded &&
      operator === '=' &&
      ts.isPropertyAccessExpression(target) &&
      to.accessors.has(target.name.text)
    )
      return setter(to, target, node.right, mode);
    // Targets such as `this.x` are evaluated as they stand: only the value may stop.
    const left = ts.isIdentifier(target) ? target.text : to.copy(target, mode);
    return `(${left} ${operator} ${to.visit(node.right, mode)})`;
  }
  const write = to.site(target, KIND.write, mode);
  const value = (): string => to.visit(node.right, mode);
  if (!mode.threaded) {
    const place = `$.alone(${to.visit(target.expression, mode)}, ${write})[${to.visit(target.argumentExpression, mode)}]`;
    return `(${place} ${operator} ${value()})`;
  }
  const parts = [target.expression, target.argumentExpression];
  if (operator === '=')
    return operands(
      to,
      [...parts, node.right],
      mode,
      (sets, [view, index, worth]) =>
        `(${sets}${stopAt(view!, index!, write, KIND.write)}, ${view}[${index}] = ${worth})`,
    );
  const read = to.site(target, KIND.read, mode);
  return operands(to, parts, mode, (sets, [view, index]) =>
    mode.temps.use(1, (old) => {
      const before = `${sets}${stopAt(view!, index!, read, KIND.read)}, ${old} = ${view}[${index}]`;
      const store = `${stopAt(view!, index!, write, KIND.write)}, ${view}[${index}] = ${old}`;
      const logical = /^(\|\||&&|\?\?)=$/.exec(operator);
      if (logical !== null) return `(${before}, ${old} ${logical[1]} (${old} = ${value()}, ${store}))`;
      return `(${before}, ${old} = ${old} ${operator.slice(0, -1)} ${value()}, ${store})`;
    }),
  );
}

/** `a.b = c` where some class has a setter `b` that may have to be stopped inside. */
function setter(
  to: Rewriting,
  target: ts.PropertyAccessExpression,
  right: ts.Expression,
  mode: Mode,
): string {
  const name = target.name.text;
  return mode.temps.use(
    2,
    (object, value) =>
      `(${object} = ${to.visit(target.expression, mode)}, ${value} = ${to.visit(right, mode)}, ` +
      `${object}.${name}$set === undefined ? ${object}.${name} = ${value} : ` +
      `($.callee = ${object}.${name}$set(${value}), yield 1, ${value}))`,
  );
}

/** `a[i]++` and its like: a read, then a write. */
function step(to: Rewriting, node: ts.PrefixUnaryExpression | ts.PostfixUnaryExpression, mode: Mode): string {
  const target = bare(node.operand);
  const operator = node.operator === ts.SyntaxKind.PlusPlusToken ? '++' : '--';
  const prefix = ts.isPrefixUnaryExpression(node);
  if (mode.threaded) checkModuleVariable(to, target);
  if (!ts.isElementAccessExpression(target)) {
    const place = ts.isIdentifier(target) ? target.text : to.copy(target, mode);
    return prefix ? `(${operator}${place})` : `(${place}${operator})`;
  }
  const read = to.site(target, KIND.read, mode);
  if (!mode.threaded) {
    const place = `$.alone(${to.visit(target.expression, mode)}, ${read})[${to.visit(target.argumentExpression, mode)}]`;
    return prefix ? `(${operator}${place})` : `(${place}${operator})`;
  }
  const write = to.site(target, KIND.write, mode);
  return operands(to, [target.expression, target.argumentExpression], mode, (sets, [view, index]) =>
    mode.temps.use(2, (old, now) => {
      const load = `${sets}${stopAt(view!, index!, read, KIND.read)}, ${now} = ${old} = ${view}[${index}], ${now}${operator}`;
      const store = `${stopAt(view!, index!, write, KIND.write)}, ${view}[${index}] = ${now}`;
      return `(${load}, ${store}, ${prefix ? now : old})`;
    }),
  );
}

function checkModuleVariable(to: Rewriting, target: ts.Expression): void {
  if (ts.isIdentifier(target) && to.survey.moduleVariables.has(target.text) && !isShadowed(target))
    to.refuse(
      target,
      `a thread writes the module's variable ${target.text}, of which each real thread has its own; ` +
        'keep it in an object of one thread, or in shared memory',
    );
}

/** Whether a function around the name declares the same name. */
function isShadowed(node: ts.Identifier): boolean {
  for (let around: ts.Node = node.parent; !ts.isSourceFile(around); around = around.parent) {
    let found = false;
    const visit = (child: ts.Node): void => {
      if ((ts.isVariableDeclaration(child) || ts.isParameter(child)) && ts.isIdentifier(child.name))
        found ||= child.name.text === node.text;
      if (!ts.isFunctionLike(child)) ts.forEachChild(child, visit);
    };
    ts.forEachChild(around, visit);
    if (found) return true;
  }
  return false;
}

/** A value that is read from end to end by the language itself, between whose elements nothing can stop. */
function whole(to: Rewriting, node: ts.Expression, mode: Mode): string {
  const inner = { ...mode, inside: 'a spread, a pattern or a for…of' };
  return `$.alone(${to.visit(node, mode)}, ${to.site(node, KIND.read, inner)})`;
}

function forOf(to: Rewriting, node: ts.ForOfStatement, mode: Mode): string {
  if (node.awaitModifier !== undefined && mode.threaded) to.refuse(node, 'uses for await');
  const head = to.source.text.slice(node.getStart(to.source), node.initializer.getStart(to.source));
  const body = to.visit(node.statement, mode);
  return `${head}${to.visit(node.initializer, mode)} of ${whole(to, node.expression, mode)}) ${body}`;
}

function awaited(to: Rewriting, node: ts.AwaitExpression, mode: Mode): string {
  const site = to.site(node, KIND.pause, mode);
  const inner = bare(node.expression);
  const value =
    ts.isCallExpression(inner) && atomicsOf(inner.expression) === undefined
      ? rewriteCall(to, inner, mode, true)
      : to.visit(node.expression, mode);
  return mode.temps.use(
    1,
    (name) => `(${name} = ${value}, $.pending(${name}, ${site}) ? (yield 2) : $.worth(${name}))`,
  );
}

const isNothing = (node: ts.Statement): boolean =>
  ts.isEmptyStatement(node) || (ts.isBlock(node) && node.statements.length === 0);

const isEmptyLoop = (node: ts.Node): node is ts.WhileStatement | ts.ForStatement | ts.DoStatement =>
  (ts.isWhileStatement(node) || ts.isForStatement(node) || ts.isDoStatement(node)) &&
  isNothing(node.statement);

/** A loop that only looks spins: it goes on when what it looked at has changed. */
function emptyLoop(
  to: Rewriting,
  node: ts.WhileStatement | ts.ForStatement | ts.DoStatement,
  mode: Mode,
): string {
  const pause = `{ $.pause(${to.site(node, KIND.pause, mode)}); yield 0; }`;
  if (ts.isDoStatement(node))
    return `do {} while (${to.visit(node.expression, mode)} && (${pause.slice(2, -3).replace(';', ',')}, true));`;
  const text = to.copy(node, mode);
  const body = node.statement.getText(to.source);
  return `${text.slice(0, text.length - body.length)}${pause}`;
}
