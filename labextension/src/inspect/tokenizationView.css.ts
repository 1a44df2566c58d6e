import { css } from '../ui/css.js';

export const STYLE = css`
  :host {
    --a: var(--llm-piece-1);
    --b: var(--llm-piece-2);
  }
  .cols {
    display: grid;
    grid-template-columns: repeat(var(--n), minmax(0, 1fr));
    gap: 20px 34px;
  }
  .cols h3 {
    font: 600 13px var(--llm-ui);
    margin: 0;
    padding-bottom: 6px;
    border-bottom: 1px solid var(--llm-line2);
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .cols h3 span {
    font-weight: 400;
    color: var(--llm-fg2);
  }
  .total {
    display: grid;
    grid-template-columns: auto auto 1fr auto;
    gap: 8px;
    align-items: center;
    margin: 6px 0;
  }
  .total b {
    font: 600 17px var(--llm-ui);
  }
  .grey i {
    background: var(--llm-fg3) !important;
  }
  .text {
    font: 15px / 27px var(--llm-text);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    max-height: 50vh;
    overflow: auto;
  }
  .ids .text,
  .hex .text {
    font: 12px / 24px var(--llm-code);
  }
  .text span {
    background: var(--a);
    box-shadow: inset 1px 0 0 -0.4px var(--llm-fg3);
    background-clip: padding-box;
    padding: 2px 0;
    cursor: default;
  }
  .text span:nth-child(even) {
    background: var(--b);
  }
  .ids .text span,
  .hex .text span {
    margin-right: 3px;
    padding: 2px 3px;
  }
  .text em {
    font-style: normal;
    color: var(--llm-fg3);
  }
  .text .same {
    outline: 2px solid var(--llm-accent);
    outline-offset: -1px;
  }
  .detail {
    border-top: 1px solid var(--llm-line);
    margin-top: 12px;
    padding: 8px 0;
    min-height: 86px;
  }
  .detail .name {
    font: 600 14px var(--llm-code);
  }
  .detail code {
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .bits {
    display: flex;
    flex-wrap: wrap;
    gap: 2px 4px;
    align-items: flex-start;
  }
  .bits span {
    text-align: center;
    font: 13px var(--llm-code);
  }
  .bits i {
    display: block;
    font-style: normal;
    background: var(--a);
    padding: 0 4px;
  }
  .bits span:nth-child(even) i {
    background: var(--b);
  }
  .bits small {
    font: 10.5px var(--llm-ui);
    color: var(--llm-fg2);
  }
  .bits .n {
    margin-left: auto;
    font: 12px var(--llm-ui);
  }
  table {
    width: 100%;
    border-collapse: collapse;
    margin-top: 4px;
  }
  td,
  th {
    padding: 4px 8px 4px 0;
    border-bottom: 1px solid var(--llm-line);
    text-align: right;
    font-weight: 400;
    white-space: nowrap;
  }
  th {
    color: var(--llm-fg2);
    font-size: 11px;
  }
  :is(td, th):first-child,
  th.l {
    text-align: left;
  }
  td.best {
    font-weight: 600;
  }
  td.x {
    color: var(--llm-fg2);
  }
  td.w {
    width: 18%;
  }
  @container (max-width: 640px) {
    .cols {
      grid-template-columns: 1fr;
    }
    td.w,
    th.w {
      display: none;
    }
  }
`;
