/** The parts of an error of this package, read from what Jupyter keeps of it. Twin: llm_magics/errors.py. */

import { visible } from '../ui/format.js';

/** The classes of errors that have a view of their own; all others are shown by the host. */
export const ERRORS = new Set([
  'ClusterError',
  'ContextOverflow',
  'FetchError',
  'GatedModel',
  'IncompleteAnswer',
  'Interrupted',
  'LLMMagicsError',
  'MemoryNeeded',
  'ModelFileError',
  'ModelNotFound',
  'ServerError',
  'StoreError',
  'TemplateError',
  'UnsupportedModel',
  'UsageError',
]);

export interface ErrorText {
  name: string;
  what: string;
  why: string;
  hints: string[];
  /** The address of the page about this kind of error; empty where there is none. */
  url: string;
}

/** An error output of a notebook; undefined for an error of other code. */
export function readError(output: unknown): ErrorText | undefined {
  const { ename, evalue, traceback } = (output ?? {}) as Record<string, unknown>;
  if (typeof ename !== 'string' || !ERRORS.has(ename) || typeof evalue !== 'string') return undefined;
  const what: string[] = [];
  const why: string[] = [];
  const hints: string[] = [];
  for (const line of evalue.split('\n'))
    if (line.startsWith('  → ')) hints.push(visible(line.slice(4)));
    else if (line.startsWith('  ')) why.push(visible(line.trim()));
    else what.push(visible(line));
  // A traceback with frames is one of Python's: the error was raised outside of a magic, and they are wanted.
  const shown = Array.isArray(traceback) ? traceback.join('\n') : '';
  if (shown.includes('Traceback (most recent call last)')) return undefined;
  const url = /^ {2}(https:\/\/github\.com\/open-llm-magics\/\S+)$/m.exec(shown)?.[1] ?? '';
  return { name: ename, what: what.join(' '), why: why.join(' '), hints, url };
}

/** One part of what an error counts, such as the memory of the weights. */
export interface Amount {
  name: string;
  value: number;
}

/** What an error counts, and how much of it there is; undefined where it counts nothing. */
export function amounts({ what, why }: ErrorText): { parts: Amount[]; limit: number } | undefined {
  const limit = amount(
    /and (\S+ [MG]B) are free/.exec(what)?.[1] ?? /and (\S+) of \S+ are free/.exec(what)?.[1],
  );
  const parts = why.split(' · ').map(part => {
    const [, name = '', value] = /^(.*?) ([\d.,]+(?: [MG]B| tokens)?)$/.exec(part) ?? [];
    return { name, value: amount(value) };
  });
  return limit > 0 && parts.every(part => part.value >= 0) ? { parts, limit } : undefined;
}

function amount(text: string | undefined): number {
  const [, digits, unit] = /^([\d.,]+)(?: (MB|GB|tokens))?$/.exec(text ?? '') ?? [];
  if (!digits) return Number.NaN;
  return Number(digits.replaceAll(',', '')) * (unit === 'GB' ? 1000 : 1);
}

/** A hint in pieces: those that are code, to be copied, and the words around them. */
export function pieces(hint: string): { text: string; code: boolean }[] {
  const code =
    /`([^`]+)`|(%{1,2}(?:llm(?:_tune)?|config|load_ext)\b(?:(?! to | for )[^.;,:?])*)|((?<![\w-])--?[a-z][\w-]*)/gi;
  const result: { text: string; code: boolean }[] = [];
  let at = 0;
  for (const match of hint.matchAll(code)) {
    if (match.index > at) result.push({ text: hint.slice(at, match.index), code: false });
    result.push({ text: (match[1] ?? match[2] ?? match[3] ?? '').trimEnd(), code: true });
    at = match.index + match[0].trimEnd().length;
  }
  if (at < hint.length) result.push({ text: hint.slice(at), code: false });
  return result;
}
