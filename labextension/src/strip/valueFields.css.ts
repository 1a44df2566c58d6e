import { css } from '../ui/css.js';

export const FIELDS_STYLE = css`
  .fields {
    width: 100%;
    max-width: 640px;
    margin: 10px 0 2px;
    border-collapse: collapse;
    font-size: 12px;
  }
  .fields :is(td, th) {
    padding: 4px 12px 4px 0;
    border-bottom: 1px solid var(--llm-line);
    text-align: left;
    font-weight: 400;
  }
  .fields th {
    color: var(--llm-fg2);
    font-size: 11px;
  }
  .fields .n {
    width: 62px;
    text-align: right;
    padding-right: 0;
    font-weight: 600;
  }
  .fields .share {
    width: 26%;
  }
  .fields .bar {
    display: block;
    height: 8px;
    background: var(--llm-track);
  }
  .fields .bar i {
    display: block;
    height: 100%;
    background: var(--llm-mass-4);
  }
  .fields td:nth-child(3) {
    overflow-wrap: anywhere;
  }
  @container (max-width: 480px) {
    .fields .share,
    .fields :is(td, th):nth-child(2) {
      display: none;
    }
  }
`;
