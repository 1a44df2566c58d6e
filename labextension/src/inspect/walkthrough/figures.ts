/** The figures of a walk, one a step; pure functions of one token's numbers. */

import { bar } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import { count, fixed, percent, probability, signed, tokenWord, visible } from '../../ui/format.js';
import { points, svg } from '../../ui/svg.js';
import type { Decided, Rules } from '../replay/sampler.js';

export interface Numbered {
  text: string;
  id: number;
}

/** 1: the pieces, and where their numbers stand among all. */
export function piecesFigure(all: readonly Numbered[], last: number, vocab: number): HTMLElement[] {
  const same = all[last]?.id;
  const spans = all.map(item =>
    h(
      'span',
      { class: item.id === same ? 'on' : '' },
      h('b', {}, visible(item.text.replace(/ /g, '\u00a0').replace(/\n/g, '⏎')) || '▯'),
      h('small', {}, count(item.id)),
    ),
  );
  const wide = 1000;
  const x = (id: number) =>
    8 + ((Math.log10(Math.max(id, 10)) - 1) / (Math.log10(Math.max(vocab, 100)) - 1)) * (wide - 60);
  const picture = svg('svg', {
    class: 'fig',
    viewBox: `0 0 ${wide} 74`,
    role: 'img',
    'aria-label': 'the numbers on a log axis',
  });
  picture.append(svg('line', { class: 'axis', x1: 8, x2: wide - 52, y1: 52, y2: 52 }));
  for (let tick = 10; tick < vocab; tick *= 10)
    picture.append(svg('text', { x: x(tick), y: 68 }, count(tick)));
  picture.append(svg('text', { x: wide - 52, y: 68, 'text-anchor': 'end' }, count(vocab)));
  const seen = new Map<number, string>();
  for (const entry of all) seen.set(entry.id, entry.text);
  const rows = [-99, -99, -99];
  for (const [id, text] of [...seen].sort((a, b) => a[0] - b[0])) {
    const at = x(id);
    const row = rows.findIndex(end => at - end > 4);
    const word = tokenWord(text);
    if (row >= 0) {
      rows[row] = at + 7.4 * word.length;
      picture.append(
        svg('text', { class: `mono${id === same ? ' on' : ''}`, x: at, y: 40 - 13 * row }, word),
      );
    }
    picture.append(svg('line', { class: `tick${id === same ? ' on' : ''}`, x1: at, x2: at, y1: 44, y2: 52 }));
  }
  return [
    h('div', { class: 'pieces' }, ...spans),
    h(
      'p',
      { class: 'fg2' },
      `where they stand among ${count(vocab)}, log axis: what is common has a low number`,
    ),
    wrap(picture),
  ];
}

/** 2: rows of the table, as grey bars; where a token comes twice, how alike both stay. */
export function vectorsFigure(
  rows: { name: string; id: number; values: number[]; on: boolean }[],
  alike: readonly number[],
): HTMLElement[] {
  const wide = 1000;
  const most = Math.max(...rows.flatMap(row => row.values.map(Math.abs)), 1e-9);
  const picture = svg('svg', {
    class: 'fig',
    viewBox: `0 0 ${wide} ${rows.length * 34 + 4}`,
    role: 'img',
    'aria-label': 'the vectors',
  });
  for (const [n, row] of rows.entries()) {
    const middle = n * 34 + 18;
    const step = (wide - 170) / Math.max(row.values.length, 1);
    const on = row.on ? ' on' : '';
    picture.append(
      svg('text', { class: `mono${on}`, x: 0, y: middle + 4 }, row.name),
      svg('text', { class: on, x: 150, y: middle + 4, 'text-anchor': 'end' }, count(row.id)),
    );
    const path = row.values
      .map((value, k) => `M${(166 + k * step).toFixed(1)},${middle} v${((-15 * value) / most).toFixed(1)}`)
      .join('');
    picture.append(svg('path', { class: `vec${on}`, d: path, 'stroke-width': Math.max(step * 0.8, 0.5) }));
  }
  const known = alike.filter(value => Number.isFinite(value));
  if (known.length < 2) return [wrap(picture)];
  const low = Math.min(...known, 0.4);
  const curve = svg('svg', {
    class: 'fig',
    viewBox: `0 0 ${wide} 70`,
    role: 'img',
    'aria-label': `cosine by layer: ${known.map(value => fixed(value, 2)).join(', ')}`,
  });
  const x = (n: number) => 250 + (n / (known.length - 1)) * 690;
  const y = (value: number) => 8 + ((1 - value) / (1 - low)) * 36;
  curve.append(
    svg('text', { x: 0, y: 30 }, 'how alike they are after layer (cosine)'),
    svg('line', { class: 'axis', x1: 250, x2: 940, y1: 52, y2: 52 }),
    svg('polyline', {
      class: 'curve',
      points: points(
        known.map((_, n) => x(n)),
        known.map(y),
      ),
    }),
  );
  for (const n of [
    0,
    Math.round((known.length - 1) / 3),
    Math.round((2 * (known.length - 1)) / 3),
    known.length - 1,
  ])
    curve.append(
      svg('circle', { class: 'dot', cx: x(n), cy: y(known[n]!), r: 3.5 }),
      svg(
        'text',
        {
          x: x(n),
          y: y(known[n]!) + (n === known.length - 1 ? 4 : 16),
          'text-anchor': n === known.length - 1 ? 'start' : 'middle',
          dx: n === known.length - 1 ? 9 : 0,
        },
        fixed(known[n]!, 2),
      ),
      svg('text', { x: x(n), y: 66, 'text-anchor': 'middle' }, String(n)),
    );
  return [wrap(picture), wrap(curve)];
}

/** 3: arcs from the last place; the first token is grey, and counts. */
export function arcsFigure(
  texts: readonly string[],
  weights: readonly number[],
  from: number,
): SVGSVGElement {
  const shown = texts
    .map((_, n) => n)
    .filter(n => texts.length <= 28 || n === from || weights[n]! >= 0.02 || n > from - 6);
  const wide = shown.map(n => Math.max(16, 8 * tokenWord(texts[n]!).length + 8));
  const total = wide.reduce((a, b) => a + b, 8);
  const place = new Map<number, number>();
  let x = 4;
  for (const [k, n] of shown.entries()) {
    place.set(n, x + wide[k]! / 2);
    x += wide[k]!;
  }
  const picture = svg('svg', {
    class: 'fig',
    viewBox: `0 0 ${Math.max(total, 320)} 180`,
    role: 'img',
    'aria-label': `arcs from ${tokenWord(texts[from] ?? '')}`,
  });
  picture.style.maxWidth = `${Math.max(total, 320) * 1.25}px`;
  const end = place.get(from)!;
  const best = weights.indexOf(Math.max(...weights.slice(1, from + 1), 0));
  for (const n of shown) {
    const at = place.get(n)!;
    const weight = weights[n]!;
    if (weight >= 0.01) {
      const tall = n === from ? 26 : Math.max(24, Math.min(132, Math.abs(end - at) * 0.5));
      const [a, b] = n === from ? [at - 9, at + 9] : [at, end];
      picture.append(
        svg('path', {
          class: `arc${n === 0 ? ' rest' : n === best ? ' most' : ''}`,
          d: `M${a},140 C${a},${140 - tall * 1.33} ${b},${140 - tall * 1.33} ${b},140`,
          'stroke-width': Math.max(1, 11 * weight),
        }),
      );
    }
    const name = n === from ? ' from' : weight >= 0.05 ? ' lit' : '';
    picture.append(
      svg(
        'text',
        { class: `word${name}`, x: at, y: 158, 'text-anchor': 'middle' },
        tokenWord(texts[n]!).replace(/^␣/, ''),
      ),
    );
    if (weight >= 0.05)
      picture.append(svg('text', { x: at, y: 174, 'text-anchor': 'middle' }, percent(weight)));
  }
  return picture;
}

/** 3: what the heads of each layer add to the score. */
export function layersFigure(
  sums: readonly number[],
  chosen: number,
  choose: (layer: number) => void,
): SVGSVGElement {
  const wide = 1000;
  const step = wide / Math.max(sums.length, 1);
  const high = Math.max(...sums.map(Math.abs), 0.1);
  const picture = svg('svg', {
    class: 'fig',
    viewBox: `0 0 ${wide} 136`,
    role: 'img',
    'aria-label': `added by layer: ${sums.map(value => fixed(value, 1)).join(', ')}`,
  });
  for (const [n, value] of sums.entries()) {
    const tall = (Math.abs(value) / high) * 74;
    const on = n === chosen;
    const bar = svg('rect', {
      class: on ? 'here' : value < 0 ? 'down' : 'up',
      x: n * step + 2,
      y: value < 0 ? 96 : 96 - tall,
      width: step - 4,
      height: Math.max(tall, 0.5),
    });
    const zone = svg('rect', {
      x: n * step,
      y: 0,
      width: step,
      height: 130,
      fill: 'transparent',
      style: 'cursor:pointer',
    });
    zone.addEventListener('click', () => choose(n));
    picture.append(bar, zone);
    if (value >= high * 0.3)
      picture.append(
        svg(
          'text',
          { class: on ? 'on' : '', x: (n + 0.5) * step, y: 90 - tall, 'text-anchor': 'middle' },
          fixed(value, 1),
        ),
      );
    if (on || n === 0 || (n + 1) % 5 === 0)
      picture.append(
        svg(
          'text',
          { class: on ? 'dark on' : '', x: (n + 0.5) * step, y: 124, 'text-anchor': 'middle' },
          String(n + 1),
        ),
      );
  }
  picture.append(
    svg('line', { class: 'axis', x1: 0, x2: wide, y1: 96, y2: 96 }),
    svg('rect', { class: 'frame', x: chosen * step, y: 1, width: step, height: 132, rx: 3 }),
  );
  return picture;
}

/** 4 and 5: a few tokens with their shares. */
export function shares(
  title: string,
  list: { text: string; p: number; on: boolean; score?: number }[],
  below = '',
): HTMLElement {
  const rows = list.map(item =>
    h(
      'div',
      { class: item.on ? 'on' : '' },
      h('code', {}, tokenWord(item.text)),
      ...(item.score === undefined ? [] : [h('span', { class: 'n fg2' }, fixed(item.score, 2))]),
      bar(item.p),
      h('span', { class: 'n' }, percent(item.p)),
    ),
  );
  return h(
    'div',
    { class: `list${list[0]?.score === undefined ? '' : ' scores'}` },
    h('p', {}, title),
    ...rows,
    below ? h('span', { class: 'fg2' }, below) : null,
  );
}

/** 5: how many tokens have which score. */
export function scoresFigure(
  bins: readonly number[],
  low: number,
  high: number,
  name: string,
  own: number,
): SVGSVGElement {
  const wide = 600;
  const step = wide / Math.max(bins.length, 1);
  const most = Math.log(Math.max(...bins, 2) + 1);
  const picture = svg('svg', {
    class: 'fig',
    viewBox: `0 0 ${wide} 150`,
    role: 'img',
    'aria-label': `all scores from ${fixed(low, 1)} to ${fixed(high, 1)}`,
  });
  const at = Math.min(bins.length - 1, Math.floor(((own - low) / (high - low || 1)) * bins.length));
  for (const [n, many] of bins.entries()) {
    const tall = (Math.log(many + 1) / most) * 96;
    picture.append(
      svg('rect', {
        class: n === at ? 'here' : n > bins.length - 8 ? 'up' : 'bin',
        x: n * step,
        y: 122 - tall,
        width: step - 1.5,
        height: tall,
      }),
    );
  }
  picture.append(
    svg('line', { class: 'axis', x1: 0, x2: wide, y1: 122, y2: 122 }),
    svg(
      'text',
      { class: 'dark', x: Math.min((at + 0.5) * step, wide - 20), y: 92, 'text-anchor': 'middle' },
      name,
    ),
    svg(
      'text',
      { class: 'dark', x: Math.min((at + 0.5) * step, wide - 20), y: 140, 'text-anchor': 'middle' },
      fixed(own, 2),
    ),
  );
  for (const share of [0.15, 0.4, 0.65])
    picture.append(
      svg('text', { x: share * wide, y: 140, 'text-anchor': 'middle' }, fixed(low + share * (high - low), 0)),
    );
  return picture;
}

const GATES = ['top-k', 'top-p', 'min-p'] as const;

/** 6: gates in the sampler's order; a line ends at the gate that stops it. */
export function gatesFigure(
  decision: Decided,
  rules: Rules,
  vocab: number,
  word: (id: number) => string,
  chosenId: number,
): HTMLElement {
  const alive = decision.shares.filter(share => share > 0).length;
  const shown = Math.min(decision.order.length, alive + 10);
  const explained = new Set<string>();
  const best = tokenWord(word(decision.order[0]?.id ?? 0)).replace(/^␣/, '');
  const because: Record<string, string> = {
    'min-p': `below ${percent(rules.min_p)} of ${best}`,
    'top-p': `the ones above hold ${percent(rules.top_p)}`,
    'top-k': `not among the ${rules.top_k} likeliest`,
  };
  const rows = Array.from({ length: shown }, (_, n) => {
    const item = decision.order[n]!;
    const share = decision.shares[n]!;
    const stopped = GATES.indexOf(decision.removed[n] as (typeof GATES)[number]);
    const wires = GATES.map((_, g) => {
      if (share || g < stopped) return h('span', { class: share ? 'wire' : 'wire dead' });
      if (g === stopped) return h('span', { class: 'wire dead stop' });
      return h('span');
    });
    const rule = decision.removed[n] ?? '';
    const why = rule && !explained.has(rule) ? because[rule] : undefined;
    if (rule) explained.add(rule);
    if (why) wires[Math.min(stopped + 1, 2)] = stopped === 2 ? wires[2]! : h('span', { class: 'why' }, why);
    const end = share
      ? [bar(share), h('b', { class: 'n' }, percent(share))]
      : [h('span', { class: 'why' }, stopped === 2 && why ? why : ''), h('span')];
    const p = probability(item.logprob);
    return h(
      'div',
      {
        class: share ? '' : 'gone',
        'aria-label': `${tokenWord(word(item.id))}: ${share ? percent(share) : `stopped by ${rule}`}`,
      },
      h('code', { style: item.id === chosenId ? 'font-weight:600' : '' }, tokenWord(word(item.id))),
      bar(p),
      h('span', { class: 'n' }, percent(p)),
      bar(decision.scaled[n]!),
      h('span', { class: 'n' }, percent(decision.scaled[n]!)),
      ...wires,
      ...end,
    );
  });
  const k = rules.top_k ? `top-k ${rules.top_k}` : 'top-k off';
  const head = [
    'token',
    'the model says',
    '',
    `temperature ${fixed(rules.temperature, 2)}`,
    '',
    k,
    `top-p ${fixed(rules.top_p, 2)}`,
    `min-p ${fixed(rules.min_p, 2)}`,
    'left, as 100 %',
    '',
  ];
  const others = h(
    'div',
    {},
    h('span', { class: 'fg2', style: 'grid-column:1/3' }, `${count(vocab - shown)} others`),
  );
  return h(
    'div',
    { class: 'gates', role: 'list' },
    h('div', { class: 'head' }, ...head.map(text => h('span', {}, text))),
    ...rows,
    others,
  );
}

/** 7: pieces of 0–1, a needle, and a hundred throws below. */
export function diceFigure(
  decision: Decided,
  u: number,
  throws: readonly number[],
  word: (id: number) => string,
  chosenId: number,
): SVGSVGElement {
  const wide = 1000;
  const picture = svg('svg', { class: 'fig', viewBox: `0 0 ${wide} 140`, role: 'img' });
  let x = 0;
  for (const [n, share] of decision.shares.entries()) {
    if (!share) continue;
    const id = decision.order[n]!.id;
    const own = share * wide;
    picture.append(
      svg('rect', {
        class: `piece${id === chosenId ? ' hit' : ''}`,
        x: x + 1,
        y: 26,
        width: Math.max(own - 2, 0.5),
        height: 56,
        rx: 2,
      }),
    );
    const text = tokenWord(word(id)).replace(/^␣/, '');
    if (own > 8 * text.length)
      picture.append(
        svg('text', { class: 'mono dark', x: x + own / 2, y: 52, 'text-anchor': 'middle' }, text),
      );
    if (own > 40)
      picture.append(svg('text', { x: x + own / 2, y: 68, 'text-anchor': 'middle' }, percent(share)));
    x += own;
  }
  for (const item of throws)
    picture.append(svg('line', { class: 'throw', x1: item * wide, x2: item * wide, y1: 90, y2: 102 }));
  for (const tick of [0, 0.25, 0.5, 0.75, 1])
    picture.append(
      svg(
        'text',
        { x: tick * wide, y: 120, 'text-anchor': tick === 0 ? 'start' : tick === 1 ? 'end' : 'middle' },
        String(tick),
      ),
    );
  if (Number.isFinite(u))
    picture.append(
      svg('line', { class: 'needle', x1: u * wide, x2: u * wide, y1: 20, y2: 104 }),
      svg('circle', { class: 'knob', cx: u * wide, cy: 18, r: 5.5 }),
      svg('text', { class: 'dark', x: u * wide - 10, y: 15, 'text-anchor': 'end' }, fixed(u, 3)),
    );
  picture.setAttribute(
    'aria-label',
    Number.isFinite(u) ? `${fixed(u, 3)}: ${tokenWord(word(chosenId))}` : 'no dice',
  );
  return picture;
}

export function wrap(picture: SVGSVGElement): HTMLElement {
  const element = h('div');
  element.append(picture);
  return element;
}

export { signed };
