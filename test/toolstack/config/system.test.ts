import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { kib, mib, ms, ns, us } from '../../../src/base/units.ts';
import { loadSystem } from '../../../src/toolstack/config/system.ts';
import { known, refusal, Systems, type Edit } from './systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

const dts = 'system.dts';
const media = 'domains/media.cfg';
const marked: Edit = [dts, 'gpu: gpu@c000000 {', 'gpu: gpu@c000000 { xen,coproc;'];
const noChosen: Edit = [dts, /\t\tcoprocessors \{[^]*?\n\t\t\};/, ''];

describe('a system', () => {
  it('describes a board: two shared coprocessors and four domains', () => {
    const folder = systems.board();
    const system = loadSystem(folder, known);
    expect(system.model).toBe('Covisor cockpit reference board');
    const [gpu, dsp] = system.coprocs;
    expect(gpu).toMatchObject({
      id: 'gpu0',
      path: '/soc@100000000/gpu@c000000',
      compatible: 'covisor,tile-gpu',
      scheduler: { name: 'round-robin', parameters: {} },
      timeslice: us(2000),
      stopDeadline: ms(40),
      localMemory: mib(1),
      clock: 800e6,
      registers: { base: 0x1_0c00_0000, size: 0x1000 },
      interrupts: [32 + 96],
      streamId: 1,
      costs: { switchBandwidth: 4e9, dmaBandwidth: 8e9, interruptLatency: ns(2000) },
    });
    expect(dsp).toMatchObject({ id: 'dsp0', timeslice: us(1000), localMemory: kib(512), clock: 600e6 });
    expect(system.domains).toMatchObject([
      { name: 'assist', memory: mib(16), coprocs: [{ coproc: 'gpu0', firmware: 'infer' }], takes: [] },
      {
        name: 'camera',
        memory: mib(32),
        coprocs: [{ coproc: 'dsp0', firmware: 'vision' }],
        takes: ['image/png'],
      },
      { name: 'cluster', memory: mib(32), coprocs: [{ coproc: 'gpu0', firmware: 'render' }], takes: [] },
      {
        name: 'media',
        memory: mib(32),
        coprocs: [{ coproc: 'dsp0', firmware: 'jpeg' }],
        takes: ['image/jpeg'],
      },
    ]);
    expect(system.domains.map(({ kernel }) => kernel)).toContain(join(folder, 'guests/media.ts'));
    expect(system.dom0).toBeUndefined();
    expect(system.warnings).toEqual([]);
  });

  it('reads the cockpit example: gpu0 and dsp0, two domains on each', () => {
    const system = loadSystem(systems.cockpit(), known);
    const shares = system.domains.flatMap(({ name, coprocs }) =>
      coprocs.map(({ coproc }) => `${name}/${coproc}`),
    );
    expect(system.coprocs.map(({ id }) => id)).toEqual(['gpu0', 'dsp0']);
    expect(shares).toEqual(['assist/gpu0', 'camera/dsp0', 'cluster/gpu0', 'media/dsp0']);
    expect(system.warnings).toEqual([]);
  });

  it('takes a compiled guest where the source is not shipped', () => {
    const folder = systems.board();
    renameSync(join(folder, 'guests/media.ts'), join(folder, 'guests/media.js'));
    const kernels = loadSystem(folder, known).domains.map(({ kernel }) => kernel);
    expect(kernels).toContain(join(folder, 'guests/media.js'));
    expect(kernels).toContain(join(folder, 'guests/camera.ts'));
  });

  it.each(['guests/media', 'guests/media.js', '../guests/media.ts'])('finds the guest as %s', (kernel) => {
    const folder = systems.board([media, 'guests/media.ts', kernel]);
    const found = loadSystem(folder, known).domains.find(({ name }) => name === 'media');
    expect(found?.kernel).toBe(join(folder, 'guests/media.ts'));
  });

  it('shares a device that is only marked xen,coproc, with the defaults', () => {
    const system = loadSystem(
      systems.board(
        noChosen,
        marked,
        [dts, 'dsp: dsp@', 'dsp0: dsp@'],
        [dts, 'dsp@c100000 {', 'dsp0@c100000 { xen,coproc;'],
        ['domains/cluster.cfg', '"gpu0', '"gpu'],
        ['domains/assist.cfg', '"gpu0', '"/soc@100000000/gpu@c000000'],
      ),
      known,
    );
    expect(system.coprocs).toMatchObject([
      { id: 'gpu', scheduler: { name: 'round-robin' }, timeslice: us(5000), stopDeadline: ms(640) },
      { id: 'dsp0' },
    ]);
    expect(system.domains[0]?.coprocs[0]?.coproc).toBe('gpu');
  });

  it('lets the entry speak for a device that is marked as well', () => {
    expect(loadSystem(systems.board(marked), known).coprocs).toMatchObject([{ id: 'gpu0' }, { id: 'dsp0' }]);
  });

  it('accepts windows that touch', () => {
    const folder = systems.board(
      [dts, '<0x0c100000 0x1000>', '<0x0c001000 0x1000>'],
      [dts, '<0x09000000 0x1000>', '<0x0c002000 0x1000>'],
    );
    expect(loadSystem(folder, known).coprocs).toHaveLength(2);
  });

  it('hands parameters to the scheduler and the vcoproc, numbers as numbers', () => {
    const folder = systems.board(
      [
        dts,
        'scheduler = "round-robin";',
        'scheduler = "credit"; scheduler-ratelimit-us = <300>; scheduler-mode = "fair";',
      ],
      [media, 'firmware=jpeg', 'weight=512 , firmware = jpeg, class=batch, share=0.5'],
      [
        dts,
        'stop-deadline-us = <40000>',
        'stop-deadline-us = <40000>; deny-retry-limit = <9>; command-timeout-us = <70000>',
      ],
    );
    const system = loadSystem(folder, known);
    expect(system.coprocs[0]).toMatchObject({
      scheduler: { name: 'credit', parameters: { 'ratelimit-us': 300, mode: 'fair' } },
      denyRetryLimit: 9,
      commandTimeout: ms(70),
    });
    expect(system.domains.find(({ name }) => name === 'media')?.coprocs[0]?.parameters).toEqual({
      weight: 512,
      class: 'batch',
      share: 0.5,
    });
  });

  it('reads dom0 from the system file', () => {
    const dom0 =
      'chosen {\n dom0 { kernel = "guests/media.ts"; memory = <8>; coproc = "gpu0, firmware=noop", "dsp0, firmware=noop"; extra = "a=1"; };';
    const system = loadSystem(
      systems.board([dts, 'chosen {\n\t\tbootargs = "console=ttyAMA0";', dom0]),
      known,
    );
    expect(system.dom0).toMatchObject({ name: 'dom0', memory: mib(8), extra: 'a=1' });
    expect(system.dom0?.coprocs.map(({ coproc }) => coproc)).toEqual(['gpu0', 'dsp0']);
    expect(system.domains).toHaveLength(4);
  });

  it('leaves settings of xl aside that mean nothing here, with a warning', () => {
    const folder = systems.board([
      media,
      'memory = 32',
      'memory = 32; vcpus = 2\ndisk = [ "phy:/dev/sda,xvda,w" ]',
    ]);
    expect(loadSystem(folder, known).warnings).toMatchObject([
      { file: join(folder, media), line: 4, column: 14, what: expect.stringContaining('vcpus') },
      { line: 5, column: 1, what: expect.stringContaining('disk') },
    ]);
  });

  it('takes firmware from a file of its own', () => {
    const folder = systems.board([media, 'firmware=jpeg', 'firmware=own.wasm']);
    systems.write(folder, 'own.wasm', '');
    const found = loadSystem(folder, known).domains.find(({ name }) => name === 'media');
    expect(found?.coprocs[0]?.firmware).toBe(join(folder, 'own.wasm'));
  });
});

describe('a wrong system is refused in one line', () => {
  const cases: readonly (readonly [what: string, edits: readonly Edit[], line: string])[] = [
    // The system file.
    [
      'a scheduler that is not known',
      [[dts, '"round-robin"', '"round-robbin"']],
      'system.dts:29:17: unknown scheduler "round-robbin"; expected one of round-robin, credit; did you mean round-robin?',
    ],
    [
      'a platform that is not known',
      [[dts, '"covisor,tile-gpu"', '"covisor,tilegpu"']],
      'system.dts:121:17: no platform is known for "covisor,tilegpu"; expected one of covisor,tile-gpu, covisor,media-dsp; did you mean covisor,tile-gpu?',
    ],
    [
      'a label that is not there',
      [[dts, '<&gpu>', '<&gpo>']],
      'system.dts:27:15: reference "gpo" leads nowhere; expected a label or path of this tree; did you mean gpu?',
    ],
    [
      'a syntax error',
      [[dts, 'timeslice-us = <2000>', 'timeslice-us = <2000']],
      `system.dts:30:25: ";" is out of place; expected a number, a reference, an expression in parentheses or '>'`,
    ],
    [
      'a missing semicolon',
      [[dts, 'device = <&gpu>;', 'device = <&gpu>']],
      `system.dts:29:5: "scheduler" is out of place; expected ';' after property device`,
    ],
    [
      'a time slice of zero',
      [[dts, '<2000>', '<0>']],
      'system.dts:30:21: timeslice-us = 0 is impossible; expected 10 to 60000000',
    ],
    [
      'a negative time slice',
      [[dts, '<2000>', '<(-1)>']],
      'system.dts:30:21: timeslice-us = 4294967295 is impossible; expected 10 to 60000000',
    ],
    [
      'two numbers for one',
      [[dts, 'timeslice-us = <2000>', 'timeslice-us = <1 2 3>']],
      'system.dts:30:21: timeslice-us is not one number; expected timeslice-us = <number>',
    ],
    [
      'text for a number',
      [[dts, '<2000>', '"2000"']],
      'system.dts:30:20: timeslice-us is not a list of cells; expected numbers, as in <1 2>',
    ],
    [
      'a number for text',
      [[dts, 'scheduler = "round-robin"', 'scheduler = <1>']],
      'system.dts:29:18: scheduler is not text; expected a string in double quotes',
    ],
    [
      'an unknown property of an entry',
      [[dts, 'timeslice-us = <2000>', 'timeslice = <2000>']],
      'system.dts:30:5: coprocessor gpu0 has the unknown property timeslice; expected one of device, platform, scheduler, timeslice-us, stop-deadline-us, command-timeout-us, deny-retry-limit, reset-deadline-us, heartbeat-us, verify-local-memory, on-fault, ban-faults, ban-window-us, restarts, restart-window-us, scheduler-...; did you mean timeslice-us?',
    ],
    [
      'an unknown property of ours',
      [[dts, 'covisor,local-memory = <(1024', 'covisor,local-mem = <(1024']],
      'system.dts:129:4: gpu@c000000 has the unknown property covisor,local-mem; expected one of covisor,local-memory, covisor,switch-bandwidth-mbps, covisor,dma-bandwidth-mbps, covisor,interrupt-latency-ns; did you mean covisor,local-memory?',
    ],
    [
      'local memory in no whole pages',
      [[dts, '(1024 * 1024)', '100000']],
      'system.dts:129:28: covisor,local-memory = 100000 is not whole pages; expected a multiple of 65536 (64 KiB)',
    ],
    [
      'a clock that stands',
      [[dts, '<800000000>', '<0>']],
      'system.dts:127:23: clock-frequency = 0 is impossible; expected 1000 to 100000000000',
    ],
    [
      'windows that overlap',
      [[dts, '<0x0c100000 0x1000>', '<0x0c000800 0x1000>']],
      'system.dts:139:11: reg of /soc@100000000/dsp@c100000 overlaps that of /soc@100000000/gpu@c000000; expected addresses outside 0x10c000000 to 0x10c000fff',
    ],
    [
      'a window over another device',
      [[dts, '<0x0c100000 0x1000>', '<0x09000000 0x1000>']],
      'system.dts:139:11: reg of /soc@100000000/dsp@c100000 overlaps that of /soc@100000000/serial@9000000; expected addresses outside 0x109000000 to 0x109000fff',
    ],
    [
      'a window without size',
      [[dts, '<0x0c000000 0x1000>', '<0x0c000000 0>']],
      'system.dts:123:11: reg of gpu@c000000 has the size 0; expected a size in bytes',
    ],
    [
      'a window of half an entry',
      [[dts, '<0x0c000000 0x1000>', '<0x0c000000>']],
      'system.dts:123:11: reg has 1 cells; expected a multiple of 2, by #address-cells and #size-cells',
    ],
    [
      'a window outside its bus',
      [[dts, '<0x0c000000 0x1000>', '<0x4c000000 0x1000>']],
      'system.dts:123:4: reg of gpu@c000000 lies outside the ranges of bus soc@100000000; expected an address inside one of them',
    ],
    [
      'a device that is off',
      [[dts, 'gpu: gpu@c000000 {', 'gpu: gpu@c000000 { status = "disabled";']],
      'system.dts:120:31: /soc@100000000/gpu@c000000 is to be shared, but its status is "disabled"; expected "okay"',
    ],
    [
      'a device shared twice',
      [[dts, '<&dsp>', '<&gpu>']],
      'system.dts:36:15: /soc@100000000/gpu@c000000 is shared as gpu0 already; expected another device',
    ],
    [
      'an identifier given twice',
      [[dts, '\t\t\tdsp0 {', '\t\t\tgpu0 {']],
      'system.dts:35:4: node gpu0 is given twice; expected each node once in its parent; a second "/ { ... };" may add to it',
    ],
    [
      'an entry without device',
      [[dts, 'device = <&gpu>;', '']],
      'system.dts:26:4: coprocessor gpu0 has no device; expected device = <&label>',
    ],
    [
      'a device by a path that is no node',
      [[dts, '<&gpu>', '"/soc@100000000/gpu"']],
      'system.dts:27:14: device "/soc@100000000/gpu" is not in the tree; expected the whole path of a node; did you mean /soc@100000000?',
    ],
    [
      'a device by an empty path',
      [[dts, '<&gpu>', '""']],
      'system.dts:27:14: device "" is not in the tree; expected the whole path of a node; did you mean /?',
    ],
    [
      'a stream that belongs to another',
      [[dts, '<&smmu 2>', '<&smmu 1>']],
      'system.dts:141:14: /soc@100000000/dsp@c100000 has the IOMMU stream of /soc@100000000/gpu@c000000; expected a stream of its own',
    ],
    [
      'an IOMMU that is none',
      [[dts, '<&smmu 2>', '<&uart0 2>']],
      'system.dts:141:14: iommus refers to /soc@100000000/serial@9000000; expected a node with #iommu-cells',
    ],
    [
      'no coprocessors at all',
      [noChosen],
      'system.dts:1:1: this system shares no coprocessor; expected an entry in /chosen/coprocessors, or a device marked xen,coproc',
    ],
    [
      'a list that is not ours',
      [[dts, 'covisor,shared-coprocessors', 'xen,coprocs']],
      'system.dts:24:17: /chosen/coprocessors is not marked as ours; expected compatible = "covisor,shared-coprocessors"',
    ],
    [
      'a line for the preprocessor',
      [[dts, '/dts-v1/;', '/dts-v1/;\n#include <dt-bindings/gpio.h>']],
      'system.dts:2:1: #include is a line for the C preprocessor; expected plain device tree source: run the C preprocessor first, or use /include/ "file"',
    ],
    [
      'an include of nothing',
      [[dts, '/dts-v1/;', '/dts-v1/;\n/include/ "soc.dtsi"']],
      'system.dts:2:11: soc.dtsi does not exist; expected a readable file',
    ],
    [
      'an overlay',
      [[dts, '/dts-v1/;', '/dts-v1/;\n/plugin/;']],
      'system.dts:2:1: /plugin/ makes this an overlay; expected a whole tree: apply the overlay to its base first, with fdtoverlay',
    ],
    // Domain files.
    [
      'a firmware that is not known',
      [[media, 'firmware=jpeg', 'firmware=jpg']],
      'domains/media.cfg:6:12: unknown firmware "jpg"; expected one of render, infer, jpeg, vision, noop; did you mean jpeg?',
    ],
    [
      'a firmware file that is not there',
      [[media, 'firmware=jpeg', 'firmware=own.wasm']],
      'domains/media.cfg:6:12: firmware "own.wasm" does not exist; expected a file below $',
    ],
    [
      'a coprocessor that is not known',
      [[media, 'dsp0', 'dsp']],
      'domains/media.cfg:6:12: unknown coprocessor "dsp"; expected one of gpu0, dsp0; did you mean dsp0?',
    ],
    [
      'an empty coprocessor',
      [[media, '"dsp0, firmware=jpeg"', '""']],
      'domains/media.cfg:6:12: unknown coprocessor ""; expected one of gpu0, dsp0',
    ],
    [
      'a coprocessor without firmware',
      [[media, ', firmware=jpeg', '']],
      'domains/media.cfg:6:12: dsp0 is asked for without firmware; expected "dsp0, firmware=NAME"',
    ],
    [
      'a coprocessor listed twice',
      [[media, '"dsp0, firmware=jpeg"', '"dsp0, firmware=jpeg", "dsp0, firmware=vision"']],
      'domains/media.cfg:6:35: coprocessor dsp0 is listed twice; expected each once in a domain',
    ],
    [
      'a domain name that is taken',
      [[media, 'name = "media"', 'name = "camera"']],
      'domains/media.cfg:3:1: domain name camera is taken; expected another than at domains/camera.cfg:4:1',
    ],
    [
      'a domain name that is no folder',
      [[media, '"media"', '"../media"']],
      `domains/media.cfg:3:8: "../media" is no name of a domain; expected letters, digits, '.', '-' and '_', 64 at most`,
    ],
    [
      'no name',
      [[media, 'name = "media"', '']],
      'domains/media.cfg:1:1: this domain has no name; expected name = "NAME"',
    ],
    [
      'a setting that is not known',
      [[media, 'memory =', 'memery =']],
      'domains/media.cfg:4:1: unknown setting memery; expected one of name, memory, kernel, coproc, on_fault, extra, takes; did you mean memory?',
    ],
    [
      'a setting given twice',
      [[media, 'memory = 32', 'memory = 32; memory = 16']],
      'domains/media.cfg:4:14: memory is set twice; expected it once, or += to add to a list',
    ],
    [
      'no memory',
      [[media, '32', '0']],
      'domains/media.cfg:4:10: memory = 0 is impossible; expected 1 to 4095 MiB',
    ],
    [
      'more memory than 32 bits reach',
      [[media, '32', '0x1000']],
      'domains/media.cfg:4:10: memory = 4096 is impossible; expected 1 to 4095 MiB',
    ],
    [
      'memory in words',
      [[media, '32', '"much"']],
      'domains/media.cfg:4:10: memory = "much" is impossible; expected 1 to 4095 MiB',
    ],
    [
      'a guest that is not there',
      [[media, 'guests/media.ts', 'guests/medium.ts']],
      'domains/media.cfg:5:10: kernel "guests/medium.ts" does not exist; expected guests/medium.ts or guests/medium.js below $',
    ],
    [
      'a list that does not end',
      [[media, / \]\n\n#[^]*/, '']],
      "domains/media.cfg:6:10: this list does not end; expected ']'",
    ],
    [
      'a kind of input that is none',
      [[media, 'image/jpeg"', 'jpeg"']],
      'domains/media.cfg:9:11: "jpeg" is no kind of input; expected a media type such as "image/png"',
    ],
  ];

  it.each(cases)('%s', (_, edits, line) => {
    const folder = systems.board(...edits);
    expect(refusal(folder)[0]).toBe(line.replace('$', folder));
  });

  it('a folder that is not there', () => {
    expect(refusal('/nowhere/at/all')).toEqual([
      '/nowhere/at/all:1:1: this folder does not exist; expected a folder with system.dts and domains/*.cfg',
    ]);
  });

  it('a folder without system.dts', () => {
    const folder = systems.board();
    rmSync(join(folder, 'system.dts'));
    expect(refusal(folder)).toEqual(['system.dts:1:1: this file does not exist; expected a readable file']);
  });

  it('a system without domains', () => {
    const folder = systems.board();
    rmSync(join(folder, 'domains'), { recursive: true });
    expect(refusal(folder)).toEqual([
      'domains:1:1: there is no domain in this system; expected domains/*.cfg beside system.dts',
    ]);
  });

  it('an include that comes back to itself', () => {
    const folder = systems.board([dts, '/dts-v1/;', '/dts-v1/;\n/include/ "a.dtsi"']);
    systems.write(folder, 'a.dtsi', '\n/include/ "system.dts"');
    expect(refusal(folder)).toEqual([
      `a.dtsi:2:1: "${folder}/system.dts" includes itself; expected includes without a cycle`.replace(
        `${folder}/`,
        '',
      ),
    ]);
  });

  it('all that is wrong at once, each on its line', () => {
    const folder = systems.board(
      [dts, '"round-robin"', '"fair"'],
      [dts, '<800000000>', '<1>'],
      [media, 'memory = 32', 'memory = 0'],
      [media, 'jpeg"', 'jpg"'],
      ['domains/camera.cfg', 'name = "camera"', 'name = camera'],
    );
    expect(refusal(folder).map((line) => line.slice(0, line.indexOf(' ')))).toEqual([
      'domains/camera.cfg:4:8:',
      'system.dts:29:17:',
      'system.dts:127:23:',
      'domains/media.cfg:4:10:',
      'domains/media.cfg:6:12:',
    ]);
  });
});
