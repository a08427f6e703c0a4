import type { ValidationSection } from "@equant/report";
import { useState } from "preact/hooks";
import { compareImage, confused, showConfused } from "../../state/samples.js";
import { activity, currentRunId, data } from "../../state/store.js";
import { Chart } from "./chart.js";
import { Select } from "./fields.js";
import { Panel } from "./panel.js";
import { Thumb } from "./thumb.js";

/** What is taken for what, and the images behind it. */
export function Confusions({ section, stale }: { section: ValidationSection; stale: boolean }) {
  const { confusion, perClass } = section.candidate.accuracy!;
  const names = Array.from({ length: confusion.classes }, (_, at) => String(at));
  for (const { class: at, name } of perClass) names[at] = name;
  const worst = [...confusion.entries].filter(([truth, answer]) => truth !== answer).sort((a, b) => b[2] - a[2])[0];
  const [cell, setCell] = useState<readonly [number, number]>([worst?.[0] ?? 0, worst?.[1] ?? 0]);
  const options = names.map((text, at) => ({ value: String(at), text }));
  const before = new Map(section.baseline?.accuracy?.perClass.map((own) => [own.class, own.accuracy]));
  const loses = perClass.some((own) => own.accuracy < (before.get(own.class) ?? 0));
  const busy = activity.value !== null || stale;
  const show = (truth: number, answer: number) => {
    setCell([truth, answer]);
    if (!busy) void showConfused(truth, answer);
  };
  return (
    <Panel title="Confusions" level="measured" stale={stale} hint="a number in the chart opens the images behind it">
      <Chart name="confusion" args={[section]} onCell={show} />
      {data.value?.value.labelled && (
        <div class="fields">
          <Select
            label="True class"
            value={String(cell[0])}
            options={options}
            onChange={(value) => setCell([Number(value), cell[1]])}
          />
          <Select
            label="Answer, quantized"
            value={String(cell[1])}
            options={options}
            onChange={(value) => setCell([cell[0], Number(value)])}
          />
          <button type="button" class="button" disabled={busy} onClick={() => show(...(cell as [number, number]))}>
            Show the images
          </button>
        </div>
      )}
      <ConfusedImages names={names} />
      {loses ? <Chart name="class-drop" args={[section]} /> : <p class="hint">No class loses accuracy.</p>}
    </Panel>
  );
}

function ConfusedImages({ names }: { names: readonly string[] }) {
  const entry = confused.value;
  if (!entry || entry.run !== currentRunId.value) return null;
  const { truth, answer, searched, found, samples } = entry.value;
  return (
    <div data-testid="confused">
      <p>
        {found} of {searched} images of <strong>{names[truth]}</strong> {found === 1 ? "is" : "are"} taken for{" "}
        <strong>{names[answer]}</strong>
        {found > samples.length ? `, ${samples.length} shown` : ""}.
      </p>
      <div class="thumbs">
        {samples.map(({ id, thumbnail, before }) => (
          <button
            key={id}
            type="button"
            class="thumb-button"
            disabled={activity.value !== null}
            aria-label={`${id}, float answers ${before}: compare`}
            onClick={() => void compareImage(id)}
          >
            {thumbnail ? <Thumb value={thumbnail} caption={`float: ${before}`} /> : `${id}, float: ${before}`}
          </button>
        ))}
      </div>
    </div>
  );
}
