import { useEffect, useState } from "preact/hooks";
import { formatMs } from "../../format.js";
import { cancelJob, setPaused } from "../../state/jobs.js";
import { activity } from "../../state/store.js";
import { Icon } from "./icons.js";

/** Units after which a time that remains is worth saying. */
const ETA_AFTER = 5;

/** What runs, how far it is, and how to stop it. */
export function ProgressBar() {
  const now = activity.value;
  const [time, setTime] = useState(0);
  useEffect(() => {
    if (!now) return;
    const timer = setInterval(() => setTime(performance.now()), 500);
    return () => clearInterval(timer);
  }, [now === null]);
  if (!now) return null;
  const { phase, done, total, phaseSince, canPause, paused } = now;
  const elapsed = Math.max(0, time - phaseSince);
  const rate = total > 1 && done >= ETA_AFTER && elapsed > 500 && !paused ? done / (elapsed / 1000) : 0;
  const left = rate > 0 ? `, ${rate.toFixed(1)}/s, ${formatMs((1000 * (total - done)) / rate)} left` : "";
  const determinate = total > 1;
  return (
    <div class="progress" data-testid="progress">
      {determinate ? (
        <progress max={total} value={done} aria-label={phase} />
      ) : (
        <progress class="visually-hidden" aria-label={phase} />
      )}
      <span class="progress-text">
        {phase}
        {determinate ? ` ${done}/${total}${left}` : "…"}
        {paused ? " (paused)" : ""}
      </span>
      {canPause && (
        <button type="button" class="button small" onClick={() => setPaused(!paused)}>
          <Icon name={paused ? "play" : "pause"} />
          {paused ? "Resume" : "Pause"}
        </button>
      )}
      <button type="button" class="button small" onClick={cancelJob}>
        Cancel
      </button>
    </div>
  );
}
