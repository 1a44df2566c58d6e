/** Numbers as the design has them. Everything that is not finite is "–". */

import type { Token } from '../protocol/token.js';

export function percent(p: number): string {
  const value = 100 * p;
  if (!Number.isFinite(value)) return '–';
  if (value < 0.01) return '<0.01 %';
  if (value >= 99.5) return value >= 99.95 ? '100 %' : `${value.toFixed(1)} %`;
  return `${value.toFixed(value >= 9.95 ? 0 : value >= 0.995 ? 1 : value >= 0.0995 ? 2 : 3)} %`;
}

export function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits).replace('-', '−') : '–';
}

/** "1 token", "3 tokens": the words behind a number. */
export const plural = (value: number, noun: string): string => ` ${noun}${value === 1 ? '' : 's'}`;

/** An error of the kernel: what is wrong, and what to do next. */
export function errorParts(text: string): [what: string, hint: string] {
  const [what = '', ...rest] = text.split('\n');
  return [visible(what), visible(rest.map(line => line.replace(/^\s*→?\s*/, '')).join(' '))];
}

export function count(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '–';
}

export function bytes(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value < 1e9) return `${Math.round(value / 1e6)} MB`;
  return `${(value / 1e9).toFixed(value < 1e10 ? 1 : 0)} GB`;
}

export const probability = (logprob: number): number => Math.exp(Math.min(logprob, 0));
/** A share from a record, whatever it is there: from 0 to 1. */
export const shareOf = (value: unknown): number => Math.max(0, Math.min(1, Number(value) || 0));
export const bits = (nats: number): number => Math.max(nats, 0) / Math.LN2;

/** exp(−mean logprob). */
export function perplexity(tokens: readonly Token[]): number {
  return Math.exp(-tokens.reduce((sum, token) => sum + token.logprob, 0) / tokens.length);
}

export function bitsPerByte(tokens: readonly Token[]): number {
  const size = new TextEncoder().encode(tokens.map(token => token.text).join('')).length;
  return tokens.reduce((sum, token) => sum - token.logprob, 0) / Math.LN2 / size;
}

/** Characters that show nothing, or that turn the text around them: they are shown as signs. */
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\u{e0000}|[\u{e0001}-\u{e0fff}]/gu;
/** Half a pair: as text it would be drawn as nothing. */
const LONE = /[\ud800-\udfff]/gu;

/** The text with nothing in it that acts or hides. As long as it was, so that places stay places. */
export function visible(text: string): string {
  return text.replace(LONE, '\ufffd').replace(INVISIBLE, char => '·'.repeat(char.length));
}

/** A token by itself: spaces, breaks and half characters as signs. */
export function tokenWord(text: string): string {
  if (!text) return '▯';
  return visible(
    text
      .replace(/\n/g, '⏎')
      .replace(/\t/g, '⇥')
      .replace(/\ufffd/g, '▯'),
  ).replace(/ /g, '␣');
}

/** "<|im_end|>" → "im_end". */
export function specialWord(text: string): string {
  return visible(text).replace(/^[<[|｜]+|[>\]|｜]+$/g, '') || visible(text);
}
export function ordinal(value: number): string {
  const tens = value % 100;
  const end = tens > 10 && tens < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][value % 10] ?? 'th');
  return `${count(value)}${end}`;
}
export function signed(value: number, digits: number): string {
  return value > 0 ? `+${fixed(value, digits)}` : fixed(value, digits);
}
