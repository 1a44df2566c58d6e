/** One bar a token, by the measure of the colours; many tokens share a bar, the most unexpected one's. The one
 * tab stop. */

import type { Token } from '../protocol/token.js';
import { h, perFrame } from '../ui/dom.js';
import { barHeight, MEASURES, type Measure, stepOf } from '../ui/measures.js';
import { HEIGHT } from './minimap.css.js';

const BAR = 2; // px, the narrowest
const WIDEST = 16;

export class Minimap {
  readonly element: HTMLElement;
  private readonly canvas = h('canvas', { 'aria-hidden': true });
  private readonly marker = h('div', { class: 'mark', hidden: true });
  private readonly windowBox = h('div', { class: 'window', hidden: true });
  private tokens: readonly Token[] = [];
  private wanted = 1;
  private measure: Measure = MEASURES.surprisal;
  private hits: Set<number> | undefined;
  private readonly frame = perFrame(() => this.draw());
  private readonly observer =
    typeof ResizeObserver === 'undefined' ? undefined : new ResizeObserver(() => this.frame.ask());

  constructor(
    pick: (place: number) => void,
    private readonly colour: (name: string) => string,
    scroll: (place: number) => void,
  ) {
    this.element = h(
      'div',
      {
        class: 'map',
        role: 'slider',
        tabindex: 0,
        'aria-label': 'Tokens',
        'aria-valuemin': 1,
        'aria-valuenow': 1,
      },
      this.canvas,
      this.windowBox,
      this.marker,
    );
    const place = (event: PointerEvent) => {
      const r = this.canvas.getBoundingClientRect();
      const slot = Math.floor(((event.clientX - r.left) / r.width) * this.slots);
      return this.most(Math.max(0, Math.min(slot, this.tokens.length - 1)));
    };
    this.canvas.addEventListener('pointerdown', event => {
      if (this.tokens.length) pick(place(event));
    });
    this.windowBox.addEventListener('pointerdown', event => {
      this.windowBox.setPointerCapture(event.pointerId);
      const move = (moved: PointerEvent) => {
        const r = this.canvas.getBoundingClientRect();
        scroll(Math.max(0, ((moved.clientX - r.left) / r.width) * this.slots));
      };
      const stop = () => {
        this.windowBox.removeEventListener('pointermove', move);
        this.windowBox.removeEventListener('pointerup', stop);
      };
      this.windowBox.addEventListener('pointermove', move);
      this.windowBox.addEventListener('pointerup', stop);
    });
    this.observer?.observe(this.element);
  }

  /** Places from left to right; a short text does not get wide bars. */
  private get slots(): number {
    return Math.max(this.wanted, Math.floor(this.element.clientWidth / WIDEST));
  }

  /** Tokens in a bar. */
  get group(): number {
    const width = this.element.clientWidth || 800;
    return Math.max(1, Math.ceil((this.slots * BAR) / width));
  }

  private most(place: number): number {
    const begin = Math.floor(place / this.group) * this.group;
    let highest = begin;
    for (let n = begin; n < Math.min(begin + this.group, this.tokens.length); n++)
      if (this.height(n) > this.height(highest)) highest = n;
    return highest;
  }

  /** `slots` is how many tokens there may be at the most; `hits` are those that are not pale. */
  show(tokens: readonly Token[], slots: number, measure: Measure, hits?: Set<number>): void {
    this.tokens = tokens;
    this.measure = measure;
    this.wanted = Math.max(slots, tokens.length, 1);
    this.hits = hits;
    this.element.setAttribute('aria-valuemax', String(Math.max(tokens.length, 1)));
    this.frame.ask();
  }

  private left(place: number): string {
    return `${(100 * place) / this.slots}%`;
  }

  private value(place: number): number {
    return this.measure.of(this.tokens[place]!, place, this.tokens);
  }

  private height(place: number): number {
    return barHeight(this.measure, this.value(place));
  }

  mark(place: number | undefined, spoken = ''): void {
    this.marker.hidden = place === undefined;
    if (place === undefined) return;
    this.marker.style.left = this.left(place + 0.5);
    this.element.setAttribute('aria-valuenow', String(place + 1));
    this.element.setAttribute('aria-valuetext', spoken);
  }

  window(range: [number, number] | undefined): void {
    this.windowBox.hidden = !range;
    if (!range) return;
    this.windowBox.style.left = this.left(range[0]);
    this.windowBox.style.width = this.left(range[1] - range[0] + 1);
  }

  redraw(): void {
    this.frame.ask();
  }

  private draw(): void {
    const { canvas, tokens, group } = this;
    const width = this.element.clientWidth;
    const context = width ? canvas.getContext('2d') : null;
    if (!context) return;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = HEIGHT * scale;
    context.scale(scale, scale);
    const slot = (width / this.slots) * group;
    const gap = slot > 5 ? 1 : slot > 3 ? 0.5 : 0;
    const ramp = ['line2', 'heat-3', 'heat-3', 'heat-4', 'heat-5', 'heat-solid'].map(name =>
      this.colour(`--llm-${name}`),
    );
    context.fillStyle = this.colour('--llm-line2');
    context.globalAlpha = 0.6;
    context.fillRect(0, HEIGHT - 1, width, 1);
    for (let n = 0; n * group < tokens.length; n++) {
      const step = stepOf(this.measure, this.value(this.most(n * group)));
      const hit =
        !this.hits || tokens.slice(n * group, (n + 1) * group).some((_, k) => this.hits!.has(n * group + k));
      context.globalAlpha = hit ? 1 : 0.25;
      context.fillStyle = ramp[step]!;
      const height = Math.max(2, this.height(this.most(n * group)) * (HEIGHT - 2));
      context.fillRect(n * slot, HEIGHT - height, Math.max(slot - gap, 0.75), height);
    }
  }

  dispose(): void {
    this.observer?.disconnect();
    this.frame.cancel();
  }
}
