import { css } from '../ui/css.js';

export const STYLE = css`
  .line {
    display: grid;
    grid-template-columns: 10px minmax(60px, 130px) minmax(80px, 1fr) 96px 70px 56px;
    gap: 0 12px;
    align-items: center;
    padding: 6px 0;
    border-bottom: 1px solid var(--llm-line);
    font-size: 13px;
    cursor: default;
  }
  .line.head {
    font-size: 11px;
    color: var(--llm-fg2);
    padding: 3px 0;
  }
  .line :is(b, span):nth-child(n + 4) {
    text-align: right;
  }
  .line code {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .line .chosen {
    font-weight: 700;
  }
  .dot {
    color: var(--llm-heat-solid);
  }
  .line .bar {
    height: 9px;
  }
  .details {
    background: var(--llm-cell);
    padding: 6px 12px 6px 22px;
    border-bottom: 1px solid var(--llm-line);
    font-size: 12px;
  }
  .why {
    margin-top: 6px;
  }
  .piece {
    border: 1px solid var(--llm-line2);
    border-radius: 3px;
    padding: 0 3px;
    margin-right: 3px;
  }
  .rest {
    display: flex;
    flex-wrap: wrap;
    gap: 2px 12px;
    align-items: center;
    margin: 10px 0 2px;
    font-size: 12px;
  }
  .rest p {
    flex-basis: 100%;
    margin: 4px 0 0;
    color: var(--llm-fg2);
  }
  .stack {
    display: flex;
    flex: 1;
    min-width: 120px;
    height: 9px;
  }
  @container (max-width: 480px) {
    .line {
      grid-template-columns: 10px minmax(50px, 1fr) 80px 60px;
    }
    .line > :nth-child(3),
    .line > :nth-child(6) {
      display: none;
    }
  }
`;
