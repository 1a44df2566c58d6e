import { css } from '../../ui/css.js';

export const STYLE = css`
  table {
    border-collapse: collapse;
    width: 100%;
    font-size: 13px;
  }
  td,
  th {
    padding: 5px 10px 5px 0;
    border-bottom: 1px solid var(--llm-line);
    text-align: right;
    font-weight: 400;
    white-space: nowrap;
  }
  th {
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .models :is(td, th):first-child,
  .choices :is(td, th):first-child,
  .choices :is(td, th):last-child {
    text-align: left;
  }
  .interval {
    position: relative;
    display: block;
    height: 14px;
    min-width: 160px;
    background: linear-gradient(var(--llm-line2), var(--llm-line2)) center / 100% 1px no-repeat;
  }
  .interval i {
    position: absolute;
    top: 6px;
    height: 2px;
    background: var(--llm-mass-4);
  }
  .interval b {
    position: absolute;
    top: 2px;
    width: 10px;
    height: 10px;
    margin-left: -5px;
    border-radius: 5px;
    background: var(--llm-accent);
  }
  h4 {
    margin: 14px 0 4px;
    font: 600 13px var(--llm-ui);
  }
  h4 small {
    font-weight: 400;
    color: var(--llm-fg2);
  }
  .list {
    max-height: 560px;
    overflow: auto;
  }
  .line {
    display: grid;
    grid-template-columns: 48px minmax(120px, 1fr) repeat(var(--n), minmax(70px, 150px)) minmax(70px, 150px);
    gap: 0 12px;
    align-items: center;
    padding: 5px 0;
    border-bottom: 1px solid var(--llm-line);
    font-size: 13px;
    cursor: default;
  }
  .line.head {
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .line > * {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .line > .text {
    direction: rtl;
    text-align: left;
  }
  .line .text bdi {
    direction: ltr;
  }
  .right {
    color: var(--llm-fg);
  }
  .wrong {
    color: var(--llm-heat-solid);
    font-weight: 600;
  }
  .details {
    background: var(--llm-cell);
    padding: 6px 12px 10px;
    border-bottom: 1px solid var(--llm-line);
  }
  .details pre {
    max-height: 160px;
    overflow: auto;
    margin: 4px 0 8px;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    font: 12px / 1.5 var(--llm-code);
  }
  .choices :is(td, th):last-child {
    white-space: normal;
  }
  .choices code {
    margin-right: 2px;
    padding: 0 2px;
    border-radius: 2px;
  }
  @container (max-width: 640px) {
    .models .wide {
      display: none;
    }
    .models :is(td, th) {
      white-space: normal;
    }
    .models :is(td, th):first-child {
      overflow-wrap: anywhere;
    }
    .line {
      grid-template-columns: 34px minmax(80px, 1fr) repeat(var(--n), 62px);
    }
    .line > :last-child {
      display: none;
    }
    .choices .n {
      display: none;
    }
  }
`;
