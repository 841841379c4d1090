import { describe, expect, it } from 'vitest';
import {
  interrupts,
  regions,
  specifiers,
  whyUnusable,
} from '../../../../src/toolstack/config/device-tree/bus.ts';
import { parseDeviceTree } from '../../../../src/toolstack/config/device-tree/read.ts';
import {
  cells,
  nodeAt,
  string,
  strings,
  type DeviceNode,
  type DeviceProperty,
  type DeviceTree,
} from '../../../../src/toolstack/config/device-tree/tree.ts';
import { ConfigurationError } from '../../../../src/toolstack/config/problem.ts';
import { Source } from '../../../../src/toolstack/config/source.ts';

const parse = (body: string): DeviceTree => parseDeviceTree(new Source('/board.dts', `/dts-v1/;\n${body}`));
const node = (tree: DeviceTree, path: string): DeviceNode => nodeAt(tree, path)!;
const property = (value: string): DeviceProperty => parse(`/ { p = ${value}; };`).root.properties.get('p')!;

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('a device tree', () => {
  it('finds a node by its whole path only', () => {
    const tree = parse('/ { soc { gpu@1 { a; }; gpu@10 { b; }; }; };');
    expect(nodeAt(tree, '/soc/gpu@1')?.properties.has('a')).toBe(true);
    for (const path of ['', 'soc', '/soc/gpu', '/soc/gpu@', '/so', '/soc/', '//soc', '/soc/gpu@1/']) {
      expect(nodeAt(tree, path), path).toBeUndefined();
    }
    expect(nodeAt(tree, '/')).toBe(tree.root);
  });

  it('reads cells, strings and one string, and refuses the others', () => {
    expect(cells(property('<1 0xffffffff>, <3>'))).toEqual([1, 0xffffffff, 3]);
    expect(cells(property('[00 00 01 02]'))).toEqual([258]);
    expect(cells(property('/bits/ 64 <1>'))).toEqual([0, 1]);
    expect(strings(property('"a", "b\xc3\xa9"'))).toEqual(['a', 'bé']);
    expect(string(property('"a"'))).toBe('a');
    expect(refusal(() => cells(property('"four"')))).toContain('p is not a list of cells');
    expect(refusal(() => cells(property('[00 01]')))).toContain('p is not a list of cells');
    expect(refusal(() => strings(property('<1>')))).toContain('p is not text');
    expect(refusal(() => strings(property('[41]')))).toContain('p is not text');
    expect(refusal(() => string(property('"a", "b"')))).toContain(
      '/board.dts:2:14: p has more than one string',
    );
  });

  it('gives a phandle to whatever a cell refers to, and keeps those that are given', () => {
    const tree = parse('/ { u = <&c &a &b &c>; a: a { phandle = <2>; }; b: b { }; c: c { }; };');
    expect(cells(tree.root.properties.get('u')!)).toEqual([1, 2, 3, 1]);
    expect(tree.phandles.get(3)?.path).toBe('/b');
    expect(tree.labels.get('a')?.path).toBe('/a');
  });

  it('forgets the labels of a node that was deleted, even when it comes back', () => {
    const tree = parse('/ { l: a { }; };\n/delete-node/ &l;\n/ { a { }; l: b { }; };');
    expect(nodeAt(tree, '/a')?.labels).toEqual([]);
    expect(tree.labels.get('l')?.path).toBe('/b');
  });

  it('follows line directives to the file that the preprocessor read', () => {
    const text = '# 1 "board.dts"\n/ {\n# 40 "soc.dtsi" 1\n\ta = <&nothing>;\n# 3 "board.dts" 2\n};';
    expect(refusal(() => parse(text))).toMatch(/^\/soc\.dtsi:40:7: /);
  });

  it('reports every reference that leads nowhere', () => {
    const lines = refusal(() => parse('/ { a = <&gpo>, &{/h};\n b = &gpuu; gpu: g { }; };')).split('\n');
    expect(lines).toEqual([
      '/board.dts:2:10: reference "gpo" leads nowhere; expected a label or path of this tree; did you mean gpu?',
      '/board.dts:2:17: reference "/h" leads nowhere; expected a label or path of this tree',
      '/board.dts:3:6: reference "gpuu" leads nowhere; expected a label or path of this tree; did you mean gpu?',
    ]);
  });

  it.each([
    ['/ { a; a; };', '2:8: property a is given twice'],
    ['/ { a {}; a {}; };', '2:11: node a is given twice'],
    ['/ { a {}; b; };', '2:11: property b stands after a child node'],
    ['/ { l: a {}; l: b {}; };', '2:17: label l is given to two nodes'],
    ['/ { a = <1 };', '2:12: "}" is out of place'],
    ['/ { a = /bits/ 12 <1>; };', '2:9: /bits/ is given with no width that exists'],
    ['/ { a = /bits/ 8 <256>; };', '2:19: 256 does not fit'],
    ['/ { a = /bits/ 16 <&b>; b: b {}; };', '2:20: a reference stands among 16-bit values'],
    ['/ { a = <0x100000000>; };', '2:10: 4294967296 does not fit'],
    ['/ { a = <(1 / 0)>; };', '2:13: this divides by zero'],
    ['/ { a = <089>; };', '2:10: "089" is not octal'],
    ["/ { a = <'ab'>; };", '2:10: a character literal holds 2 characters'],
    ['/ { a = [1]; };', '2:10: "1" is out of place'],
    ['/ { a = "x', '2:9: this string does not end'],
    ['/ { /* ', '2:5: this comment does not end'],
    ['/ { a { }; }', "2:13: the end of the file is out of place; expected ';'"],
    ['&gone { };', '2:1: reference "gone" leads nowhere'],
    ['/ { }; /delete-node/ &gone;', '2:22: reference "gone" leads nowhere'],
    ['/ { a@1@2 { }; };', "2:5: node name a@1@2 has more than one '@'"],
    ['/ { a { phandle = <1>; }; b { phandle = <1>; }; };', '2:31: phandle 1 is that of /a already'],
    ['/ { a { phandle = <0>; }; };', '2:9: phandle is no phandle'],
    ['/ { a { name = "b"; }; };', '2:9: property name is not the name of its node'],
    ['/ { a = /incbin/("gone"); };', '2:18: /gone does not exist'],
    ['#define X 1\n/ { };', '2:1: #define is a line for the C preprocessor'],
    ['  #if 1\n/ { };', '2:3: #if is a line for the C preprocessor'],
    ['', "2:1: the end of the file is out of place; expected the root node, '/ { ... };'"],
  ])('refuses %j', (text, line) => {
    expect(refusal(() => parse(text)).split('\n')[0]).toContain(`/board.dts:${line}`);
  });

  it('takes a property whose name begins like a line of the preprocessor', () => {
    expect([
      ...parse('/ {\n#if-cells = <1>;\n#include-x;\n#define = <2>;\n};').root.properties.keys(),
    ]).toEqual(['#if-cells', '#include-x', '#define']);
  });

  it('refuses what does not begin with /dts-v1/', () => {
    expect(refusal(() => parseDeviceTree(new Source('/board.dts', '/ { };')))).toContain(
      "expected '/dts-v1/;'",
    );
  });
});

describe('a bus', () => {
  const board = parse(`/ {
    #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;
    outer {
      #address-cells = <1>; #size-cells = <1>; ranges = <0 0x1 0 0x10000>, <0x80000000 0x2 0x80000000 0x1000>;
      inner {
        #address-cells = <1>; #size-cells = <1>; ranges = <0x100 0x8000 0x100>;
        deep@180 { reg = <0x180 0x10>; interrupts = <0 5 4>, <1 5 4>; };
        across@1f8 { reg = <0x1f8 0x10>; };
      };
      same { #address-cells = <1>; #size-cells = <1>; ranges; d@80000010 { reg = <0x80000010 0x10 0x20 4>; }; };
      closed { #address-cells = <1>; #size-cells = <0>; d@1 { reg = <1>; }; };
      closed2 { #address-cells = <1>; #size-cells = <1>; d@1 { reg = <1 1>; }; };
      gic: gic { #interrupt-cells = <3>; };
      pic: pic { #interrupt-cells = <1>; };
    };
    wide@100000000 { reg = <1 0 2 0>; interrupts-extended = <&pic 7>, <&gic 0 8 4>; };
    far { reg = <0xffffffff 0 1 0>; };
    off { status = "disabled"; };
    loop: loop { interrupt-parent = <&loop>; interrupts = <1>; };
  };`);
  const at = (path: string): DeviceNode => node(board, path);

  it('translates addresses through every ranges on the way up', () => {
    expect(regions(at('/outer/inner/deep@180'))).toEqual([{ base: 0x1_0000_8080, size: 0x10 }]);
    expect(regions(at('/outer/same/d@80000010'))).toEqual([
      { base: 0x2_8000_0010, size: 0x10 },
      { base: 0x1_0000_0020, size: 4 },
    ]);
    expect(regions(at('/wide@100000000'))).toEqual([{ base: 2 ** 32, size: 2 ** 33 }]);
  });

  it('refuses addresses that the processors cannot reach', () => {
    expect(refusal(() => regions(at('/outer/inner/across@1f8')))).toContain(
      'lies outside the ranges of bus inner',
    );
    expect(refusal(() => regions(at('/outer/closed2/d@1')))).toContain('bus closed2 has no ranges');
    expect(refusal(() => regions(at('/outer/closed/d@1')))).toContain('has the size 0');
    expect(refusal(() => regions(at('/far')))).toContain('lies beyond every address');
  });

  it('numbers interrupts as their controller does', () => {
    expect(interrupts(board, at('/outer/inner/deep@180'))).toEqual([37, 21]);
    expect(interrupts(board, at('/wide@100000000'))).toEqual([7, 40]);
    expect(interrupts(board, at('/off'))).toEqual([]);
    expect(refusal(() => interrupts(board, at('/loop')))).toContain('has interrupts but no interrupt-parent');
  });

  it('refuses specifiers that are too short or lead to no such node', () => {
    const tree = parse('/ { s = <&a 1>; t = <&b>; u = <77>; a: a { #x-cells = <2>; }; b: b {}; };');
    const list = (name: string) => (): unknown =>
      specifiers(tree, tree.root.properties.get(name)!, '#x-cells');
    expect(refusal(list('s'))).toContain('s has 1 cells after /a; expected 2');
    expect(refusal(list('t'))).toContain('t refers to /b; expected a node with #x-cells');
    expect(refusal(list('u'))).toContain('u refers to phandle 77, which no node has');
  });

  it('says why a device is not usable', () => {
    expect(whyUnusable(at('/off'))).toBe('disabled');
    expect(whyUnusable(at('/outer'))).toBeUndefined();
  });
});
