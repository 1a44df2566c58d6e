/** The figures of a replay: all steps as a strip, one step's candidates, and how they share 0–1. */

import { h } from '../../ui/dom.js';
import { count, fixed, percent, probability, tokenWord } from '../../ui/format.js';
import { svg } from '../../ui/svg.js';
import type { Decided } from './sampler.js';

const SHOWN = 30;
const FALLEN = 12;
const ROW = 26;

/** How many candidates the dice may fall on. */
export function left(decided: Decided): number {
  return decided.shares.filter(share => share > 0).length;
}

/** A bar a step: the candidates left now, those left as recorded, and where the dice say another token. */
export function stripFigure(
  recorded: readonly Decided[],
  now: readonly Decided[],
  differs: (n: number) => boolean,
  at: number,
): SVGSVGElement {
  const many = recorded.length;
  const most = Math.max(...recorded.map(left), ...now.map(left), 2);
  const wide = 1000 / many;
  const picture = svg('svg', { viewBox: '0 0 1000 86', preserveAspectRatio: 'none' });
  const dots = svg('g');
  for (let n = 0; n < many; n++) {
    const [was, is] = [left(recorded[n]!), left(now[n]!)];
    const tall = (value: number) => (value / most) * 60;
    const x = n * wide;
    const bar = (name: string, height: number) =>
      svg('rect', { class: name, x, y: 66 - height, width: Math.max(wide - 1, 0.6), height });
    if (was > is) picture.append(bar('was', tall(was)));
    picture.append(is > 1 ? bar('now', tall(is)) : bar('none', 3));
    if (differs(n))
      dots.append(
        svg('rect', {
          class: 'other',
          x: x + wide / 2 - Math.min(4, wide / 2),
          y: 72,
          width: Math.min(8, wide),
          height: 8,
          rx: 4,
        }),
      );
  }
  picture.append(
    dots,
    svg('rect', {
      class: 'at',
      x: at * wide - 1,
      y: 1,
      width: Math.max(wide, 4),
      height: 82,
      rx: 2,
      'vector-effect': 'non-scaling-stroke',
    }),
  );
  return picture;
}

/** The candidates of one step: those that are left, some of those that fell, and the rest. */
export function candidateRows(
  now: Decided,
  recorded: number,
  word: (id: number) => string,
  vocab: number,
): HTMLElement[] {
  const survivors = now.shares.filter(share => share > 0).length;
  const shown = Math.min(now.order.length, Math.max(survivors, 1) + FALLEN, Math.max(SHOWN, survivors));
  const rest = Math.max(
    0,
    1 - now.order.slice(0, shown).reduce((sum, item) => sum + probability(item.logprob), 0),
  );
  // One scale for all bars, that of what is left too.
  const most = Math.max(...now.order.map(entry => probability(entry.logprob)), ...now.shares, rest, 1e-9);
  const rows = Array.from({ length: shown }, (_, n) => {
    const value = now.order[n]!;
    const p = probability(value.logprob);
    const share = now.shares[n]!;
    const names = [
      'cand',
      n === now.chosen ? 'now' : '',
      value.id === recorded ? 'rec' : '',
      share ? '' : 'gone',
    ];
    const after = share ? percent(share) : h('span', { class: 'rule' }, now.removed[n] || 'temperature 0');
    const bars = h(
      'span',
      { class: 'two' },
      h('i', { style: `width:${(100 * p) / most}%` }),
      share ? h('i', { style: `width:${(100 * share) / most}%` }) : null,
    );
    return h(
      'div',
      { class: names.join(' '), role: 'option', 'aria-selected': String(n === now.chosen) },
      h('i', { class: 'mark' }),
      h('code', { title: tokenWord(word(value.id)) }, tokenWord(word(value.id))),
      bars,
      h('span', { class: 'n' }, percent(p)),
      h('span', { class: 'n' }, after),
    );
  });
  const others = h(
    'div',
    { class: 'cand' },
    h('i'),
    h('span', { class: 'fg2 others' }, `${count(vocab - shown)} others`),
    h('span', { class: 'two' }, h('i', { class: 'hatched', style: `width:${(100 * rest) / most}%` })),
    h('span', { class: 'n' }, percent(rest)),
    h('span'),
  );
  const key = h(
    'span',
    {},
    h('i', { class: 'm3', style: 'display:inline-block;width:14px;height:6px' }),
    ' model ',
    h('i', { style: 'display:inline-block;width:14px;height:6px;background:var(--llm-mass-solid)' }),
    ' after the rules',
  );
  return [
    h(
      'div',
      { class: 'head' },
      h('i'),
      h('span', {}, 'token'),
      key,
      h('span', { class: 'n' }, 'model'),
      h('span', { class: 'n' }, 'now'),
    ),
    ...rows,
    others,
  ];
}

/** Bands lead from the candidates to their pieces of 0–1; next to them those of the record; one needle crosses both. */
export function bandsFigure(
  now: Decided,
  was: Decided,
  recorded: number,
  word: (id: number) => string,
  u: number,
): SVGSVGElement {
  const alive = now.shares.map((share, n) => ({ share, n })).filter(item => item.share > 0);
  const height = Math.max(260, Math.min(22, Math.max(alive.length, 10)) * ROW);
  const picture = svg('svg', { viewBox: `0 0 220 ${height + 44}`, height: height + 44, role: 'img' });
  let y = 34;
  picture.append(
    svg('text', { x: 96, y: 22, 'text-anchor': 'middle' }, 'now'),
    svg('text', { x: 152, y: 22, 'text-anchor': 'middle' }, 'recorded'),
  );
  for (const { share, n } of alive) {
    const tall = share * height;
    const from = 34 + n * ROW + 4;
    const hit = n === now.chosen;
    if (n < SHOWN + FALLEN)
      picture.append(
        svg('path', {
          class: hit ? 'flowhit' : 'flow',
          d: `M0,${from} C44,${from} 36,${y} 80,${y} L80,${y + tall} C36,${y + tall} 44,${from + ROW - 8} 0,${from + ROW - 8} Z`,
        }),
      );
    picture.append(
      svg(
        'rect',
        { class: hit ? 'hit' : 'piece', x: 80, y: y + 0.5, width: 34, height: Math.max(tall - 1, 0.5) },
        svg('title', {}, `${tokenWord(word(now.order[n]!.id))} ${percent(share)}`),
      ),
    );
    y += tall;
  }
  y = 34;
  for (const [n, share] of was.shares.entries()) {
    if (!share) continue;
    const hit = was.order[n]!.id === recorded;
    picture.append(
      svg('rect', {
        class: hit ? 'oldhit' : 'old',
        x: 138,
        y: y + 0.5,
        width: 28,
        height: Math.max(share * height - 1, 0.5),
      }),
    );
    y += share * height;
  }
  picture.append(svg('text', { x: 118, y: 42 }, '0'), svg('text', { x: 118, y: height + 34 }, '1'));
  if (Number.isFinite(u)) {
    const at = 34 + u * height;
    picture.append(
      svg('line', { class: 'needle', x1: 76, x2: 172, y1: at, y2: at }),
      svg('circle', { cx: 174, cy: at, r: 5 }),
      svg('text', { class: 'dice', x: 183, y: at + 4 }, fixed(u, 3)),
    );
    picture.setAttribute('aria-label', `${fixed(u, 3)}: ${tokenWord(word(now.order[now.chosen]!.id))}`);
  }
  return picture;
}
