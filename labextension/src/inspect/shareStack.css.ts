import { css } from '../ui/css.js';

export const SHARE_STACK_STYLE = css`
  .stack .part-0 {
    background: var(--llm-mass-4);
  }
  .stack .part-1 {
    background: var(--llm-mass-solid);
  }
  .stack .part-2 {
    background: var(--llm-mass-2);
  }
`;
