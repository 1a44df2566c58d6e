/** Saved adapters: one may be used by all cells that state none, with a strength. */

import type { PanelState } from '../protocol/panel.js';
import { h } from '../ui/dom.js';
import { bytes, visible } from '../ui/format.js';
import type { PanelHost } from './content.js';

const STRONGEST = 1.5;

export function adapterList(state: PanelState | undefined, host: PanelHost): (Node | string)[] {
  const t = host.translate;
  if (!state) return [h('p', { class: 'fg2' }, t('Needs a running kernel.'))];
  if (!state.adapters.length)
    return [h('p', { class: 'fg2' }, t('None yet. %1 saves one.', '%%llm_tune -n NAME'))];
  const items = state.adapters.map(adapter => {
    const chosen = state.adapter?.name === adapter.name;
    const box = h('input', {
      type: 'checkbox',
      'data-key': `adapter ${adapter.name}`,
      onchange: () => host.adapt(box.checked ? adapter.name : null, 1),
    });
    box.checked = chosen;
    box.disabled = adapter.fits === false || !state.model;
    const note = adapter.fits === false ? t('for %1', visible(adapter.base)) : bytes(adapter.bytes);
    const row = h(
      'label',
      { class: 'head' },
      h('span', {}, box, visible(adapter.name)),
      h('span', { class: 'fg2' }, note),
    );
    return h('li', {}, row, chosen ? strength(state.adapter!, host) : null);
  });
  return [h('ul', {}, ...items)];
}

function strength(
  { name, strength: value }: { name: string; strength: number },
  host: PanelHost,
): HTMLElement {
  const output = h('output', {}, value.toFixed(2));
  const input = h('input', {
    type: 'range',
    min: 0,
    max: STRONGEST,
    step: 0.05,
    value,
    'data-key': 'strength',
    'aria-label': host.translate('Strength of %1', visible(name)),
    oninput: () => {
      output.textContent = Number(input.value).toFixed(2);
    },
    onchange: () => host.adapt(name, Number(input.value)),
  });
  return h('label', { class: 'strength' }, host.translate('strength'), input, output);
}
