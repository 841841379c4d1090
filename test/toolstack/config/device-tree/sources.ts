import fc from 'fast-check';

const names = ['a', 'b', 'c@1', 'c@10', 'd@0', 'e-f'];
const propertyNames = ['p', 'q', 'reg-names', '#x-cells', 'v,w', 'compat'];
const labels = ['l0', 'l1', 'l2', 'l3', 'l4', 'l5'];

const number = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }).map(String),
  fc.integer({ min: 0, max: 0xffffffff }).map((value) => `0x${value.toString(16)}`),
  fc.integer({ min: 0, max: 0o777777 }).map((value) => `0${value.toString(8)}`),
);

const operators = '+ - * / % << >> & | ^ && || == != < > <= >='.split(' ');
const expression = fc.letrec<{ whole: string; part: string }>((tie) => ({
  part: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.integer({ min: 0, max: 70 }).map(String),
    number,
    tie('whole').map((text) => `(${text})`),
  ),
  whole: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('part'),
    fc.tuple(tie('part'), fc.constantFrom(...operators), tie('part')).map((parts) => parts.join(' ')),
    fc
      .tuple(
        tie('part'),
        fc.constantFrom(...operators),
        tie('part'),
        fc.constantFrom(...operators),
        tie('part'),
      )
      .map((parts) => parts.join(' ')),
    fc.tuple(fc.constantFrom('-', '~', '!'), tie('part')).map((parts) => parts.join('')),
    fc.tuple(tie('part'), tie('part'), tie('part')).map(([a, b, c]) => `${a} ? ${b} : ${c}`),
  ),
})).whole;

/** An expression whose value fits any cell, as most would not. */
const cellExpression = expression.map((text) => `((${text}) & 0xffffffff)`);

/** Replaced by n0, n1 and so on in the finished source: no label is given twice. */
const NEW_LABEL = 'NEW: ';
const deleteNode = (name: string): string => `/delete-node/ ${name};`;

const reference = fc.oneof(
  fc.constantFrom(...labels, ...labels, 'n0', 'n1').map((label) => `&${label}`),
  fc.constantFrom(...names).map((name) => `&{/${name}}`),
);

const text = fc
  .array(
    fc.constantFrom('x', ' ', ';', '{', '/*', '//', '\\n', '\\"', '\\\\', '\\x7f', '\\101', '\\0', '\xe9'),
  )
  .map((parts) => `"${parts.join('')}"`);

const element = fc.oneof(
  fc
    .array(fc.oneof({ weight: 4, arbitrary: number }, { weight: 2, arbitrary: cellExpression }, reference))
    .map((cells) => `<${cells.join(' ')}>`),
  text,
  fc.uint8Array({ maxLength: 5 }).map((bytes) => `[${Buffer.from(bytes).toString('hex')}]`),
  reference,
  fc
    .tuple(fc.constantFrom(8, 16, 32, 64), fc.array(fc.integer({ min: 0, max: 255 })))
    .map(([bits, values]) => `/bits/ ${bits} <${values.join(' ')}>`),
);

const property = fc
  .array(element, { maxLength: 3 })
  .map((elements) => (name: string) => `${name}${elements.length === 0 ? '' : ` = ${elements.join(', ')}`};`);

const propertyStatement = fc.oneof(
  { weight: 6, arbitrary: property },
  { weight: 1, arbitrary: fc.constant((name: string) => `/delete-property/ ${name};`) },
);

// Each name once in a body: where a body says something twice, dtc and we differ in when we look.
const properties = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...propertyNames), propertyStatement), {
    maxLength: 4,
    selector: ([name]) => name,
  })
  .map((lines) => lines.map(([name, line]) => line(name)).join('\n'));

/** A body whose nodes nest at most `depth` levels. */
const body = (depth: number): fc.Arbitrary<string> => {
  const nodes = fc.uniqueArray(fc.tuple(fc.constantFrom(...names), node(depth)), {
    maxLength: depth === 0 ? 0 : 3,
    selector: ([name]) => name,
  });
  return fc
    .tuple(properties, nodes)
    .map(([own, below]) => `{\n${own}\n${below.map(([name, text]) => text(name)).join('\n')}\n};`);
};

const node = (depth: number): fc.Arbitrary<(name: string) => string> =>
  depth === 0
    ? fc.constant(deleteNode)
    : fc.oneof(
        {
          weight: 8,
          arbitrary: fc
            .tuple(
              fc.constantFrom('', '', '', '/omit-if-no-ref/ '),
              fc.constantFrom('', '', NEW_LABEL),
              body(depth - 1),
            )
            .map(
              ([omit, label, inside]) =>
                (name: string) =>
                  `${omit}${label}${name} ${inside}`,
            ),
        },
        { weight: 1, arbitrary: fc.constant(deleteNode) },
      );

const statement = fc.oneof(
  { weight: 3, arbitrary: body(2).map((inside) => `/ ${inside}`) },
  { weight: 3, arbitrary: fc.tuple(reference, body(1)).map(([target, inside]) => `${target} ${inside}`) },
  { weight: 1, arbitrary: reference.map((target) => `/delete-node/ ${target};`) },
  { weight: 1, arbitrary: reference.map((target) => `/omit-if-no-ref/ ${target};`) },
);

/** A root that has a node for every label, so that most references lead somewhere, then statements on it. */
const ground = `/ {\n${names.map((name, index) => `l${index}: ${name} { p = <${index}>; inner { q; }; };`).join('\n')}\n};`;

/** Device tree sources: about half of them right, the others with references to nothing. */
export const sources = fc.array(statement, { maxLength: 5 }).map((statements) => {
  let label = 0;
  const text = ['/dts-v1/;', ground, ...statements].join('\n');
  return text.replaceAll(NEW_LABEL, () => `n${label++}: `);
});
