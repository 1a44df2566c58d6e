import { css } from '../ui/css.js';

export const ERROR_STYLE = css`
  .block {
    display: grid;
    grid-template-columns: 16px minmax(0, 1fr) auto;
    gap: 4px 10px;
    border: 1px solid var(--llm-error-line);
    border-radius: 6px;
    background: var(--llm-error);
    color: var(--llm-on);
    padding: 9px 12px;
    margin: 4px 0;
    font: 12px / 20px var(--llm-ui);
  }
  .block > .icon {
    color: var(--llm-error-text);
    margin-top: 3px;
  }
  .what {
    font-size: 13px;
    overflow-wrap: anywhere;
  }
  .name {
    font: 700 12px var(--llm-code);
    color: var(--llm-error-text);
    margin-right: 8px;
  }
  .block code {
    font: 11.5px var(--llm-code);
    border: 1px solid var(--llm-error-line);
    border-radius: 4px;
    background: var(--llm-surface);
    color: var(--own-fg);
    padding: 0 4px;
    display: inline-block;
    max-width: 100%;
    text-indent: 0;
    line-height: 16px;
  }
  .block b code {
    border: 0;
    background: none;
    color: inherit;
    font-weight: 700;
    padding: 0;
  }
  .why {
    display: flex;
    flex-wrap: wrap;
    gap: 0 10px;
    align-items: center;
  }
  .bar {
    display: inline-flex;
    width: 190px;
    height: 8px;
    flex: none;
  }
  .bar .part-0 {
    background: var(--llm-mass-4);
  }
  .bar .part-1 {
    background: var(--llm-mass-solid);
  }
  .bar .part-2 {
    background: var(--llm-fg3);
  }
  .bar .over {
    background: repeating-linear-gradient(-45deg, var(--llm-error-text) 0 2px, transparent 2px 4px);
  }
  .block ul {
    list-style: none;
    margin: 2px 0 0;
    padding: 0;
  }
  .block li {
    padding-left: 16px;
    text-indent: -16px;
    overflow-wrap: anywhere;
  }
  .block li::before {
    content: "→ ";
  }
  .side {
    display: flex;
    flex-flow: column;
    align-items: flex-end;
    gap: 6px;
  }
  .side a {
    font-size: 11px;
    color: inherit;
  }
  @container (max-width: 520px) {
    .block {
      grid-template-columns: 16px minmax(0, 1fr);
    }
    .name {
      display: block;
    }
    .side {
      grid-column: 2;
      flex-flow: row wrap;
      align-items: center;
    }
    .side .button {
      height: 32px;
    }
  }
  @media print {
    .side .button {
      display: none;
    }
  }
`;
