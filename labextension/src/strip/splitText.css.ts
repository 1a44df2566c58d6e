import { css } from '../ui/css.js';

export const SPLIT_TEXT_STYLE = css`
  .common {
    color: var(--llm-fg2);
  }
  .two {
    display: grid;
    grid-template-columns: 1fr 1fr;
    gap: 20px;
    margin-top: 8px;
  }
  .two > div {
    border-left: 2px solid var(--llm-mass-solid);
    padding-left: 12px;
    min-width: 0;
  }
  .two > div + div {
    border-color: var(--llm-heat-solid);
  }
  .two h4 {
    font: 11px / 16px var(--llm-ui);
    color: var(--llm-fg2);
    margin: 0 0 4px;
  }
  .two h4::first-letter {
    font-weight: 600;
    color: var(--llm-fg);
  }
  @container (max-width: 640px) {
    .two {
      grid-template-columns: 1fr;
    }
  }
`;
