import { formatNumber } from "../../format.js";
import type { DataCheck } from "../../protocol.js";
import { Panel } from "./panel.js";
import { Thumb } from "./thumb.js";

interface CheckPanelProps {
  readonly value: DataCheck;
  readonly stale: boolean;
  readonly onRecompute: () => void;
}

/** The float model on four images: the wrong preset shows here, before it costs anything. */
export function CheckPanel({ value, stale, onRecompute }: CheckPanelProps) {
  const { samples, isClassifier } = value;
  const judged = samples.filter(({ correct }) => correct !== null);
  const right = judged.filter(({ correct }) => correct).length;
  const doubtful = judged.length > 0 && right < judged.length / 2;
  const hint = judged.length > 0 ? `top-1 correct on ${right} of ${judged.length}` : "the float model's first answers";
  return (
    <Panel title="Preprocessing check" hint={hint} level="sampled" stale={stale} onRecompute={onRecompute}>
      {doubtful && (
        <p class="note">
          The float model gets {judged.length - right} of {judged.length} wrong. Is this the right preset, and do the
          labels count as the model does?
        </p>
      )}
      <div class="checks">
        {samples.map(({ thumbnail, top, label, correct }) => (
          <div class="check-card" key={thumbnail.id}>
            {thumbnail.width > 0 && <Thumb value={thumbnail} caption={label ?? ""} />}
            <ol>
              {top.map(({ name, value: output }, index) => (
                <li key={name}>
                  {index === 0 ? <strong>{name}</strong> : name} <span class="hint number">{formatNumber(output)}</span>
                  {index === 0 && correct !== null && (correct ? " ✓" : " ✗")}
                </li>
              ))}
              {!isClassifier && <li>{thumbnail.id}: the output is not one number a class</li>}
            </ol>
          </div>
        ))}
      </div>
    </Panel>
  );
}
