import { expect, test } from 'vitest';
import { queues } from '../../bench/soak/queues.ts';

test('no command of many queues is lost, doubled, torn or foreign, whatever is done to the queues', async () => {
  expect(await queues(7, 20_000)).toMatchObject({ commands: 20_000 });
});
