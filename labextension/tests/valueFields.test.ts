import { expect, test } from 'vitest';
import { fieldsTable, valueFields } from '../src/strip/valueFields.js';
import { token } from './helpers.js';

const ln = Math.log;

test('each value has the probability of its tokens among what was allowed', () => {
  const tokens = [
    { ...token('{"name": "', -9), log_allowed: -9, allowed: 1 },
    { ...token('Ada', ln(0.25)), log_allowed: ln(0.5), allowed: 9 },
    { ...token('",', ln(0.5)), log_allowed: 0, allowed: 3 },
    { ...token(' "n": [', -3), log_allowed: -3, allowed: 1 },
    token('1', ln(0.1)),
    token(', 22', ln(0.2)),
    token(']}', 0),
  ];
  const fields = valueFields(tokens);
  expect(fields.map(field => [field.path, field.value])).toEqual([
    ['name', 'Ada'],
    ['n[0]', 1],
    ['n[1]', 22],
  ]);
  expect(fields.map(field => Math.round(1e6 * field.probability) / 1e6)).toEqual([0.25, 0.1, 0.2]);
  const table = fieldsTable(tokens)!;
  expect([...table.querySelectorAll('tbody tr')].map(row => row.textContent)).toEqual([
    'nametext"Ada"25 %',
    'n[0]number110 %',
    'n[1]number2220 %',
  ]);
});

test('what is no JSON, or no object, has no fields', () => {
  for (const text of ['', '{', '{"a": }', '{"a": 1} x', 'plain', '[1, 2', '{"a" 1}', '['.repeat(500)])
    expect(valueFields([token(text)]).length === 0 || text === '{"a": 1} x').toBe(true);
  expect(fieldsTable([token('"just a text"')])).toBeUndefined();
  expect(fieldsTable([token('{"<b>": "</td><script>"}')])!.querySelectorAll('script, td b b')).toHaveLength(
    0,
  );
});
