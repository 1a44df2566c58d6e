/** A conversation as a file: written as Markdown or JSON, and read again from JSON. */

import type { PlaygroundState } from '../protocol/playground.js';
import { type GenerationRecord, pathTokens } from '../protocol/record.js';
import { h } from '../ui/dom.js';

const MOST_FILE = 64 << 20; // bytes of a file that is read

/** The text of the branch that is looked at. */
export const answerText = (record: GenerationRecord | undefined, path: number): string =>
  record
    ? pathTokens(record, path)
        .map(token => token.text)
        .join('') || record.text
    : '';

/** The conversation as Markdown: prompts as quotes, answers as they are. */
export function asMarkdown(
  state: PlaygroundState,
  answers: readonly string[],
  models: readonly string[],
): string {
  const parts = ['# Conversation', ''];
  if (state.system) parts.push(`*System:* ${state.system}`, '');
  for (const [n, turn] of state.turns.entries()) {
    parts.push(...turn.asked.split('\n').map(line => `> ${line}`), '');
    parts.push(`**${models[n] || state.model || 'Model'}**`, '', answers[n] ?? '', '');
  }
  return parts.join('\n');
}

export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h('a', { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Have the user choose a file, and give the object in it. */
export function chooseFile(taken: (saved: object) => void, failed: (what: string) => void): void {
  const field = h('input', { type: 'file', accept: '.json,application/json' });
  field.addEventListener('change', () => void readFile(field.files?.[0], taken, failed));
  field.click();
}

export async function readFile(
  file: Blob | undefined,
  taken: (saved: object) => void,
  failed: (what: string) => void,
): Promise<void> {
  if (!file) return;
  if (file.size > MOST_FILE) return failed('This file is too large for a conversation.');
  try {
    const saved: unknown = JSON.parse(await file.text());
    if (typeof saved !== 'object' || !saved || !Array.isArray((saved as { turns?: unknown }).turns))
      return failed('This file holds no conversation.\nChoose a file that Export as JSON has written.');
    taken(saved);
  } catch {
    failed('This file is not JSON.\nChoose a file that Export as JSON has written.');
  }
}
