/** The model in use: what it is, what memory it takes, how fast it is; or why there is none. */

import type { LoadedModel, PanelState } from '../protocol/panel.js';
import { h } from '../ui/dom.js';
import { bytes, count, visible } from '../ui/format.js';
import type { PanelContent, PanelHost } from './content.js';

export function inUse(content: PanelContent, host: PanelHost): (Node | string)[] {
  const t = host.translate;
  const { state, kernel } = content;
  if (!state) {
    const what =
      kernel === 'none'
        ? t(
            'There is no running kernel. The cache can be read; everything else needs a notebook with a kernel.',
          )
        : t('This kernel has not loaded the extension. Run %1 in a cell.', '%load_ext llm_magics');
    return [h('p', {}, what)];
  }
  if (state.server) return [h('p', {}, h('b', {}, visible(state.server)), ' ', t('behind a server'))];
  const buttons = h('div', { class: 'buttons' }, choice(content, host), playground(host));
  if (!state.model) {
    const { title, bytes: size } = state.default;
    const text = t('The first %1 cell loads %2 (%3 to download once).', '%%llm', title, bytes(size));
    return [h('p', {}, h('b', {}, t('No model is loaded.')), ' ', text), buttons];
  }
  return [...facts(state.model, state), buttons];
}

function facts(model: LoadedModel, state: PanelState): Node[] {
  const used = model.weights + model.caches;
  const kl = model.kl === null ? '' : ` · KL ${model.kl.toPrecision(1)}`;
  const bar = h('div', { class: 'stack', 'aria-hidden': 'true' });
  for (const [name, part] of [
    ['weights', model.weights],
    ['caches', model.caches],
  ] as const) {
    const piece = h('i', { class: name });
    piece.style.width = `${(100 * part) / Math.max(used + state.free, 1)}%`;
    bar.append(piece);
  }
  const speed =
    model.speed === null || model.first === null
      ? h('p', { class: 'fg2' }, 'nothing generated yet')
      : h(
          'p',
          {},
          h('b', {}, model.speed.toFixed(model.speed < 100 ? 1 : 0)),
          ' tokens/s · first token ',
          h('b', {}, `${model.first.toFixed(2)} s`),
        );
  return [
    h(
      'p',
      { class: 'head' },
      h('b', {}, visible(model.title)),
      h('span', { class: 'chip' }, visible(model.license)),
    ),
    h('p', { class: 'fg2' }, `${visible(model.precision)}${kl} · context ${count(model.context)}`),
    h(
      'p',
      { class: 'head' },
      h('span', {}, 'memory ', h('b', {}, bytes(used))),
      h('span', { class: 'fg2' }, `${bytes(state.free)} free`),
    ),
    bar,
    h(
      'p',
      { class: 'fg2' },
      h('i', { class: 'swatch weights' }),
      `weights ${bytes(model.weights)} `,
      h('i', { class: 'swatch caches' }),
      `caches ${bytes(model.caches)}`,
    ),
    speed,
  ];
}

/** Another model that is in the cache: loading it downloads nothing. */
function choice({ cache, state }: PanelContent, host: PanelHost): HTMLElement {
  const names = [...new Set((cache?.models ?? []).filter(model => !model.damaged).map(model => model.name))];
  const list = h(
    'select',
    {
      class: 'field',
      'data-key': 'use',
      'aria-label': host.translate('Another model'),
      onchange: () => list.value && host.use(list.value),
    },
    h('option', { value: '' }, host.translate('Another model')),
    ...names
      .filter(name => name !== state?.model?.name)
      .map(name => h('option', { value: name }, visible(name))),
  );
  list.disabled = list.options.length < 2;
  return list;
}

const playground = (host: PanelHost): HTMLElement =>
  h(
    'button',
    { class: 'button', type: 'button', 'data-key': 'playground', onclick: () => host.playground() },
    host.translate('Playground'),
  );
