import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { explore } from '../../../src/explore/races/explore.ts';
import { loadScenarios } from '../../../src/explore/races/load.ts';

const modules = ['ring', 'doorbell', 'iotlb', 'window'];
const loaded = await Promise.all(
  modules.map((name) => loadScenarios(fileURLToPath(new URL(`scenarios/${name}.ts`, import.meta.url)))),
);

describe.each(modules.map((name, at) => ({ name, scenarios: loaded[at]! })))('$name', ({ scenarios }) => {
  test.each(scenarios)('$name: no order fails', (one) => {
    const found = explore(one);
    expect(found.failure?.what).toBeUndefined();
    expect(found.complete).toBe(true);
  });
});
