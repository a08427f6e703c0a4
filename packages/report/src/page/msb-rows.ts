import { CHARTS, msbKey, msbSteps } from "../charts/index.js";
import { escaped } from "../charts/text.js";
import type { MsbRow } from "../schema.js";
import { figure, packHtml } from "./html.js";

/** Below a heat map: the row to open, by keyboard or by a click on the drawing, and the place where it opens. */
export function rowChoice(rows: readonly MsbRow[]): string {
  const options = rows.map(
    (row) => `<option value="${escaped(msbKey(row))}">${escaped(`${row.layer}, ${row.kind}`)}</option>`,
  );
  return `<p class="choice"><label>Channels and worked example of <select class="msb-row"><option value="">– choose a row –</option>${options.join("")}</select></label></p><div class="row-detail"></div>`;
}

/** What a row opens: its channels that lose most, and MathWorks' eight steps on values of it. */
export function rowTemplate(row: MsbRow): string {
  const steps = msbSteps(row);
  const html = [
    figure(CHARTS["msb-channels"].draw(row), { eager: true }),
    steps ? `<ol class="steps">${steps.map((step) => `<li>${escaped(step)}</li>`).join("")}</ol>` : "",
    figure(CHARTS["msb-bits"].draw(row), { eager: true }),
  ].join("");
  const kept = row.encoding ? `It is stored in ${row.encoding.bits} bits` : "It stays float";
  const shown = html === "" ? `<p>${kept}: there is nothing to show bit by bit.</p>` : html;
  return `<script type="text/plain" data-row-charts="${escaped(msbKey(row))}">${packHtml(shown)}</script>\n`;
}
