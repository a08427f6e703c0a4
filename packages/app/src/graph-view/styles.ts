const LIGHT = `--graph-ground:#fbfbfc;--graph-card:#ffffff;--graph-terminal:#e8eaee;--graph-block:#f0ecfa;
--graph-border:#6b7280;--graph-edge:#8a93a3;--graph-accent:#0b57d0;--graph-match:#b3261e;--graph-ink:#16181d;`;
const DARK = `--graph-ground:#14161a;--graph-card:#22262d;--graph-terminal:#343a44;--graph-block:#322b45;
--graph-border:#8d96a5;--graph-edge:#6c7686;--graph-accent:#8ab4ff;--graph-match:#ffb4a9;--graph-ink:#eceef2;`;

/** Applied as a constructed style sheet, which a content security policy of styles from 'self' alone allows. */
const CSS = `
.eq-graph{${LIGHT}color-scheme:light;position:relative;display:flex;flex-direction:column;gap:6px;min-height:240px;height:100%;
  color:var(--graph-ink);background:var(--graph-ground);font:13px/1.35 system-ui,sans-serif}
@media (prefers-color-scheme:dark){.eq-graph:not([data-theme=light]){${DARK}color-scheme:dark}}
:root[data-theme=light] .eq-graph:not([data-theme=dark]){${LIGHT}color-scheme:light}
:root[data-theme=dark] .eq-graph:not([data-theme=light]){${DARK}color-scheme:dark}
.eq-graph[data-theme=dark]{${DARK}color-scheme:dark}
.eq-graph-bar,.eq-graph-legend{display:flex;flex-wrap:wrap;gap:6px;align-items:center;padding:4px 6px}
.eq-graph button,.eq-graph input,.eq-graph select{font:inherit;color:inherit;background:var(--graph-card);min-height:28px;min-width:28px;
  border:1px solid var(--graph-border);border-radius:5px;padding:2px 8px}
.eq-graph input{width:15em;max-width:100%}
.eq-graph button{cursor:pointer}
.eq-graph button[aria-pressed=true].eq-graph-toggle{border-color:var(--graph-accent);box-shadow:inset 0 0 0 1px var(--graph-accent)}
.eq-graph button:disabled{opacity:.55;cursor:default}
.eq-graph-legend button{display:inline-flex;align-items:center;gap:6px}
.eq-graph-legend button[aria-pressed=false]{text-decoration:line-through;opacity:.75}
.eq-graph-swatch{inline-size:16px;block-size:16px;border:1.5px solid var(--graph-border);border-radius:3px}
.eq-graph-legend button[aria-pressed=false] .eq-graph-swatch{background:none!important}
.eq-graph-stage{position:relative;flex:1;min-height:200px;overflow:hidden}
.eq-graph-canvas{position:absolute;inset:0;inline-size:100%;block-size:100%;touch-action:none;cursor:grab;outline-offset:-2px}
.eq-graph-canvas:active{cursor:grabbing}
.eq-graph :focus-visible{outline:2px solid var(--graph-accent);outline-offset:1px}
.eq-graph-canvas:focus-visible{outline-offset:-2px}
.eq-graph-map{position:absolute;right:8px;bottom:8px;border:1px solid var(--graph-border);border-radius:4px;background:var(--graph-ground);
  overflow:hidden;touch-action:none;cursor:crosshair}
.eq-graph-map canvas{display:block}
.eq-graph-map div{position:absolute;left:0;top:0;border:2px solid var(--graph-accent);box-sizing:border-box;transform-origin:0 0;pointer-events:none}
.eq-graph-note{margin-inline-start:auto;min-height:1.35em}
.eq-graph-busy{position:absolute;left:8px;top:8px;padding:2px 8px;border-radius:4px;background:var(--graph-card);border:1px solid var(--graph-border)}
.eq-graph-hidden{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:520px){.eq-graph-map{display:none}}
@media (forced-colors:active){.eq-graph{--graph-ground:Canvas!important;--graph-card:Canvas!important;
  --graph-terminal:Canvas!important;--graph-block:Canvas!important;--graph-border:CanvasText!important;--graph-edge:GrayText!important;
  --graph-accent:Highlight!important;--graph-match:LinkText!important;--graph-ink:CanvasText!important}}
`;

let sheet: CSSStyleSheet | undefined;

/** Adds the style sheet to the document once. */
export function adoptStyles(): void {
  if (sheet) return;
  sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}
