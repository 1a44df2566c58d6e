/** The loss as a chart: train raw and smoothed, held-out with its points, the best ringed, what is to come. */

import type { TuningRecord } from '../protocol/tuning.js';
import { fixed } from '../ui/format.js';
import { HEIGHT } from './lossChart.css.js';

const NS = 'http://www.w3.org/2000/svg';
const LEFT = 50;
const RIGHT = 110;
const TOP = 12;
const BOTTOM = 28;
const SMOOTH = 13;

/** Made anew each time: a run has a few hundred points. */
export function lossChart(record: TuningRecord, width: number): SVGSVGElement {
  const svg = part('svg', {
    class: 'chart',
    viewBox: `0 0 ${width} ${HEIGHT}`,
    role: 'img',
    'aria-label': spoken(record),
  }) as SVGSVGElement;
  const [steps, loss] = record.loss;
  const [checks, validation] = record.held_out;
  const values = [...loss, ...validation];
  const last = Math.max(record.total, record.step, steps.at(-1) ?? 0, 1);
  const grid = ticks(Math.min(...values, Infinity), Math.max(...values, 0));
  const low = grid[0]!;
  // As many digits as tell one line from the next.
  const digits = Math.min(Math.max(Math.ceil(-Math.log10(grid[1]! - low) - 1e-9), 1), 6);
  const high = Math.max(grid.at(-1)!, ...values);
  const x = (step: number) => LEFT + (step / last) * (width - LEFT - RIGHT);
  const y = (value: number) => TOP + (1 - (value - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);
  const box = (name: string, from: number, to: number) =>
    svg.append(
      part('rect', {
        class: name,
        x: x(from),
        y: TOP,
        width: Math.max(x(to) - x(from), 0),
        height: HEIGHT - TOP - BOTTOM,
      }),
    );
  const { best } = record;
  if (best !== null && checks.filter(step => step > best).length > 1) box('over', best, record.step);
  if (!record.final && record.total > record.step) box('later', record.step, last);
  for (const value of grid) {
    svg.append(part('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(word(fixed(value, digits), LEFT - 10, y(value) + 4, 'end'));
  }
  for (const step of ticks(0, last).filter(step => step <= last && Number.isInteger(step)))
    svg.append(word(String(step), x(step), HEIGHT - 8, 'middle'));
  svg.append(word('steps', x(last) + 16, HEIGHT - 8));
  svg.append(line('raw', steps, loss, x, y), line('mean', steps, smooth(loss), x, y));
  svg.append(line('held', checks, validation, x, y));
  for (const [n, step] of checks.entries())
    svg.append(
      part('circle', {
        class: step === best ? 'best' : 'point',
        cx: x(step),
        cy: y(validation[n]!),
        r: step === best ? 6 : 3.5,
      }),
    );
  label(svg, record, x, y);
  return svg;
}

function label(
  svg: SVGSVGElement,
  record: TuningRecord,
  x: (step: number) => number,
  y: (value: number) => number,
): void {
  const [steps, loss] = record.loss;
  const [checks, validation] = record.held_out;
  const { best } = record;
  const places: number[] = [];
  const end = (text: string, step: number, value: number, name: string) => {
    let at = y(value) + 4;
    for (const other of places) if (Math.abs(other - at) < 13) at = other + 13;
    places.push(at);
    const shown = word(text, x(step) + 10, at);
    shown.setAttribute('class', `label ${name}`);
    svg.append(shown);
  };
  if (validation.length)
    end(`held-out ${fixed(validation.at(-1)!, 2)}`, checks.at(-1)!, validation.at(-1)!, 'held-name');
  const mean = smooth(loss).at(-1);
  if (mean !== undefined)
    end(`train ${fixed(mean, 2)}`, Math.max(steps.at(-1)!, checks.at(-1) ?? 0), mean, '');
  if (best !== null && checks.length > 1 && best !== checks.at(-1)) {
    const value = validation[checks.indexOf(best)];
    if (value === undefined) return;
    const shown = word(`best ${fixed(value, 2)} at ${best}`, x(best), y(value) - 14, 'middle');
    shown.setAttribute('class', 'label best-name');
    svg.append(shown);
  }
}

/** The mean over the last thirteen, from as many as there are. */
export function smooth(values: readonly number[]): number[] {
  return values.map((_, n) => {
    const part = values.slice(Math.max(0, n - SMOOTH + 1), n + 1);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}

/** Round numbers that enclose both. */
export function ticks(low: number, high: number): number[] {
  if (!Number.isFinite(low) || !Number.isFinite(high) || high <= low) return [0, 1];
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(item => item * power).find(entry => entry >= rough)!;
  const first = Math.floor(low / step);
  // Of numbers that large the next one is the same: so many, and no more.
  const many = Math.min(Math.ceil(high / step) - first, 12);
  if (!(step > 0) || !Number.isFinite(first) || !Number.isFinite(many)) return [0, 1];
  return Array.from({ length: many + 1 }, (_, n) => Number(((first + n) * step).toPrecision(8)));
}

function spoken(record: TuningRecord): string {
  const [, validation] = record.held_out;
  const first = record.loss[1][0];
  if (first === undefined) return 'Loss: nothing yet';
  const train = `train from ${fixed(first, 2)} to ${fixed(record.loss[1].at(-1)!, 2)}`;
  if (!validation.length) return `Loss in nats a token: ${train}`;
  return `Loss in nats a token: ${train}, held-out from ${fixed(validation[0]!, 2)} to ${fixed(validation.at(-1)!, 2)}, best at step ${record.best}`;
}

function line(
  name: string,
  steps: readonly number[],
  values: readonly number[],
  x: (step: number) => number,
  y: (value: number) => number,
): SVGElement {
  const points = steps.map((step, n) => `${x(step).toFixed(1)},${y(values[n]!).toFixed(1)}`);
  return part('polyline', { class: name, points: points.join(' ') });
}

function word(text: string, x: number, y: number, anchor = 'start'): SVGElement {
  const element = part('text', { x, y, 'text-anchor': anchor });
  element.textContent = text;
  return element;
}

function part(tag: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(NS, tag) as SVGElement;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
