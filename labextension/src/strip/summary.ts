/** The one line below the tokens: how many, how fast, how surprising, and which model it was. */

import type { ConversationTurn, GenerationRecord } from '../protocol/record.js';
import type { Token } from '../protocol/token.js';
import { h, icon } from '../ui/dom.js';
import { bitsPerByte, count, fixed, perplexity, plural, visible } from '../ui/format.js';
import { recordDetails } from '../ui/recordDetails.js';
import type { StreamStatus, StripHost } from './host.js';

/** What the line is about: one path of a record. */
export interface Shown {
  record: GenerationRecord;
  tokens: readonly Token[];
  path: number;
  info: Pick<GenerationRecord, 'stop_reason' | 'timing'>;
  live?: StreamStatus;
  host: StripHost;
}

export function summary(shown: Shown, chips: boolean): HTMLElement[] {
  const { record, live, host } = shown;
  const parts = [...numbers(shown), ...ending(shown)];
  const dotted = parts.flatMap((item, n) => (n ? [h('span', {}, '·'), item] : [item]));
  const tags = recordDetails(record.model);
  const stop = () =>
    h(
      'button',
      { class: 'button', type: 'button', onclick: () => host.stop?.() },
      icon('stop'),
      'Stop ',
      h('kbd', {}, 'Esc'),
    );
  const { extend: more } = host;
  if (more && !live && tokensCut(shown))
    dotted.push(
      h('button', { class: 'button', type: 'button', onclick: () => more(shown.path) }, 'Continue'),
    );
  if (record.turn) tags.unshift(...turnTags(record.turn));
  const right = live && host.stop ? [stop()] : chips ? tags : [];
  return [...(live ? [h('span', { class: 'dot' })] : []), ...dotted, h('span', { class: 'chips' }, ...right)];
}

/** Which turn of which conversation, and whether it still follows the turns before it. */
function turnTags({ name, turn, stale }: ConversationTurn): HTMLElement[] {
  const title = 'This answer goes on with the turns before it (-c).';
  const words = visible([name, `turn ${turn}`].filter(Boolean).join(' · '));
  const tags = [h('span', { class: 'tag', title }, words)];
  if (stale)
    tags.push(
      h(
        'span',
        { class: 'tag stale', title: `Turn ${stale} was asked anew after this answer: run the cell again.` },
        icon('warning'),
        `from an older turn ${stale}`,
      ),
    );
  return tags;
}

const SURPRISE =
  'e to the mean surprise of a token in nats: as if each had been one of so many equally likely ones';
const PER_BYTE = 'the surprise of all tokens, over the bytes of the text: comparable between tokenizers';
const EMPTY = ['The model gave an empty answer.', 'Stopped before the first token.'];

function numbers({ record, tokens, path, info, live }: Shown): HTMLElement[] {
  if (live?.status) return [h('span', {}, live.status)];
  if (!tokens.length)
    return [
      h(
        'span',
        {},
        live
          ? 'reading the prompt …'
          : record.text
            ? 'Its tokens were not kept.'
            : EMPTY[info.stop_reason === 'interrupted' ? 1 : 0]!,
      ),
    ];
  const read = record.missing.includes('logprob') ? [] : tokens.slice(record.predicted_from);
  const span = tokens.at(-1)!.time - tokens[0]!.time;
  const speed = live ? (tokens.length - 1) / span : info.timing.decode_tokens_per_s;
  const reused = info.timing.cached_tokens;
  const part = (value: string, after: string, before = '', title = '') =>
    h('span', { title: title || undefined }, before, h('b', {}, value), after);
  return [
    part(
      count(tokens.length),
      live ? ` of at most ${count(live.maxTokens)} tokens` : plural(tokens.length, 'token'),
    ),
    ...forcedPart(read, part),
    ...(record.missing.includes('logprob') ? [h('span', {}, 'the server gave no probabilities')] : []),
    ...(Number.isFinite(speed) && speed > 0
      ? [part(fixed(speed, 1), ' tok/s', '', 'tokens a second, after the first')]
      : []),
    ...(live ? [part(`${fixed(tokens[0]!.time, 2)} s`, '', 'first token ')] : []),
    ...(read.length ? [part(fixed(perplexity(read), 2), '', 'perplexity ', SURPRISE)] : []),
    ...(read.length && !live ? [part(fixed(bitsPerByte(read), 2), ' bits/byte', '', PER_BYTE)] : []),
    ...(path && reused && !live
      ? [
          part(
            count(reused),
            `${plural(reused, 'token')} reused`,
            '',
            'read from the KV cache, not computed again',
          ),
        ]
      : []),
  ];
}

/** How many tokens the grammar of the answer left no choice for. */
function forcedPart(
  tokens: readonly Token[],
  part: (value: string, after: string, before?: string, title?: string) => HTMLElement,
): HTMLElement[] {
  if (!tokens.some(token => token.allowed !== undefined)) return [];
  const forced = tokens.filter(token => token.allowed === 1).length;
  return [part(count(forced), ' forced', '', 'tokens that the schema left no choice for')];
}

const tokensCut = ({ tokens, info }: Shown): boolean =>
  tokens.length > 0 && (info.stop_reason === 'length' || info.stop_reason === 'interrupted');

function ending({ tokens, info, live }: Shown): HTMLElement[] {
  if (live) return [];
  if (info.stop_reason === 'length') return [h('span', {}, `cut at ${count(tokens.length)} tokens`)];
  return info.stop_reason === 'interrupted' ? [h('span', {}, 'stopped')] : [];
}
