import { css } from '../ui/css.js';

export const SETTINGS_STYLE = css`
  .rail-box {
    flex: 0 0 262px;
    padding: 16px;
    border-right: 1px solid var(--llm-line);
    overflow-y: auto;
    display: flex;
    flex-direction: column;
    gap: 14px;
  }
  .rail-box h2 {
    font: 600 12px var(--llm-ui);
    margin: 0 0 6px;
    display: flex;
    justify-content: space-between;
  }
  .rail-box h2 small {
    font-weight: 400;
    color: var(--llm-fg2);
  }
  .rail-box .field {
    width: 100%;
  }
  .models {
    list-style: none;
    margin: 6px 0 0;
    padding: 0;
  }
  .models li {
    padding: 6px 8px;
    border: 1px solid transparent;
    border-radius: 4px;
    cursor: pointer;
  }
  .models li[aria-selected="true"] {
    background: var(--llm-accent-soft);
    border-color: var(--llm-accent);
  }
  .models li[aria-disabled="true"] {
    color: var(--llm-fg2);
    border: 1px dashed var(--llm-line2);
    cursor: default;
  }
  .models .top,
  .models .size {
    display: flex;
    justify-content: space-between;
    gap: 8px;
    align-items: center;
  }
  .models .tag {
    flex: none;
  }
  .models b {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .models .size {
    color: var(--llm-fg2);
    font-size: 11px;
    margin-top: 3px;
  }
  .gauge {
    flex: 1;
    height: 4px;
    background: var(--llm-track);
  }
  .gauge i {
    display: block;
    height: 100%;
    background: var(--llm-mass-4);
  }
  .gauge.tight i {
    background: var(--llm-heat-4);
  }
  .gauge.large i {
    background: var(--llm-fg3);
  }
  .terms {
    border-color: var(--llm-heat-line);
    color: var(--llm-heat-line);
  }
  .setting {
    display: grid;
    grid-template-columns: 84px 1fr 52px;
    gap: 8px;
    align-items: center;
    height: 26px;
  }
  .setting label {
    color: var(--llm-fg2);
  }
  .setting input[type="range"] {
    width: 100%;
    accent-color: var(--llm-mass-solid);
    min-width: 0;
    margin: 0;
  }
  .setting input[type="number"] {
    width: 100%;
    text-align: right;
    border: 1px solid transparent;
    background: none;
    color: inherit;
    font: inherit;
    padding: 2px;
    appearance: textfield;
    -moz-appearance: textfield;
  }
  .setting input[type="number"]:hover,
  .setting input[type="number"]:focus {
    border-color: var(--llm-line2);
    border-radius: 4px;
  }
  .rail-box textarea {
    width: 100%;
    min-height: 58px;
    resize: vertical;
    height: auto;
    line-height: 1.4;
    padding: 6px 8px;
  }
  .refused {
    font-size: 11px;
    color: var(--llm-fg2);
    margin-top: 4px;
  }
  .refused:empty {
    display: none;
  }
  .refused b {
    color: var(--llm-error-text);
    font-weight: 600;
  }
  .loading {
    color: var(--llm-fg2);
  }
  .loading progress {
    width: 100%;
    height: 6px;
    accent-color: var(--llm-mass-solid);
  }
  details.fold > summary {
    cursor: pointer;
    padding: 8px 12px;
    border-bottom: 1px solid var(--llm-line);
  }
`;
