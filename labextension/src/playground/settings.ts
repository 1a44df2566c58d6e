/** The playground's rail: model, sampling, system prompt. */

import type { ModelRow, PlaygroundState, Settings } from '../protocol/playground.js';
import { h } from '../ui/dom.js';
import { bytes, errorParts, visible } from '../ui/format.js';
import type { Library } from './host.js';
import { PresetList } from './libraryBox.js';

/** The names and ranges that people know. */
const SLIDERS: { name: keyof Settings; label: string; min: number; max: number; step: number }[] = [
  { name: 'temperature', label: 'temperature', min: 0, max: 2, step: 0.05 },
  { name: 'top_p', label: 'top-p', min: 0.05, max: 1, step: 0.01 },
  { name: 'top_k', label: 'top-k', min: 0, max: 100, step: 1 },
  { name: 'min_p', label: 'min-p', min: 0, max: 0.5, step: 0.01 },
  { name: 'repetition_penalty', label: 'repetition', min: 1, max: 2, step: 0.05 },
  { name: 'max_tokens', label: 'max tokens', min: 1, max: 2048, step: 1 },
  { name: 'seed', label: 'seed', min: 0, max: 1000, step: 1 },
];
const STRONGEST = 1.5;
const PRECISIONS = ['int4', 'int8', 'fp32'];
/** Licences that ask for more than a notice. */
const FREE = /^(apache|mit|bsd|cc0|cc-by-4|isc|unlicense)/i;

export interface SettingsActions {
  set(settings: Settings, system: string, raw: boolean, form: string, set: number): void;
  model(name: string): void;
  /** The name of a kept adapter, and its strength; empty for none. */
  adapter(name: string, strength: number): void;
  /** The model that answers too; empty for none. */
  compare(name: string): void;
}

export class SettingsPanel {
  readonly element = h('aside', { class: 'rail-box', 'aria-label': 'Settings' });
  private readonly models = h('ul', { class: 'models', role: 'listbox', 'aria-label': 'Models' });
  private readonly free = h('small');
  private readonly name: HTMLInputElement;
  private readonly refused = h('div', { class: 'refused', role: 'alert' });
  private readonly adapter: HTMLSelectElement;
  private readonly adapterBox: HTMLElement;
  private readonly strength: HTMLInputElement;
  private readonly strengthNumber = h('output', {});
  private readonly strengthBox: HTMLElement;
  private readonly compared: HTMLSelectElement;
  private readonly presets: PresetList;
  private adapters: string[] = [];
  private typed = '';
  private was = false;
  private readonly loading = h('div', { class: 'loading', role: 'status', hidden: true });
  private readonly inputs = new Map<keyof Settings, HTMLInputElement[]>();
  private readonly system: HTMLTextAreaElement;
  private readonly form: HTMLTextAreaElement;
  private readonly raw: HTMLElement;
  private isRaw = false;
  private sent = 0;
  private rows: ModelRow[] = [];
  private memory = { free: 0, total: 0 };
  private chosen: string | null = null;

  constructor(
    private readonly actions: SettingsActions,
    library?: Library,
  ) {
    const name = h('input', {
      class: 'field',
      type: 'search',
      placeholder: 'Name, org/name or file',
      'aria-label': 'Load a model by name',
    });
    name.addEventListener('keydown', event => {
      if (event.key !== 'Enter' || !name.value.trim()) return;
      this.typed = name.value.trim();
      this.actions.model(this.typed);
    });
    this.name = name;
    this.adapter = h('select', {
      class: 'field',
      'aria-label': 'Adapter',
      onchange: () => this.actions.adapter(this.adapter.value, 1),
    });
    this.strength = h('input', {
      type: 'range',
      min: 0,
      max: STRONGEST,
      step: 0.05,
      'aria-label': 'Strength of the adapter',
      oninput: () => {
        this.strengthNumber.textContent = Number(this.strength.value).toFixed(2);
      },
      onchange: () => this.actions.adapter(this.adapter.value, Number(this.strength.value)),
    });
    this.strengthBox = h(
      'div',
      { class: 'setting' },
      h('span', {}, 'strength'),
      this.strength,
      this.strengthNumber,
    );
    this.compared = h('select', {
      class: 'field',
      'aria-label': 'Compare with',
      onchange: () => this.actions.compare(this.compared.value),
    });
    this.presets = new PresetList(
      library,
      settings => this.apply(settings),
      () => this.values(),
    );
    this.adapterBox = h('section', { hidden: true }, h('h2', {}, 'Adapter'), this.adapter, this.strengthBox);
    this.system = h('textarea', {
      class: 'field',
      placeholder: 'the model’s own',
      'aria-label': 'System prompt',
      onchange: () => this.changed(),
    });
    this.form = h('textarea', {
      class: 'field',
      placeholder: 'name, age int',
      'aria-label': 'Schema',
      spellcheck: 'false',
      onchange: () => this.changed(),
    });
    this.raw = h(
      'div',
      { class: 'segments', role: 'radiogroup', 'aria-label': 'How the prompt is read' },
      ...['Chat', 'Raw text'].map((label, n) =>
        h('button', { type: 'button', role: 'radio', onclick: () => this.setRaw(n === 1) }, label),
      ),
    );
    this.element.append(
      h('section', {}, h('h2', {}, 'Model', this.free), name, this.refused, this.models, this.loading),
      this.adapterBox,
      h('section', {}, h('h2', {}, 'Compare with'), this.compared),
      h(
        'section',
        {},
        h('h2', {}, 'Sampling'),
        this.presets.element,
        ...SLIDERS.map(item => this.slider(item)),
      ),
      h('section', {}, h('h2', {}, 'Prompt'), this.raw),
      h('section', {}, h('h2', {}, 'System prompt'), this.system),
      h('section', {}, h('h2', {}, 'Schema of the answers'), this.form),
    );
  }

  show(state: PlaygroundState): void {
    // What was changed here meanwhile is newer than what the kernel tells.
    const late = (state.set ?? 0) < this.sent;
    for (const { name } of late ? [] : SLIDERS)
      for (const input of this.inputs.get(name) ?? [])
        if (input !== active(input)) input.value = String(state.settings[name]);
    if (!late && this.system !== active(this.system)) this.system.value = state.system;
    if (!late && this.form !== active(this.form)) this.form.value = state.form;
    if (!late) this.isRaw = state.raw;
    this.drawRaw();
    const { loading } = state;
    this.loading.hidden = !loading;
    if (loading)
      this.loading.replaceChildren(
        visible(loading.what),
        h('progress', { max: 1, value: loading.share ?? undefined, 'aria-label': 'Loading' }),
      );
    this.chosen = state.model;
    const [what, hint] = errorParts(state.refused);
    this.refused.replaceChildren(...(what ? [h('b', {}, what), h('div', {}, hint)] : []));
    // A name that was not found stays, to be mended; one that is loaded has its card.
    if (this.typed && !loading && !what && this.name.value.trim() === this.typed && this.was)
      this.name.value = '';
    this.was = !!loading;
    this.drawAdapters(state.adapter, state.strength);
    this.drawCompared(state.compared);
    this.drawModels();
  }

  dispose(): void {
    this.presets.dispose();
  }

  /** Another model of the cache, or the same one in another precision. */
  private drawCompared(compared: string): void {
    const own = this.chosen ?? this.rows[0]?.name ?? '';
    const names = [
      ...this.rows.map(row => row.name).filter(name => name !== own),
      ...(own ? PRECISIONS.map(precision => `${own}:${precision}`) : []),
    ];
    if (compared && !names.includes(compared)) names.push(compared);
    const now = names.join('\0');
    if (this.compared.dataset.names !== now) {
      this.compared.dataset.names = now;
      const options = names.map(name => h('option', { value: name }, visible(name)));
      this.compared.replaceChildren(h('option', { value: '' }, 'nothing'), ...options);
    }
    this.compared.value = compared;
  }

  private drawAdapters(chosen: string, strength = 1): void {
    const names = chosen && !this.adapters.includes(chosen) ? [...this.adapters, chosen] : this.adapters;
    this.adapterBox.hidden = !names.length;
    const options = ['', ...names].map(name => h('option', { value: name }, name ? visible(name) : 'none'));
    this.adapter.replaceChildren(...options);
    this.adapter.value = chosen;
    this.strengthBox.hidden = !chosen;
    if (this.strength !== active(this.strength)) this.strength.value = String(strength);
    this.strengthNumber.textContent = Number(this.strength.value).toFixed(2);
  }

  have(rows: ModelRow[], memory: { free: number; total: number }, adapters: string[]): void {
    this.rows = rows;
    this.adapters = adapters;
    this.drawAdapters(this.adapter.value, Number(this.strength.value));
    this.memory = memory;
    this.drawModels();
  }

  private drawModels(): void {
    const { free, total } = this.memory;
    this.free.textContent = total ? `${bytes(free)} of ${bytes(total)} free` : '';
    const chosen = this.chosen ?? this.rows[0]?.name;
    const rows = this.rows.map(row => {
      const share = row.bytes / Math.max(free, 1);
      const is = row.name === chosen;
      const fits = is || share <= 0.7 ? 'fits' : share <= 1 ? 'tight' : 'large';
      const bar = h('i');
      bar.style.width = `${Math.min(100, 100 * share)}%`;
      const pick = () => fits !== 'large' && !is && this.actions.model(row.name);
      return h(
        'li',
        {
          role: 'option',
          tabindex: 0,
          'aria-selected': String(is),
          'aria-disabled': String(fits === 'large'),
          onclick: pick,
          onkeydown: (event: KeyboardEvent) => event.key === 'Enter' && pick(),
        },
        h(
          'div',
          { class: 'top' },
          h('b', {}, visible(row.title)),
          h('span', { class: FREE.test(row.licence) ? 'tag' : 'tag terms' }, visible(row.licence)),
        ),
        h(
          'div',
          { class: 'size' },
          bytes(row.bytes),
          h('span', { class: `gauge ${fits}` }, bar),
          fits === 'large' ? 'too large' : fits,
        ),
      );
    });
    this.models.replaceChildren(...rows);
  }

  private slider(spec: (typeof SLIDERS)[number]): HTMLElement {
    const { name, label, min, max, step } = spec;
    const range = h('input', { type: 'range', min, max, step, 'aria-label': label });
    const number = h('input', {
      type: 'number',
      min,
      step: step < 1 ? 'any' : 1,
      'aria-label': `${label}, number`,
    });
    this.inputs.set(name, [range, number]);
    range.addEventListener('input', () => {
      number.value = range.value;
    });
    range.addEventListener('change', () => this.changed());
    number.addEventListener('change', () => {
      range.value = number.value;
      this.changed();
    });
    const id = `llm-${Math.random().toString(36).slice(2)}`;
    number.id = id;
    return h('div', { class: 'setting' }, h('label', { for: id }, label), range, number);
  }

  private values(): Settings {
    const values = SLIDERS.map(({ name }) => [name, Number(this.inputs.get(name)![1]!.value)]);
    return Object.fromEntries(values) as unknown as Settings;
  }

  /** Take the settings of a preset; what it does not state stays. */
  private apply(settings: Partial<Settings>): void {
    for (const [name, value] of Object.entries(settings))
      for (const input of this.inputs.get(name as keyof Settings) ?? []) input.value = String(value);
    this.changed();
  }

  private changed(): void {
    this.actions.set(this.values(), this.system.value, this.isRaw, this.form.value, ++this.sent);
  }

  private setRaw(raw: boolean): void {
    this.isRaw = raw;
    this.drawRaw();
    this.changed();
  }

  private drawRaw(): void {
    for (const [n, button] of [...this.raw.children].entries())
      button.setAttribute('aria-checked', String((n === 1) === this.isRaw));
    this.system.disabled = this.isRaw;
  }
}

/** The element that has the focus, wherever it stands. */
function active(near: Element): Element | null {
  const root = near.getRootNode();
  return root instanceof ShadowRoot || root instanceof Document ? root.activeElement : null;
}
