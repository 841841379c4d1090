import fc from 'fast-check';

/**
 * Random structured programs, with what they compute and how many instructions they execute: the oracle
 * for metering. A program works on four i32 locals and a global, and every one of them ends.
 */
export type Expression =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'local'; readonly local: number }
  | { readonly kind: 'add' | 'sub' | 'xor'; readonly left: Expression; readonly right: Expression }
  /** An `if` that gives a value. */
  | {
      readonly kind: 'either';
      readonly condition: Expression;
      readonly yes: Expression;
      readonly no: Expression;
    }
  | { readonly kind: 'call' | 'indirect'; readonly argument: Expression };

export type Statement =
  | { readonly kind: 'set'; readonly local: number; readonly value: Expression }
  | { readonly kind: 'global'; readonly value: Expression }
  | { readonly kind: 'if'; readonly condition: Expression; readonly yes: Program; readonly no: Program }
  | { readonly kind: 'loop'; readonly times: number; readonly body: Program }
  /** Leaves the innermost block when its condition holds. */
  | { readonly kind: 'block'; readonly body: Program; readonly leave: Expression; readonly rest: Program }
  | {
      readonly kind: 'switch';
      readonly value: Expression;
      readonly arms: readonly [Program, Program, Program];
    }
  | { readonly kind: 'return'; readonly condition: Expression }
  | { readonly kind: 'fill'; readonly bytes: number };

export type Program = readonly Statement[];

const local = fc.nat(3);
const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'expression' },
    fc.record({ kind: fc.constant('constant' as const), value: fc.integer() }),
    fc.record({ kind: fc.constant('local' as const), local }),
    fc.record({
      kind: fc.constantFrom('add' as const, 'sub' as const, 'xor' as const),
      left: tie('expression'),
      right: tie('expression'),
    }),
    fc.record({
      kind: fc.constant('either' as const),
      condition: tie('expression'),
      yes: tie('expression'),
      no: tie('expression'),
    }),
    fc.record({ kind: fc.constantFrom('call' as const, 'indirect' as const), argument: tie('expression') }),
  ),
}));

export const { program } = fc.letrec<{ program: Program; statement: Statement }>((tie) => ({
  program: fc.array(tie('statement'), { maxLength: 4, depthIdentifier: 'statement' }),
  statement: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'statement' },
    fc.record({ kind: fc.constant('set' as const), local, value: expression }),
    fc.record({ kind: fc.constant('global' as const), value: expression }),
    fc.record({ kind: fc.constant('return' as const), condition: expression }),
    fc.record({ kind: fc.constant('fill' as const), bytes: fc.nat(500) }),
    fc.record({
      kind: fc.constant('if' as const),
      condition: expression,
      yes: tie('program'),
      no: tie('program'),
    }),
    fc.record({ kind: fc.constant('loop' as const), times: fc.nat(5), body: tie('program') }),
    fc.record({
      kind: fc.constant('block' as const),
      body: tie('program'),
      leave: expression,
      rest: tie('program'),
    }),
    fc.record({
      kind: fc.constant('switch' as const),
      value: expression,
      arms: fc.tuple(tie('program'), tie('program'), tie('program')),
    }),
  ),
}));

/** `(func $program)`: its result is a hash of the locals and the global `$g`; counters are locals 4 to 11. */
export function programWat(body: Program): string {
  return `
    (type $t (func (param i32) (result i32)))
    (table 1 funcref) (elem (i32.const 0) $twice)
    (global $g (mut i32) (i32.const 0))
    (func $twice (param i32) (result i32)
      local.get 0 i32.const 0 i32.lt_s if local.get 0 return end local.get 0 i32.const 1 i32.shl)
    (func $program (result i32) (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
      ${statementsWat(body, 4)}
      local.get 0 local.get 1 i32.add local.get 2 i32.add local.get 3 i32.add)`;
}

const statementsWat = (body: Program, counter: number): string =>
  body.map((statement) => statementWat(statement, counter)).join('\n');

function statementWat(statement: Statement, counter: number): string {
  switch (statement.kind) {
    case 'set':
      return `${expressionWat(statement.value)} local.set ${statement.local}`;
    case 'global':
      return `${expressionWat(statement.value)} global.set $g`;
    case 'return':
      return `${expressionWat(statement.condition)} if local.get 0 return end`;
    case 'fill':
      return `i32.const 1024 i32.const 1 i32.const ${statement.bytes} memory.fill`;
    case 'if':
      return `${expressionWat(statement.condition)} if ${statementsWat(statement.yes, counter)} ${
        statement.no.length === 0 ? '' : `else ${statementsWat(statement.no, counter)}`
      } end`;
    case 'loop':
      return `i32.const ${statement.times} local.set ${counter}
        block loop local.get ${counter} i32.eqz br_if 1
          local.get ${counter} i32.const 1 i32.sub local.set ${counter}
          ${statementsWat(statement.body, counter + 1)} br 0
        end end`;
    case 'block':
      return `block ${statementsWat(statement.body, counter)} ${expressionWat(statement.leave)} br_if 0
        ${statementsWat(statement.rest, counter)} nop end`;
    case 'switch': {
      const [first, second, third] = statement.arms.map((arm) => statementsWat(arm, counter));
      return `block block block ${expressionWat(statement.value)} br_table 0 1 2 end
        ${first} br 1 end ${second} end ${third}`;
    }
  }
}

function expressionWat(expression: Expression): string {
  switch (expression.kind) {
    case 'constant':
      return `i32.const ${expression.value}`;
    case 'local':
      return `local.get ${expression.local}`;
    case 'either':
      return `${expressionWat(expression.condition)} if (result i32) ${expressionWat(expression.yes)} else ${expressionWat(expression.no)} end`;
    case 'call':
      return `${expressionWat(expression.argument)} call $twice`;
    case 'indirect':
      return `${expressionWat(expression.argument)} i32.const 0 call_indirect (type $t)`;
    default:
      return `${expressionWat(expression.left)} ${expressionWat(expression.right)} i32.${expression.kind}`;
  }
}

/** Interprets a program, and counts a unit for each instruction but block, loop, else, end and nop. */
export function interpret(body: Program): { result: number; instructions: number } {
  const locals = [0, 0, 0, 0];
  let instructions = 0;

  const evaluate = (expression: Expression): number => {
    switch (expression.kind) {
      case 'constant':
        instructions++;
        return expression.value;
      case 'local':
        instructions++;
        return locals[expression.local]!;
      case 'either': {
        const condition = evaluate(expression.condition);
        instructions++;
        return evaluate(condition === 0 ? expression.no : expression.yes);
      }
      case 'call':
      case 'indirect': {
        const argument = evaluate(expression.argument);
        // The call, with its table index when it is indirect; then the callee's own instructions.
        instructions += expression.kind === 'call' ? 1 : 2;
        instructions += argument < 0 ? 6 : 7;
        return argument < 0 ? argument : argument << 1;
      }
      default: {
        const left = evaluate(expression.left);
        const right = evaluate(expression.right);
        instructions++;
        if (expression.kind === 'add') return (left + right) | 0;
        return expression.kind === 'sub' ? (left - right) | 0 : left ^ right;
      }
    }
  };

  /** True when the program has returned. */
  const run = (statements: Program): boolean => statements.some(execute);

  const execute = (statement: Statement): boolean => {
    switch (statement.kind) {
      case 'set':
        locals[statement.local] = evaluate(statement.value);
        instructions++;
        return false;
      case 'global':
        evaluate(statement.value);
        instructions++;
        return false;
      case 'return': {
        const condition = evaluate(statement.condition);
        instructions++;
        if (condition === 0) return false;
        instructions += 2;
        return true;
      }
      case 'fill':
        instructions += 4 + (statement.bytes >>> 4);
        return false;
      case 'if': {
        const condition = evaluate(statement.condition);
        instructions++;
        return run(condition === 0 ? statement.no : statement.yes);
      }
      case 'loop':
        instructions += 2;
        for (let left = statement.times; left > 0; left--) {
          instructions += 3 + 4;
          if (run(statement.body)) return true;
          instructions++;
        }
        instructions += 3;
        return false;
      case 'block': {
        if (run(statement.body)) return true;
        const leave = evaluate(statement.leave);
        instructions++;
        return leave === 0 && run(statement.rest);
      }
      case 'switch': {
        const [first, second, third] = statement.arms;
        const value = evaluate(statement.value) >>> 0;
        instructions++;
        if (value === 0) {
          if (run(first)) return true;
          instructions++;
        } else if (value === 1 && run(second)) return true;
        return run(third);
      }
    }
  };

  if (run(body)) return { result: locals[0]!, instructions };
  instructions += 7;
  return { result: locals.reduce((sum, value) => (sum + value) | 0, 0), instructions };
}
