import { describe, test } from 'vitest';
import { Iommu } from '../../src/memory/iommu.ts';
import { checksOf } from './iommu-checks.ts';

describe('an IOMMU', () => {
  test.each(Object.entries(checksOf(Iommu)))('%s', (_sentence, check) => check());
});
