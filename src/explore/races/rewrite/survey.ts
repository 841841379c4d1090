import ts from 'typescript';

/** What has to be known of a whole file before its first line is rewritten. */
export interface Survey {
  /** Names that are assigned somewhere after they are declared. */
  readonly assigned: ReadonlySet<string>;
  /** Variables of the module itself that can be assigned. */
  readonly moduleVariables: ReadonlySet<string>;
  /** Names that the module takes from outside of the program. */
  readonly foreign: ReadonlySet<string>;
  /** Names that are declared anywhere in the file. */
  readonly declared: ReadonlySet<string>;
}

export function surveyOf(source: ts.SourceFile, isForeign: (specifier: string) => boolean): Survey {
  const assigned = new Set<string>();
  const declared = new Set<string>();
  const moduleVariables = new Set<string>();
  const foreign = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) names(node.left, assigned);
    else if ((ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) && steps(node))
      names(node.operand, assigned);
    else if (
      (ts.isForOfStatement(node) || ts.isForInStatement(node)) &&
      !ts.isVariableDeclarationList(node.initializer)
    )
      names(node.initializer, assigned);
    else if (ts.isImportDeclaration(node)) {
      if (isForeign((node.moduleSpecifier as ts.StringLiteral).text)) imported(node, foreign);
    } else if ((ts.isVariableDeclaration(node) || ts.isParameter(node)) && ts.isIdentifier(node.name)) {
      declared.add(node.name.text);
      // Without a value the declaration is not the last word.
      if (ts.isVariableDeclaration(node) && node.initializer === undefined) assigned.add(node.name.text);
    } else if (ts.isBindingElement(node) && ts.isIdentifier(node.name)) declared.add(node.name.text);
    else if ((ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)) && node.name !== undefined)
      declared.add(node.name.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement) || (statement.declarationList.flags & ts.NodeFlags.Const) !== 0)
      continue;
    for (const { name } of statement.declarationList.declarations) names(name, moduleVariables);
  }
  return { assigned, declared, moduleVariables, foreign };
}

export const isAssignment = (kind: ts.SyntaxKind): boolean =>
  kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;

export const steps = (node: ts.PrefixUnaryExpression | ts.PostfixUnaryExpression): boolean =>
  node.operator === ts.SyntaxKind.PlusPlusToken || node.operator === ts.SyntaxKind.MinusMinusToken;

/** Identifiers that a pattern or a target names. */
function names(node: ts.Node, into: Set<string>): void {
  if (ts.isIdentifier(node)) into.add(node.text);
  else if (!ts.isPropertyAccessExpression(node) && !ts.isElementAccessExpression(node))
    ts.forEachChild(node, (child) => names(child, into));
}

function imported(node: ts.ImportDeclaration, into: Set<string>): void {
  const clause = node.importClause;
  if (clause?.name !== undefined) into.add(clause.name.text);
  const bindings = clause?.namedBindings;
  if (bindings === undefined) return;
  if (ts.isNamespaceImport(bindings)) into.add(bindings.name.text);
  else for (const element of bindings.elements) into.add(element.name.text);
}

/** Globals whose functions neither keep nor read memory that they are given. */
const PURE_GLOBALS: ReadonlySet<string> = new Set([
  ...[
    'Math',
    'Number',
    'BigInt',
    'Boolean',
    'Symbol',
    'Error',
    'RangeError',
    'TypeError',
    'Map',
    'Set',
    'WeakMap',
  ],
  ...['isNaN', 'isFinite', 'parseInt', 'parseFloat'],
]);

/** The name that a call goes to, if it goes to a global object that cannot touch shared memory. */
export const isPureGlobal = (callee: ts.Expression, survey: Survey): boolean => {
  const root = ts.isPropertyAccessExpression(callee) ? callee.expression : callee;
  return ts.isIdentifier(root) && PURE_GLOBALS.has(root.text) && !survey.declared.has(root.text);
};

/** Whether code may touch shared memory, as far as one can see: if not, it needs no second form. */
export function mayTouch(node: ts.Node, survey: Survey, accessors: ReadonlySet<string>): boolean {
  if (ts.isTypeNode(node)) return false;
  if (ts.isElementAccessExpression(node) || ts.isAwaitExpression(node) || ts.isForOfStatement(node))
    return true;
  if (ts.isSpreadElement(node) || ts.isArrayBindingPattern(node)) return true;
  if (ts.isPropertyAccessExpression(node) && accessors.has(node.name.text)) return true;
  // Not memory, but to be looked at: each real thread has its own copy of the module's variables.
  if (ts.isIdentifier(node) && survey.moduleVariables.has(node.text)) return true;
  if (ts.isCallExpression(node) && !isPureGlobal(node.expression, survey)) return true;
  return ts.forEachChild(node, (child) => mayTouch(child, survey, accessors)) === true;
}
