/** Style of the element around its charts, whose colours it shares. */
export const ELEMENT_CSS = `
:host{display:block;font:14px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
:host([hidden]){display:none}
.body{color-scheme:light dark}
.body[data-theme=light]{color-scheme:light}
.body[data-theme=dark]{color-scheme:dark}
.body{color:light-dark(#1b1f24,#e8eaed);background:light-dark(#fff,#14171b)}
.body[data-theme]{padding:12px}
.verdict{font-size:1.15em;font-weight:600;margin:0 0 8px}
.failed{border-left:4px solid light-dark(#b3261e,#ff8a80);padding:4px 12px}
figure{margin:20px 0}
figcaption{margin-bottom:4px}
figure p{margin:4px 0;color:light-dark(#525c68,#a8b0b9)}
.drawing{overflow-x:auto}
label{color:light-dark(#525c68,#a8b0b9)}
select{font:inherit;min-height:28px;max-width:100%}
summary{cursor:pointer;min-height:24px}
.numbers{overflow:auto;max-height:320px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9em}
th,td{text-align:right;padding:3px 8px;border-bottom:1px solid light-dark(#d3dae1,#2d333a);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
:focus-visible{outline:2px solid light-dark(#0b5cad,#66b0f5);outline-offset:2px}
`;
