/** Records that nobody should have written: every value of a head, every array's shape, step and values. */

import { readdirSync, readFileSync } from 'node:fs';
import { deflateSync, inflateSync } from 'node:zlib';
import { beforeEach, expect, test } from 'vitest';
import { InspectionMount } from '../src/inspect/registry.js';
import { readPacked } from '../src/protocol/arrays.js';
import { countOf } from '../src/protocol/checks.js';
import type { InspectionPayload } from '../src/protocol/inspection.js';
import { readPlayground } from '../src/protocol/playground.js';
import { type RecordPayload, readRecord } from '../src/protocol/record.js';
import { readTuning } from '../src/protocol/tuning.js';
import { Strip } from '../src/strip/strip.js';
import { ticks } from '../src/tuning/lossChart.js';
import { Tuning } from '../src/tuning/tuningView.js';

type Json = Record<string, unknown>;
const GOLDEN: Record<string, InspectionPayload> = JSON.parse(
  readFileSync('../tests/golden/inside-1.json', 'utf8'),
);
const ODD = [
  null,
  true,
  -1,
  0,
  1.5,
  2 ** 53,
  1e308,
  -1e38,
  '',
  'x',
  '__proto__',
  [],
  {},
  [null],
  [[]],
  [1e9],
  { a: 1 },
];
const SHAPES = [[1e9, 0], [0, 1e9], [0], [-1], [1.5], ['x'], [], 'x', null, [1e9, 1e9], [[2]], [2 ** 53]];
const STEPS = [0, -1, 1e308, null, 'x', 1e-300];
const SLOW_MS = 3000;

let element: HTMLElement;
beforeEach(() => {
  document.body.replaceChildren();
  element = document.createElement('div');
  document.body.append(element);
});

/** A packed record with another head. */
function changed(data: string, change: (head: Json) => void, bytes = (rest: Buffer) => rest): string {
  const whole = inflateSync(Buffer.from(data, 'base64'));
  const size = whole.readUInt32LE(0);
  const head = JSON.parse(whole.subarray(4, 4 + size).toString());
  change(head);
  const text = Buffer.from(JSON.stringify(head));
  const first = Buffer.alloc(4);
  first.writeUInt32LE(text.length);
  return deflateSync(Buffer.concat([first, text, bytes(whole.subarray(4 + size))])).toString('base64');
}

/** Every place in a value, three levels deep. */
function* places(value: unknown, path: (string | number)[] = []): Generator<(string | number)[]> {
  if (typeof value !== 'object' || !value || path.length > 3) return;
  for (const key of Object.keys(value).slice(0, 4)) {
    yield [...path, key];
    yield* places((value as Json)[key], [...path, key]);
  }
}

function put(root: Json, path: (string | number)[], value: unknown): void {
  let at = root as Json;
  for (const key of path.slice(0, -1)) at = at[key] as Json;
  Object.defineProperty(at, path.at(-1)!, { value, enumerable: true, configurable: true, writable: true });
}

async function draws(payload: InspectionPayload): Promise<void> {
  const began = performance.now();
  const opened = new InspectionMount(element, () => 'text');
  await opened.show(payload, { ask: () => {} });
  expect(element.childNodes.length).toBeGreaterThan(0);
  expect(element.querySelector('script,img,iframe')).toBeNull();
  opened.dispose();
  expect(performance.now() - began).toBeLessThan(SLOW_MS);
}

test.each(Object.keys(GOLDEN))(
  '%s with odd values in its head',
  async name => {
    const payload = GOLDEN[name]!;
    let head: Json = {};
    changed(payload.data!, item => {
      head = item;
    });
    for (const path of places(head))
      for (const odd of ODD)
        await draws({ ...payload, data: changed(payload.data!, item => put(item, path, odd)) });
  },
  240_000,
);

test.each(Object.keys(GOLDEN))(
  '%s with odd arrays',
  async name => {
    const payload = GOLDEN[name]!;
    let count = 0;
    changed(payload.data!, head => {
      count = (head.arrays as unknown[]).length;
    });
    for (let n = 0; n < count; n++) {
      const array = (change: (one: unknown[]) => void) =>
        draws({ ...payload, data: changed(payload.data!, head => change((head.arrays as unknown[][])[n]!)) });
      for (const shape of SHAPES) await array(one => one.splice(3, 1, shape));
      for (const step of STEPS) await array(one => one.splice(2, 1, step));
      for (const kind of ['u1', 'f8', 'x', null]) await array(one => one.splice(1, 1, kind));
      await array(one => one.splice(0, 1, 'other'));
    }
    for (const byte of [0, 0xff, 0x7f, 0x80])
      await draws({
        ...payload,
        data: changed(
          payload.data!,
          () => {},
          rest => Buffer.alloc(rest.length, byte),
        ),
      });
  },
  240_000,
);

const ANSWERS: RecordPayload[] = readdirSync('../tests/golden')
  .filter(name => name.startsWith('schema-'))
  .flatMap(name => Object.values(JSON.parse(readFileSync(`../tests/golden/${name}`, 'utf8')).bundle ?? {}))
  .filter((item): item is RecordPayload => typeof item === 'object');

test('there are answers to change', () => expect(ANSWERS.length).toBeGreaterThan(0));

test('answers with odd values in their heads', async () => {
  for (const payload of ANSWERS.filter(item => (item.schema ?? 1) > 1)) {
    let head: Json = {};
    changed(payload.data!, item => {
      head = item;
    });
    for (const path of places(head))
      for (const odd of ODD) {
        const began = performance.now();
        const record = await readRecord({
          ...payload,
          data: changed(payload.data!, item => put(item, path, odd)),
        }).catch((error: Error) => error.message);
        if (typeof record === 'string') expect(record).toMatch(/^This record/);
        else new Strip(record, element).dispose();
        expect(performance.now() - began).toBeLessThan(SLOW_MS);
      }
  }
}, 240_000);

test('what an answer claims is bounded before it is made', async () => {
  const payload = ANSWERS.find(item => (item.schema ?? 1) > 1)!;
  const words = { 4000000000: 'x' };
  const record = await readRecord({
    ...payload,
    data: changed(payload.data!, head => put(head, ['prompt_words'], words)),
  });
  expect(record.prompt_texts.length).toBeLessThan(1000);
  const branch = { parent: 0, at: 0, tokens: 0, text: '', stop_reason: 'stop', options: {} };
  const chain = Array.from({ length: 4000 }, (_, n) => ({ ...branch, parent: n }));
  for (const branches of [
    chain,
    [{ ...branch, at: '0); import os' }],
    [{ ...branch, parent: 5 }],
    [{ ...branch, at: 1e9 }],
  ])
    await expect(
      readRecord({ ...payload, data: changed(payload.data!, head => put(head, ['branches'], branches)) }),
    ).rejects.toThrow(/can't be read/);
  const bomb = deflateSync(Buffer.alloc(300 << 20)).toString('base64');
  await expect(readRecord({ ...payload, data: bomb })).rejects.toThrow('more than 64 MB');
  await expect(readPacked(bomb)).rejects.toThrow('more than 256 MB');
}, 60_000);

test('shapes', () => {
  expect(countOf('a', [3, 4])).toBe(12);
  expect(countOf('a', [12, 0])).toBe(0);
  for (const shape of [[1e9, 0], [-1], [0.5], 'x', null, [1e9, 1e9]])
    expect(() => countOf('a', shape)).toThrow();
});

test('a chart of numbers that are too large for steps', () => {
  for (const [low, high] of [
    [1e17, 1e17 + 16],
    [0, 1e308],
    [-1e308, 1e308],
    [0, 5e-324],
    [-1, Number.POSITIVE_INFINITY],
  ])
    expect(ticks(low!, high!).length).toBeLessThan(20);
});

const RUN = {
  id: 'a',
  loss: [
    [1, 2],
    [1e17, 1e17 + 16],
  ],
  held_out: [[1], [2]],
  prompts: [],
  state: 'done',
};
test('tuning records with odd values', () => {
  const prompts = [
    { prompt: 'p', before: ['x'], after: [{ step: 1, strength: 1, text: [['x', 0]], lost: [] }] },
  ];
  const whole: Json = { ...RUN, prompts, plan: { reason: 'r' }, model: { name: 'm' }, weights: [1, 2] };
  for (const path of places(whole))
    for (const odd of ODD) {
      const record = structuredClone(whole);
      put(record, path, odd);
      const began = performance.now();
      new Tuning(readTuning(record), element, {}).dispose();
      expect(performance.now() - began).toBeLessThan(SLOW_MS);
    }
}, 120_000);

test('conversations with odd values are read or left out', () => {
  const whole: Json = {
    id: 'p',
    model: 'm',
    settings: { temperature: 1, top_k: 3 },
    system: 's',
    raw: false,
    turns: [{ asked: 'a', live: '', failed: '', path: 0, fork: null, kept: null }],
    loading: { what: 'w', share: 0.5 },
    failed: '',
  };
  for (const path of places(whole))
    for (const odd of [...ODD, Number.NaN]) {
      const data = structuredClone(whole);
      put(data, path, odd);
      const state = readPlayground(data);
      expect(typeof state.id).toBe('string');
      expect(Object.values(state.settings).every(Number.isFinite)).toBe(true);
      expect(state.turns.every(turn => typeof turn.asked === 'string' && Number.isInteger(turn.path))).toBe(
        true,
      );
    }
  expect(readPlayground({ turns: Array(1e5).fill({}) }).turns.length).toBe(200);
});
