import { css } from '../ui/css.js';

export const TEXT_STYLE = css`
  .pane {
    position: relative;
  }
  .text {
    font: var(--jp-content-font-size1, 15px) / 27px var(--llm-text);
    max-width: 41em;
    overflow-wrap: anywhere;
    white-space: pre-wrap;
    tab-size: 4;
    cursor: default;
  }
  .text.long {
    max-height: 60vh;
    max-width: none;
    overflow-y: auto;
    overscroll-behavior: contain;
    border-left: 2px solid var(--llm-line);
    padding-left: 12px;
  }
  .text.long .p {
    max-width: 41em;
  }
  .text.long .p {
    content-visibility: auto;
    contain-intrinsic-size: auto none auto 108px;
  }
  .text.prose {
    line-height: var(--jp-content-line-height, 1.6);
  }
  .prose .g[data-g="⏎"] {
    display: none;
  }
  .p.code {
    font: 13px / 22px var(--llm-code);
  }
  .t {
    color: var(--llm-on);
    border-radius: 2px;
    padding: 3px 0 1px;
    border-bottom: 0 solid var(--llm-heat-line);
    box-decoration-break: clone;
    -webkit-box-decoration-break: clone;
  }
  .t.s0 {
    color: inherit;
  }
  .s1 {
    background: var(--llm-heat-1);
  }
  .s2 {
    background: var(--llm-heat-2);
  }
  .s3 {
    background: var(--llm-heat-3);
    border-bottom-width: 1px;
  }
  .s4 {
    background: var(--llm-heat-4);
    border-bottom-width: 2px;
  }
  .s5 {
    background: var(--llm-heat-5);
    border-bottom-width: 3px;
  }
  .g {
    color: var(--llm-fg3);
    user-select: none;
    -webkit-user-select: none;
  }
  .t.g {
    color: var(--llm-fg2);
  }
  .g::after {
    content: attr(data-g);
  }
  .chip {
    font: 11px / 16px var(--llm-ui);
    border: 1px solid var(--llm-line2);
    border-radius: 4px;
    padding: 0 5px;
    margin: 0 2px;
    color: var(--llm-fg2);
    user-select: none;
    -webkit-user-select: none;
    white-space: nowrap;
    vertical-align: 1px;
  }
  .caret {
    display: inline-block;
    width: 7px;
    height: 17px;
    margin-left: 1px;
    vertical-align: -3px;
    background: var(--llm-accent);
    animation: blink 1s steps(1) infinite;
  }
  @keyframes blink {
    50% {
      opacity: 0;
    }
  }
  .finding {
    color: var(--llm-fg2);
  }
  .t.forced {
    color: var(--llm-fg2);
  }
  .t.against {
    text-decoration: underline 1.5px dotted;
    text-underline-offset: 4px;
  }
  .hit {
    outline: 1.5px solid var(--llm-fg);
    outline-offset: 1px;
    color: var(--llm-fg);
  }
  .hit:not(.s0) {
    color: var(--llm-on);
  }
  .box {
    position: absolute;
    pointer-events: none;
    border: 2px solid var(--llm-accent);
    border-radius: 3px;
  }
  @media (prefers-reduced-motion: reduce) {
    .caret {
      animation: none;
    }
  }
  @media print {
    .text.long {
      max-height: none;
      overflow: visible;
    }
    .caret,
    .box {
      display: none;
    }
    .text.long .p {
      content-visibility: visible;
    }
  }
  @media (forced-colors: active) {
    .s1,
    .s2 {
      border-bottom-width: 1px;
      border-bottom-style: dotted;
    }
    .box {
      border-color: Highlight;
    }
  }
`;
