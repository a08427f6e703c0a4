import { useEffect, useRef } from "preact/hooks";
import { formatDb, formatNumber } from "../../format.js";
import type { Activation, Answer } from "../../protocol.js";
import { compared, compareImage } from "../../state/samples.js";
import { activity, currentRunId, selectedLayer } from "../../state/store.js";
import { Heat } from "./heat.js";
import { Thumb } from "./thumb.js";

/** One image in both networks: first answers, and the output of the selected layer. */
export function TwoUp() {
  const entry = compared.value;
  const place = useRef<HTMLElement>(null);
  // Asked for from far above: it comes into view.
  useEffect(() => place.current?.scrollIntoView({ block: "nearest" }), [entry]);
  if (!entry || entry.run !== currentRunId.value) return null;
  const { id, label, thumbnail, float, quantized, activation } = entry.value;
  const layer = selectedLayer.value;
  return (
    <section ref={place} class="two-up" aria-label={`Image ${id}`} data-testid="two-up">
      <div class="two-up-image">
        {thumbnail && <Thumb value={thumbnail} caption={label ?? ""} />}
        <p class="hint">{id}</p>
      </div>
      <Answers title="Float" answer={float} label={label} />
      <Answers title="Quantized" answer={quantized} label={label} />
      <div class="two-up-layer">
        {activation && <Activations value={activation} />}
        {layer === undefined && <p class="hint">Select a layer to see its output for this image.</p>}
        {layer !== undefined && activation?.layer !== layer && (
          <button
            type="button"
            class="button small"
            disabled={activity.value !== null}
            onClick={() => void compareImage(id)}
          >
            Show the output of {layer}
          </button>
        )}
      </div>
    </section>
  );
}

function Answers({ title, answer, label }: { title: string; answer: Answer; label: string | null }) {
  return (
    <div>
      <h3>{title}</h3>
      <ol class="answers">
        {answer.top.map(({ name, value }, index) => (
          <li key={name}>
            {index === 0 ? <strong>{name}</strong> : name} <span class="hint number">{formatNumber(value)}</span>
            {index === 0 && label !== null && (name === label ? " ✓" : " ✗")}
          </li>
        ))}
      </ol>
      {answer.top.length === 0 && <p class="hint">The output is not one number a class.</p>}
    </div>
  );
}

function Activations({ value: { layer, sqnrDb, float, quantized, difference } }: { value: Activation }) {
  const max = Math.max(float.max, quantized.max);
  return (
    <>
      <h3>
        Output of {layer}, {formatDb(sqnrDb)} on this image
      </h3>
      <div class="heats">
        <Heat map={float} max={max} caption="float" />
        <Heat map={quantized} max={max} caption="quantized" />
        <Heat
          map={difference}
          max={difference.max}
          caption={`difference${difference.max > 0 ? `, ${formatNumber(max / difference.max)}× amplified` : ""}`}
        />
      </div>
      <p class="hint">Mean magnitude over the channels; darker is more, and in the dark theme lighter is.</p>
    </>
  );
}
