import { css } from './css.js';

export const SHELL_STYLE = css`
  * {
    box-sizing: border-box;
  }
  .view {
    container-type: inline-size;
    position: relative;
  }
  [hidden] {
    display: none !important;
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    align-items: flex-start;
    gap: 8px 14px;
    margin: 4px 0 10px;
  }
  .row > .right {
    margin-left: auto;
    display: flex;
    gap: 6px;
    align-items: center;
  }
  .segments {
    display: inline-flex;
    max-width: 100%;
    border: 1px solid var(--llm-line2);
    border-radius: 4px;
    overflow: hidden;
    overflow-x: auto !important;
  }
  .segments button {
    border: 0;
    border-left: 1px solid var(--llm-line);
    background: none;
    color: var(--llm-fg2);
    font: 12px / 22px var(--llm-ui);
    padding: 0 8px;
    cursor: pointer;
  }
  .segments button:first-child {
    border-left: 0;
  }
  .segments button[aria-checked="true"] {
    background: var(--llm-accent-soft);
    color: var(--llm-accent);
  }
  .button,
  .field {
    font: 12px / 22px var(--llm-ui);
    height: 24px;
    border: 1px solid var(--llm-line2);
    border-radius: 4px;
    background: var(--llm-bg);
    color: var(--own-fg);
    padding: 0 8px;
  }
  .button {
    cursor: pointer;
    display: inline-flex;
    align-items: center;
    gap: 5px;
    white-space: nowrap;
  }
  .button:disabled {
    border-style: dashed;
    color: var(--llm-fg2);
    background: none;
    cursor: default;
  }
  .button.plain {
    border-color: transparent;
    background: none;
    color: var(--llm-fg2);
    padding: 0 4px;
  }
  .button.main:not(:disabled) {
    background: var(--llm-accent);
    border-color: transparent;
    color: var(--llm-accent-on);
  }
  .field {
    min-width: 0;
  }
  .icon {
    width: 14px;
    height: 14px;
    fill: none;
    stroke: currentColor;
    stroke-width: 1.4;
    stroke-linecap: round;
    stroke-linejoin: round;
  }
  .icon.more {
    stroke-width: 2.4;
  }
  .icon.stop {
    fill: currentColor;
  }
  :is(button, input, textarea, select, [tabindex]):focus-visible {
    outline: 2px solid var(--llm-focus);
    outline-offset: 1px;
  }
  div[tabindex]:focus-visible {
    outline-offset: -2px;
  }
  .pointed [tabindex]:focus-visible {
    outline: 0;
  }
  .fg2 {
    color: var(--llm-fg2);
  }
  .banner {
    border: 1px solid var(--llm-error-line);
    background: var(--llm-error);
    border-radius: 6px;
    padding: 8px 12px;
    margin: 6px 0;
    display: flex;
    gap: 10px;
    align-items: center;
  }
  .banner .icon {
    color: var(--llm-error-text);
    flex: none;
  }
  .banner.warn {
    border-color: var(--llm-warn-line);
    background: var(--llm-warn);
  }
  .banner.warn .icon {
    color: var(--llm-heat-solid);
  }
  .spoken {
    position: absolute;
    top: 0;
    left: 0;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @container (max-width: 480px) {
    .segments button,
    .button,
    .field {
      line-height: 30px;
      height: 32px;
    }
  }
  @media print {
    .row,
    .button {
      display: none !important;
    }
  }
`;
