import type { PreprocessingGuess, PreprocessOptions } from "@equant/core/lab";
import { canonical } from "../../recipe/recipe.js";
import { usePreprocessing } from "../../state/actions.js";
import { activity } from "../../state/store.js";

/** What the network remembers of its preprocessing, and one click to take it. */
export function PreprocessingFound({ guess, current }: { guess: PreprocessingGuess; current: PreprocessOptions }) {
  const { verdict, ranking, margin, isUnlikeTraining, by } = guess;
  const [best, next] = ranking;
  if (!best || by === "nothing") return null;
  if (verdict !== "found") {
    const near = ranking.slice(0, 3).map(({ name, distance }) => `${name} (${distance.toPrecision(2)})`);
    const why = isUnlikeTraining
      ? "The images are unlike those of the training, so the network cannot tell its preprocessing."
      : "The network cannot clearly tell its preprocessing.";
    return (
      <p class="note">
        {why} Nearest: {near.join(", ")}. Say which it is above.
      </p>
    );
  }
  const { preset, ...rest } = current;
  const chosen = canonical({ ...rest, preset: preset ?? "raw" });
  const isChosen = canonical(best.options) === chosen;
  const times = margin < 10 ? margin.toFixed(1) : String(Math.round(margin));
  return (
    <p class="note row">
      {isChosen ? "The preprocessing suits the network: " : `The network was trained with ${best.name}: `}
      {times} times nearer to its stored statistics than {next?.name}.
      {!isChosen && (
        <button
          type="button"
          class="button small primary"
          disabled={activity.value !== null}
          onClick={() => void usePreprocessing(best.options)}
        >
          Use it
        </button>
      )}
    </p>
  );
}
