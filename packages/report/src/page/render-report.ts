import { PRINT_CSS } from "../charts/colours.js";
import { CHART_CSS } from "../charts/index.js";
import { escaped } from "../charts/text.js";
import type { Report } from "../schema.js";
import { beginPage } from "./html.js";
import { pageScript } from "./script.js";
import { pageSections } from "./sections.js";
import { PAGE_CSS } from "./style.js";

/**
 * report.html: one file that needs nothing else, works from a mail attachment, and asks the network for nothing (its own
 * policy forbids it). Drawings are in it; a small script selects, searches and shows tables.
 */
export function renderReport(report: Report): string {
  beginPage();
  const sections = pageSections(report);
  const title = report.title ?? report.model?.path ?? "equant report";
  const links = sections.map(({ id, title }) => `<a href="#${id}">${title}</a>`).join("");
  const body = sections
    .map(
      ({ id, title, html }) =>
        `<section id="${id}" aria-labelledby="${id}-h"><h2 id="${id}-h">${title}</h2>\n${html}</section>`,
    )
    .join("\n");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="generator" content="equant ${escaped(report.tool.version)}">
<title>${escaped(title)} · equant report</title>
<link rel="icon" href="data:,">
<style id="chart-style">${CHART_CSS}</style>
<style>${PAGE_CSS}${PRINT_CSS}</style>
</head>
<body>
<a class="hide skip" href="#summary">Skip to the summary</a>
<header><h1>${escaped(title)}</h1><label>Search <input id="search" type="search" placeholder="layer, operator"></label><button type="button" id="theme">Light or dark</button></header>
<nav aria-label="Parts of the report">${links}</nav>
<main>
<noscript><p>Charts beyond the summary are shown by a script in this file; it is turned off here.</p></noscript>
${body}
<details id="keys"><summary>Keyboard</summary><p><kbd>/</kbd> search · <kbd>j</kbd> <kbd>k</kbd> next and previous layer · <kbd>Esc</kbd> no selection · <kbd>?</kbd> this list</p><p><label><input type="checkbox" id="shortcuts" checked> single-key shortcuts</label></p></details>
</main>
<p id="status" class="hide" role="status"></p>
<script>(${pageScript.toString()})()</script>
</body>
</html>
`;
}
