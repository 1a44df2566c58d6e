import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { percent } from '../src/ui/format.js';

const CASES: [number | null, string][] = JSON.parse(readFileSync('../tests/golden/percent.json', 'utf8'));

test.each(CASES)('percent of %s is %s, as in Python', (p, text) => {
  expect(percent(p ?? Number.NaN)).toBe(text);
});
