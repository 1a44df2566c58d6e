/** The numbers of a walk: of the token that is walked now, and what can be said of them. No elements but words. */

import { arrayOf, type InspectionRecord, numbersOf, textsOf, wordsOf } from '../../protocol/inspection.js';
import { h } from '../../ui/dom.js';
import { count, fixed, ordinal, percent, probability, tokenWord } from '../../ui/format.js';
import { type Candidate, type Decided, decide, type Rules, rulesOf } from '../replay/sampler.js';
import type { Numbered } from './figures.js';

const THROWS = 100; // seeds 0 to 99

export class WalkState {
  record!: InspectionRecord;
  all: Numbered[] = [];
  walked: Numbered[] = [];
  prompt = 0;
  word = (id: number) => `#${id}`;
  was!: Rules;
  rules!: Rules;
  token = 0;
  head: [number, number] = [0, 0];
  thrown = 0;
  shownThrows = false;

  read(record: InspectionRecord): void {
    this.record = record;
    const ids = numbersOf(record.head.ids);
    this.all = textsOf(record.head.texts).map((text, n) => ({ text, id: ids[n] ?? 0 }));
    const raw = Array.isArray(record.head.tokens) ? record.head.tokens : [];
    this.walked = raw.map(item => ({ text: String(item?.text ?? ''), id: Number(item?.id) || 0 }));
    this.prompt = Number(record.head.prompt) || 0;
    this.word = wordsOf(record.head.words);
    for (const [name, axes] of [
      ['cand_ids', 2],
      ['logprobs', 2],
      ['seen', 2],
      ['u', 1],
      ['log_total', 1],
      ['scores', 2],
      ['bounds', 2],
      ['looks', 4],
      ['adds', 3],
      ['lens_ids', 3],
      ['lens_logprobs', 3],
      ['lens_rank', 2],
      ['alike', 2],
      ['throws', 2],
      ['warm', 1],
      ['vectors', 2],
    ] as const)
      arrayOf(record, name, axes);
    this.was = rulesOf(record.head.options);
    this.rules = { ...this.was };
    this.go(Math.min(this.token, Math.max(this.walked.length - 1, 0)));
  }

  /** Walk another token. */
  go(token: number): void {
    this.token = token;
    this.thrown = 0;
    this.head = this.bestHead();
  }

  data(name: string): Float64Array {
    return this.record.arrays.get(name)!.data;
  }

  row(name: string): Float64Array {
    const { data, shape } = this.record.arrays.get(name)!;
    const size = shape.slice(1).reduce((a, b) => a * b, 1);
    return data.subarray(this.token * size, (this.token + 1) * size);
  }

  get layers(): number {
    return this.record.arrays.get('adds')!.shape[1]!;
  }

  get heads(): number {
    return this.record.arrays.get('adds')!.shape[2]!;
  }

  /** The place that this token follows. */
  get last(): number {
    return this.prompt + this.token - 1;
  }

  get vocab(): number {
    return Number(this.record.head.vocab) || 0;
  }

  get own(): Numbered {
    return this.walked[this.token] ?? { text: '', id: 0 };
  }

  attentionWeights(layer: number, head: number): number[] {
    const size = this.record.arrays.get('looks')!.shape[3]!;
    const row = this.row('looks');
    const begin = (layer * this.heads + head) * size;
    return [...row.subarray(begin, begin + this.last + 1)];
  }

  /** What adds most, of the heads that look most at neither the first token nor the last itself. */
  bestHead(): [number, number] {
    const adds = this.row('adds');
    let best: [number, number] = [0, 0];
    let most = -Infinity;
    for (let layer = 0; layer < this.layers; layer++)
      for (let head = 0; head < this.heads; head++) {
        const weights = this.attentionWeights(layer, head);
        const at = weights.indexOf(Math.max(...weights));
        const value = adds[layer * this.heads + head]!;
        if (at !== 0 && at !== this.last && value > most) {
          most = value;
          best = [layer, head];
        }
      }
    return best;
  }

  decided(rules = this.rules): Decided {
    const ids = this.row('cand_ids');
    const logprobs = this.row('logprobs');
    const seen = this.row('seen');
    const candidates: Candidate[] = [...ids].map((id, n) => ({
      id,
      logprob: logprobs[n]!,
      seen: seen[n]! > 0,
    }));
    const rest = Math.max(0, 1 - candidates.reduce((sum, item) => sum + probability(item.logprob), 0));
    const total = this.data('log_total')[this.token]!;
    const decision = decide(candidates, total, this.u, rules, rest);
    const { temperature, repetition_penalty: penalty } = rules;
    // Of all tokens, where that was noted: at the walk's own temperature.
    if (temperature && temperature === this.was.temperature && penalty === 1) {
      const warm = this.data('warm')[this.token]!;
      decision.scaled = decision.order.map(entry => Math.exp((entry.logprob + total) / temperature - warm));
    }
    return decision;
  }

  /** The dice of this token: the record's, or thrown again. */
  get u(): number {
    const thrown = this.row('throws');
    return this.thrown ? (thrown[this.thrownSeed] ?? Number.NaN) : this.data('u')[this.token]!;
  }

  /** The seed of the dice as they are thrown now: the first throw is not the walk's own once more. */
  get thrownSeed(): number {
    const { seed } = (this.record.head.options ?? {}) as { seed?: unknown };
    const own = typeof seed === 'number' && seed >= 0 && seed < THROWS ? seed : -1;
    return (own + this.thrown) % THROWS;
  }

  leads(): number {
    const rank = this.row('lens_rank');
    let layer = rank.length - 1;
    if (rank[layer]) return 0;
    while (layer > 0 && rank[layer - 1] === 0) layer--;
    return layer + 1;
  }

  /** Below a station: what came of it. */
  result(n: number): string {
    const decision = this.decided();
    const own = tokenWord(this.own.text).replace(/^␣/, '');
    const weights = this.attentionWeights(...this.head);
    const at = weights.indexOf(Math.max(...weights));
    const score = this.score();
    return [
      () => `${count(this.last + 1)} tokens`,
      () => `${count(Number(this.record.head.hidden) || 0)} numbers`,
      () => `${percent(weights[at] ?? 0)} at ${tokenWord(this.all[at]?.text ?? '').replace(/^␣/, '')}`,
      () => (this.leads() ? `${own} from ${this.leads()}` : `${own} never first`),
      () => `${fixed(score, 2)} → ${percent(this.p())}`,
      () => `${count(decision.shares.filter(share => share > 0).length)} of ${count(this.vocab)}`,
      () => (Number.isFinite(this.u) ? fixed(this.u, 3) : 'no dice'),
    ][n]!();
  }

  p(): number {
    const at = this.row('cand_ids').indexOf(this.own.id);
    return at < 0 ? Number.NaN : probability(this.row('logprobs')[at]!);
  }

  score(): number {
    const at = this.row('cand_ids').indexOf(this.own.id);
    return at < 0 ? Number.NaN : this.row('logprobs')[at]! + this.data('log_total')[this.token]!;
  }

  /** One sentence, one bold number. */
  sentence(n: number): (string | HTMLElement)[] {
    const b = (text: string) => h('b', {}, text);
    const code = (text: string) => h('code', {}, tokenWord(text));
    const lastText = this.all[this.last]?.text ?? '';
    const decision = this.decided();
    const left = decision.shares.filter(share => share > 0).length;
    const now = decision.order[decision.chosen]?.id ?? 0;
    const weights = this.attentionWeights(...this.head);
    const at = weights.indexOf(Math.max(...weights));
    const second = decision.order.find(item => item.id !== this.own.id);
    switch (n) {
      case 0:
        return [
          'The text is cut into ',
          b(count(this.last + 1)),
          ' pieces that the model knows by number; it never sees letters.',
        ];
      case 1:
        return [
          'Each number picks a row of a table: ',
          code(lastText),
          ' begins as ',
          b(count(Number(this.record.head.hidden) || 0)),
          ' numbers',
          this.row('alike').some(value => Number.isFinite(value))
            ? ', the same ones both times it stands here.'
            : '.',
        ];
      case 2:
        return [
          'To say what comes next, ',
          code(lastText),
          ' looks back; this head gives ',
          code(this.all[at]?.text ?? ''),
          ' ',
          b(percent(weights[at] ?? 0)),
          ' of its attention.',
        ];
      case 3:
        return this.leads()
          ? [
              'Read out early it says something else; ',
              code(this.own.text),
              ' leads from layer ',
              b(String(this.leads())),
              ' on.',
            ]
          : [
              'Read out layer by layer, ',
              code(this.own.text),
              ' is ',
              b(ordinal(this.row('lens_rank').at(-1)! + 1)),
              ' in the end: the dice chose it.',
            ];
      case 4: {
        const rest = second ? this.score() - (second.logprob + this.data('log_total')[this.token]!) : 0;
        return [
          'Every token gets a score: ',
          code(this.own.text),
          ' has ',
          b(fixed(this.score(), 2)),
          second
            ? `, ${fixed(Math.abs(rest), 2)} ${rest >= 0 ? 'above' : 'below'} the next, ${fixed(Math.exp(Math.abs(rest)), rest > 3 ? 0 : 1)} times the ${rest >= 0 ? '' : 'smaller '}share.`
            : '.',
        ];
      }
      case 5:
        return this.rules.temperature === 0
          ? [
              'At temperature 0 only the likeliest is left: ',
              b(tokenWord(this.word(decision.order[0]!.id))),
              '.',
            ]
          : [
              'Rules cut off what is unlikely: of ',
              count(this.vocab),
              ' tokens ',
              b(count(left)),
              ' are left for the dice.',
            ];
      default:
        return Number.isFinite(this.u) && this.rules.temperature > 0
          ? [
              'A random number decides: ',
              b(fixed(this.u, 3)),
              ' lies in the piece of ',
              code(this.word(now)),
              `, one of ${count(left)}.`,
            ]
          : ['No dice: the likeliest token is taken, ', b(tokenWord(this.word(now))), '.'];
    }
  }
}
