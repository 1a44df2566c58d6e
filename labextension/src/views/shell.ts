/** The root that every view stands in: a shadow root with the colours, so that no host's style gets in. */

import { h, icon, perFrame } from '../dom.js';
import { COLOURS, followTheme } from '../theme.js';

export const CONTROLS = `
*{box-sizing:border-box}
.view{container-type:inline-size;position:relative}
[hidden]{display:none!important}
.row{display:flex;flex-wrap:wrap;align-items:flex-start;gap:8px 14px;margin:4px 0 10px}
.row>.right{margin-left:auto;display:flex;gap:6px;align-items:center}
.segments{display:inline-flex;max-width:100%;overflow-x:auto!important;border:1px solid var(--llm-line2);border-radius:4px;overflow:hidden}
.segments button{border:0;border-left:1px solid var(--llm-line);background:none;color:var(--llm-fg2);font:12px/22px var(--llm-ui);padding:0 8px;cursor:pointer}
.segments button:first-child{border-left:0}
.segments button[aria-checked=true]{background:var(--llm-accent-soft);color:var(--llm-accent)}
.button,.field{font:12px/22px var(--llm-ui);height:24px;border:1px solid var(--llm-line2);border-radius:4px;background:var(--llm-bg);color:var(--own-fg);padding:0 8px}
.button{cursor:pointer;display:inline-flex;align-items:center;gap:5px;white-space:nowrap}
.button:disabled{border-style:dashed;color:var(--llm-fg2);background:none;cursor:default}
.button.plain{border-color:transparent;background:none;color:var(--llm-fg2);padding:0 4px}
.button.main:not(:disabled){background:var(--llm-accent);border-color:transparent;color:var(--llm-accent-on)}
.field{min-width:0}
.icon{width:14px;height:14px;fill:none;stroke:currentColor;stroke-width:1.4;stroke-linecap:round;stroke-linejoin:round}
.icon.more{stroke-width:2.4}.icon.stop{fill:currentColor}
:is(button,input,textarea,select,[tabindex]):focus-visible{outline:2px solid var(--llm-focus);outline-offset:1px}
div[tabindex]:focus-visible{outline-offset:-2px}.pointed [tabindex]:focus-visible{outline:0}
.fg2{color:var(--llm-fg2)}
.banner{border:1px solid var(--llm-error-line);background:var(--llm-error);border-radius:6px;padding:8px 12px;margin:6px 0;display:flex;gap:10px;align-items:center}
.banner .icon{color:var(--llm-error-text);flex:none}
.banner.warn{border-color:var(--llm-warn-line);background:var(--llm-warn)}.banner.warn .icon{color:var(--llm-heat-solid)}
.spoken{position:absolute;top:0;left:0;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@container (max-width:480px){.segments button,.button,.field{line-height:30px;height:32px}}
@media print{.row,.button{display:none!important}}`;

export interface Shell {
  /** Where the view puts its elements. */
  root: HTMLElement;
  /** The computed value of a custom property. */
  colour(name: string): string;
  /** Call `draw` once the colours can be read, and whenever they change: a canvas keeps what was painted. */
  onColours(draw: () => void): void;
  dispose(): void;
}

/** A root below `parent`; what stands in one already needs none of its own, only its style. */
export function shell(parent: HTMLElement, style: string): Shell {
  const outer = parent.getRootNode();
  const inside = outer instanceof ShadowRoot && outer.host.hasAttribute('data-llm-view');
  if (inside) {
    const root = h('div', { class: 'view' });
    const name = `llm-${hash(style)}`;
    if (!outer.getElementById(name)) outer.append(h('style', { id: name }, style));
    parent.append(root);
    const off: (() => void)[] = [];
    return {
      root,
      colour: name => value(outer.host, name),
      onColours: draw => off.push(watchColours(outer.host, draw)),
      dispose() {
        for (const each of off) each();
        root.remove();
      },
    };
  }
  // On the focused element itself or its shadow host: JupyterLab's own shortcuts then let our keys be.
  const host = h('div', { 'data-llm-view': true, 'data-lm-suppress-shortcuts': 'true' });
  const root = h('div', { class: 'view' });
  host.attachShadow({ mode: 'open' }).append(h('style', {}, COLOURS + CONTROLS + style), root);
  parent.append(host);
  // What is focused because something in it was clicked shows no ring.
  root.addEventListener('pointerdown', () => root.classList.add('pointed'), { capture: true });
  root.addEventListener('keydown', () => root.classList.remove('pointed'), { capture: true });
  const off = [followTheme(host)];
  return {
    root,
    colour: name => value(host, name),
    onColours: draw => off.push(watchColours(host, draw)),
    dispose() {
      for (const each of off) each();
      host.remove();
    },
  };
}

/** A view that is built before it is in the document has no colours yet: its host has no size either. */
function watchColours(host: Element, draw: () => void): () => void {
  // JupyterLab takes cells out of the page for a moment: one frame later they are back, or their size tells.
  const frame = perFrame(() => host.isConnected && draw());
  const colours = new MutationObserver(() => frame.ask());
  colours.observe(host, { attributes: true, attributeFilter: ['data-llm-theme', 'data-llm-paint'] });
  let connected = host.isConnected;
  const size =
    typeof ResizeObserver === 'undefined'
      ? undefined
      : new ResizeObserver(() => {
          if (host.isConnected && !connected) draw();
          connected = host.isConnected;
        });
  size?.observe(host);
  // Paper is white: what was painted for a dark page is painted anew.
  const paper = window.matchMedia?.('print');
  paper?.addEventListener('change', draw);
  return () => {
    paper?.removeEventListener('change', draw);
    frame.cancel();
    colours.disconnect();
    size?.disconnect();
  };
}

function value(element: Element, name: string): string {
  return getComputedStyle(element).getPropertyValue(name).trim() || '#888';
}

function hash(text: string): number {
  let sum = 0;
  for (let n = 0; n < text.length; n++) sum = (31 * sum + text.charCodeAt(n)) | 0;
  return sum >>> 0;
}

/** Give the focus back to what the view stands in: in a notebook its cell. */
export function leave(target: HTMLElement): void {
  const root = target.getRootNode();
  const outer = root instanceof ShadowRoot ? root.host : target;
  const holder = outer.parentElement?.closest<HTMLElement>('[tabindex]');
  if (holder) holder.focus({ preventScroll: true });
  else target.blur();
}

/** A banner with what is wrong and what to do next. */
export function banner(what: string, next: string, icon?: Element): HTMLElement {
  return h(
    'div',
    { class: 'banner', role: 'alert' },
    icon ?? null,
    h('div', {}, h('b', {}, what), h('div', {}, next)),
  );
}

const SAID = 'llm-magics-said';

/** Show an error below a view that stands in the page itself: in a root of its own, as it needs our style. */
export function say(node: HTMLElement, what: string, next: string): void {
  const { root } = shell(node, '');
  (root.getRootNode() as ShadowRoot).host.classList.add(SAID);
  root.append(banner(what, next, icon('error')));
  (root.getRootNode() as ShadowRoot).host.scrollIntoView?.({ block: 'nearest' });
}

/** Remove the errors that were shown. */
export function unsay(node: HTMLElement): void {
  for (const old of node.querySelectorAll(`.${SAID}`)) old.remove();
}
