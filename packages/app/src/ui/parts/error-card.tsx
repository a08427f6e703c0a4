import { useState } from "preact/hooks";
import { type Problem, reportText } from "../../problem.js";
import { environment, model, problem, screen } from "../../state/store.js";

/** An error: what, where, why, what now. */
export function ErrorCard({ value }: { value: Problem }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    const facts = {
      screen: screen.value,
      ...environment.value,
      agent: navigator.userAgent,
      opset: model.value?.inspect.opset,
    };
    await navigator.clipboard.writeText(reportText(value, facts));
    setCopied(true);
  };
  return (
    <section class="card" role="alert" aria-label="Error">
      <h2>{value.what}</h2>
      <dl>
        <dt>Where</dt>
        <dd>
          {value.where}
          {value.at && !value.why.includes(value.at) ? ` · ${value.at}` : ""}
        </dd>
        <dt>Why</dt>
        <dd>{value.why}</dd>
        <dt>What now</dt>
        <dd>{value.now}</dd>
      </dl>
      <div class="row">
        <code>{value.code}</code>
        <button type="button" class="button small" onClick={() => void copy()}>
          {copied ? "Copied" : "Copy report"}
        </button>
        <button
          type="button"
          class="button small"
          onClick={() => {
            problem.value = null;
          }}
        >
          Dismiss
        </button>
        <span class="hint">The report holds no model data.</span>
      </div>
    </section>
  );
}
