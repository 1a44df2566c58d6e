/** A stub host that loses buffers, messages, or the beginning. */

import { expect, test } from 'vitest';
import type { KernelMessage, ViewMessage } from '../src/protocol/messages.js';
import { StreamStore } from '../src/protocol/streams.js';

/** Bytes of core/token_columns.py for tokens without alternatives. */
function packed(texts: string[], first: number): [Uint8Array, Uint8Array] {
  const n = texts.length;
  const ids = texts.map((_, k) => first + k + 1);
  const words = texts;
  const lengths = {
    id: n,
    logprob: n,
    entropy: n,
    rank: n,
    count: n,
    prompt: 0,
    word: n,
    other: 0,
    other_logprob: 0,
  };
  const head = new TextEncoder().encode(JSON.stringify({ lengths, words, texts: {}, other_texts: {} }));
  const planes = (values: number[], width: number) => {
    const out = new Uint8Array(values.length * width);
    values.forEach((value, k) => {
      for (let p = 0; p < width; p++) out[p * values.length + k] = (value >>> (8 * p)) & 255;
    });
    return out;
  };
  const steps = ids.map((id, k) => id - (ids[k - 1] ?? 0));
  const parts = [
    planes(ids, 4),
    new Uint8Array(8 * n),
    planes(
      ids.map(() => 0),
      2,
    ),
    planes(
      ids.map(() => 0),
      4,
    ),
    new Uint8Array(n),
    planes(steps, 4),
  ];
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, head.length, true);
  return [
    new Uint8Array([...size, ...head, ...parts.flatMap(part => [...part])]),
    planes(
      ids.map(() => 1000),
      4,
    ),
  ];
}

const tokensMessage = (texts: string[], from: number): [KernelMessage, [Uint8Array, Uint8Array]] => [
  { type: 'tokens', id: 'a', from, most: 9 },
  packed(texts, from),
];

function host() {
  const orders: ViewMessage[] = [];
  const answers = new StreamStore({ send: order => orders.push(order) });
  const text = () =>
    answers
      .stream('a')
      .tokens.map(token => token.text)
      .join('');
  return { orders, answers, text };
}

const FORMS: Record<string, (data: Uint8Array) => DataView | ArrayBuffer | Uint8Array> = {
  Uint8Array: data => data,
  ArrayBuffer: data => data.slice().buffer as ArrayBuffer,
  DataView: data => {
    const room = new Uint8Array(data.length + 8);
    room.set(data, 3);
    return new DataView(room.buffer, 3, data.length);
  },
};

for (const [name, form] of Object.entries(FORMS))
  test(`buffers as ${name}`, () => {
    const { answers, text } = host();
    let calls = 0;
    answers.listen('a', () => calls++);
    for (const [message, data] of [tokensMessage(['The', ' cat'], 0), tokensMessage([' sat'], 2)])
      answers.onMessage(message, data.map(form));
    expect([text(), calls]).toEqual(['The cat sat', 2]);
    expect(answers.stream('a').tokens.map(token => Math.round(token.time * 1e6))).toEqual([1000, 2000, 3000]);
  });

test('a host that loses buffers is sent text', () => {
  const { answers, orders, text } = host();
  const [message, data] = tokensMessage(['The', ' cat'], 0);
  answers.onMessage(message, undefined);
  expect(orders).toEqual([{ type: 'stream.resend', id: 'a', from: 0, text: true }]);
  const base64 = data.map(item => btoa(String.fromCharCode(...item)));
  answers.onMessage({ ...(message as object), data: base64 } as KernelMessage, undefined);
  expect(text()).toBe('The cat');
});

test('a host that loses a message: what is missing is asked for, once more is no harm', () => {
  const { answers, orders, text } = host();
  const parts = [tokensMessage(['The'], 0), tokensMessage([' cat'], 1), tokensMessage([' sat'], 2)] as const;
  answers.onMessage(...parts[0]);
  answers.onMessage(...parts[2]);
  expect(text()).toBe('The');
  expect(orders).toEqual([{ type: 'stream.resend', id: 'a', from: 1, text: false }]);
  answers.onMessage(...tokensMessage([' cat', ' sat'], 1));
  answers.onMessage(...parts[1]);
  answers.onMessage(...parts[2]);
  expect(text()).toBe('The cat sat');
});

test('a page that comes in the middle shows what comes, then the whole', () => {
  const { answers, orders, text } = host();
  answers.onMessage(...tokensMessage([' sat'], 2));
  expect([text(), answers.stream('a').from]).toEqual([' sat', 2]);
  expect(orders).toEqual([{ type: 'stream.resend', id: 'a', from: 0, text: false }]);
  answers.onMessage(...tokensMessage(['The', ' cat', ' sat'], 0));
  expect([text(), answers.stream('a').from]).toEqual(['The cat sat', 0]);
});
