import { quote, refuse } from '../problem.ts';
import type { Reader } from './reader.ts';

const LITERAL = /(0[xX][0-9a-fA-F]+|[0-9]+)(?:ULL|UL|LL|U|L)?(?![0-9A-Za-z_])/y;
const OPERATORS = /\|\||&&|<<|>>|<=|>=|==|!=|[|^&<>+\-*/%]/y;
const DEEPEST = 100;

/** C's binary operators, loosest first. */
const LEVELS: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<', '>', '<=', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];

/** A literal, a character or an expression in parentheses, as 64 unsigned bits; undefined if none stands here. */
export function takeInteger(reader: Reader, depth = 0): bigint | undefined {
  const character = reader.takeCharacter();
  if (character !== undefined) return BigInt(character);
  const at = reader.here();
  const literal = reader.take(LITERAL)?.[1];
  if (literal !== undefined) {
    const octal = /^0[0-9]/.test(literal);
    if (octal && /[89]/.test(literal))
      refuse(at, `${quote(literal)} is not octal`, 'expected the digits 0 to 7 after a leading 0');
    // Checked by length first: converting a million digits takes seconds.
    const fits = literal.length <= 64;
    const value = !fits ? -1n : BigInt(octal ? `0o${literal.slice(1)}` : literal);
    if (value !== BigInt.asUintN(64, value))
      refuse(at, `${quote(literal)} does not fit`, 'expected at most 64 bits');
    return value;
  }
  if (!reader.takeText('(')) return undefined;
  const value = conditional(reader, depth + 1);
  reader.expect(')', 'at the end of the expression');
  return value;
}

function conditional(reader: Reader, depth: number): bigint {
  if (depth > DEEPEST)
    refuse(reader.here(), 'this expression nests too deep', `expected at most ${DEEPEST} levels`);
  const condition = binary(reader, 0, depth);
  if (!reader.takeText('?')) return condition;
  const yes = conditional(reader, depth + 1);
  reader.expect(':', "between the two values of '?'");
  const no = conditional(reader, depth + 1);
  return condition !== 0n ? yes : no;
}

function binary(reader: Reader, level: number, depth: number): bigint {
  const operators = LEVELS[level];
  if (operators === undefined) return unary(reader, depth);
  let left = binary(reader, level + 1, depth);
  for (;;) {
    const at = reader.here();
    const operator = operators.find((candidate) => reader.peek(OPERATORS) === candidate);
    if (operator === undefined) return left;
    reader.takeText(operator);
    const right = binary(reader, level + 1, depth);
    if (right === 0n && (operator === '/' || operator === '%')) {
      refuse(at, 'this divides by zero', 'expected a divisor other than 0');
    }
    left = BigInt.asUintN(64, apply(operator, left, right));
  }
}

function unary(reader: Reader, depth: number): bigint {
  if (depth > DEEPEST)
    refuse(reader.here(), 'this expression nests too deep', `expected at most ${DEEPEST} levels`);
  if (reader.takeText('-')) return BigInt.asUintN(64, -unary(reader, depth + 1));
  if (reader.takeText('~')) return BigInt.asUintN(64, ~unary(reader, depth + 1));
  if (reader.takeText('!')) return unary(reader, depth + 1) === 0n ? 1n : 0n;
  return takeInteger(reader, depth) ?? reader.unexpected('expected a number or an expression in parentheses');
}

function apply(operator: string, left: bigint, right: bigint): bigint {
  switch (operator) {
    case '||':
      return left !== 0n || right !== 0n ? 1n : 0n;
    case '&&':
      return left !== 0n && right !== 0n ? 1n : 0n;
    case '|':
      return left | right;
    case '^':
      return left ^ right;
    case '&':
      return left & right;
    case '==':
      return left === right ? 1n : 0n;
    case '!=':
      return left !== right ? 1n : 0n;
    case '<':
      return left < right ? 1n : 0n;
    case '>':
      return left > right ? 1n : 0n;
    case '<=':
      return left <= right ? 1n : 0n;
    case '>=':
      return left >= right ? 1n : 0n;
    // Beyond the width of the word C leaves it open; dtc says 0.
    case '<<':
      return right < 64n ? left << right : 0n;
    case '>>':
      return right < 64n ? left >> right : 0n;
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    default:
      return left % right;
  }
}
