import { css } from '../ui/css.js';

export const STYLE = css`
  .wide {
    overflow-x: auto;
  }
  .decisions {
    border-collapse: collapse;
    width: 100%;
    font-size: 13px;
  }
  .decisions :is(td, th) {
    border-bottom: 1px solid var(--llm-line);
    padding: 6px 14px 6px 0;
    text-align: left;
    font-weight: 400;
    vertical-align: top;
  }
  .decisions thead th {
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .labels {
    width: 50%;
    min-width: 140px;
  }
  .stack {
    display: flex;
    height: 9px;
    margin-top: 5px;
    background: var(--llm-track);
  }
  small {
    font-size: 11px;
    color: var(--llm-fg2);
  }
`;
