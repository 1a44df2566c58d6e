/** Which rows words choose. Twin: matches() in models/catalog/model_table.py. */

import type { ModelRow } from './modelRow.js';

const LIMIT = /([<>])\s*([\d.]+)\s*(gb|mb|tok\/s|tokens\/s)/gi;

const WORDS: Record<string, (row: ModelRow) => boolean> = {
  fits: row => row.memory?.verdict === 'fits' || row.memory?.verdict === 'tight',
  cached: row => row.state !== '',
  commercial: row => row.license.commercial === 'yes' || row.license.commercial === 'on terms',
};

export function matches(row: ModelRow, words: string): boolean {
  for (const [, sign, amount, unit = ''] of words.matchAll(LIMIT)) {
    const name = unit.toLowerCase();
    const isSpeed = name.startsWith('tok');
    const value = isSpeed ? row.speed?.value : row.memory?.expected;
    const limit = Number.parseFloat(amount!) * (isSpeed ? 1 : name === 'gb' ? 1e9 : 1e6);
    if (value === undefined || !(sign === '<' ? value < limit : value > limit)) return false;
  }
  const known = [row.name, row.title, row.license.short, row.goodFor, ...row.languages]
    .join(' ')
    .toLowerCase();
  return words
    .replace(LIMIT, ' ')
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every(word => (Object.hasOwn(WORDS, word) ? WORDS[word]!(row) : known.includes(word)));
}
