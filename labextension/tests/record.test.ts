import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { RecordError } from '../src/protocol/checks.js';
import { unpack } from '../src/protocol/columns.js';
import { pathTokens, type RecordPayload, readRecord } from '../src/protocol/record.js';
import type { Token } from '../src/protocol/token.js';

const GOLDEN = '../tests/golden';
const MIME = 'application/vnd.llm-magics.generation+json';

const row = (token: Token) => [
  token.id,
  token.text,
  token.logprob,
  token.rank,
  token.alternatives.map(other => other.id),
];

for (const name of readdirSync(GOLDEN).filter(item => item.startsWith('schema'))) {
  test(`${name} reads as in Python`, async () => {
    const golden = JSON.parse(readFileSync(`${GOLDEN}/${name}`, 'utf8'));
    const record = await readRecord(golden.bundle[MIME]);
    expect(record.tokens.map(row)).toEqual(golden.tokens);
    expect([record.text, record.stop_reason]).toEqual([golden.text, golden.stop_reason]);
    expect(record.model.fingerprint).toBe(golden.fingerprint);
    expect(record.vocab_size).toBe(golden.vocab_size);
    const pieces = [...record.pieces].map(([id, data]) => [String(id), Buffer.from(data).toString('hex')]);
    expect(Object.fromEntries(pieces)).toEqual(golden.pieces);
    const times = record.tokens.map(token => token.time);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    if (golden.dice)
      expect(record.tokens.map(token => [token.u ?? null, token.log_total])).toEqual(golden.dice);
    if (golden.paths) {
      expect(record.prompt_texts).toEqual(golden.prompt_texts);
      expect(record.prompt_texts.join('')).toBe(record.prompt);
      expect(Object.fromEntries(record.specials)).toEqual(golden.specials);
      for (const [n, rows] of golden.paths.entries()) expect(pathTokens(record, n).map(row)).toEqual(rows);
      expect(record.branches.every(branch => branch.timing.decode_tokens_per_s > 0)).toBe(true);
    }
  });
}

test('a later schema says so, and damage is one clear error', async () => {
  await expect(readRecord({ schema: 5 })).rejects.toThrow(/has schema 5; this view reads up to 4/);
  for (const payload of [{}, { schema: 2 }, { schema: 2, data: 'AAAA' }, { schema: 2, data: '???' }])
    await expect(readRecord(payload)).rejects.toThrow(RecordError);
  expect(() => unpack(new Uint8Array([200, 0, 0, 0]), [])).toThrow();
});

test('what a grammar allowed is read from a golden record', async () => {
  const golden = JSON.parse(readFileSync('../tests/golden/schema-4.json', 'utf8'));
  const payload = Object.values(golden.bundle).find(item => typeof item === 'object') as RecordPayload;
  const { tokens } = await readRecord(payload);
  const told = tokens.map(token => [
    token.allowed,
    token.log_allowed,
    token.alternatives.map(other => other.banned === true),
  ]);
  expect(told).toEqual(golden.form.tokens);
});
