import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { connected, until } from './staying.ts';
import { FIRST_COME, SYSTEM, Systems, covisor, guest } from './systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

const ENGINE = readFileSync(
  new URL('../../src/toolstack/template/platforms/engine.js', import.meta.url),
  'utf8',
);
const SOCKET = systems.path('c.sock');
/** Reads the fence where only this platform has it. */
const COUNTS = guest(`
  const gpu = domain.coproc('gpu0');
  for (let n = 0; n < 3; n++) await gpu.submit({ op: 1, args: [n] });
  if (gpu.registers.read(16) !== 2) throw new Error('the fence is at ' + gpu.registers.read(16));`);
const OWN = {
  'system.dts': SYSTEM.replace(
    'scheduler = "round-robin";',
    'platform = "./platforms/engine.mjs"; scheduler = "./schedulers/first.mjs";',
  ),
  'platforms/engine.mjs': ENGINE,
  'schedulers/first.mjs': `export default ${FIRST_COME};\n`,
  'guests/left.js': COUNTS,
  'guests/right.js': COUNTS,
};

describe('a system that stays', () => {
  test('runs on the platform and by the scheduler that its own files make', async () => {
    const up = covisor(['up', systems.make(OWN), '--socket', SOCKET]);
    const system = await connected(SOCKET, up);
    await until(async () => (await system.list()).every(({ state }) => state !== 'running'));
    expect((await system.list()).map(({ name, state }) => [name, state])).toEqual([
      ['left', 'finished'],
      ['right', 'finished'],
    ]);
    expect(await system.coprocs()).toMatchObject([
      { id: 'gpu0', platform: 'example,engine', scheduler: 'first', faults: [] },
    ]);
    expect(await covisor(['down', '--socket', SOCKET])).toMatchObject({ code: 0, stderr: '' });
    expect(await up).toMatchObject({ code: 0 });
  });

  test.each(['platforms/engine.mjs', 'schedulers/first.mjs'])(
    'does not start without what %s should be, and says where it is named',
    async (file) => {
      const folder = systems.make({ ...OWN, [file]: 'export default 1;\n' });
      const { code, stdout, stderr } = await covisor(['up', folder, '--socket', SOCKET]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^[^\n]*system\.dts:9:\d+: the module [^\n]*\n$/);
      expect(stderr).toContain(`${file} is no ${file.slice(0, file.indexOf('s/'))}`);
    },
  );
});
