import { openDropped } from "../../files/open.js";
import { formatNumber } from "../../format.js";
import { checkData, openData } from "../../state/actions.js";
import { dataKey } from "../../state/derived.js";
import { activity, check, data, dataSource, guess, model, recipe } from "../../state/store.js";
import { CheckPanel } from "../parts/check-panel.js";
import { Facts } from "../parts/facts.js";
import { Needs } from "../parts/needs.js";
import { OpenButtons } from "../parts/open-buttons.js";
import { Head, Panel } from "../parts/panel.js";
import { PreprocessForm } from "../parts/preprocess-form.js";
import { PreprocessingFound } from "../parts/preprocessing-found.js";
import { Thumb } from "../parts/thumb.js";

/** Samples: what they are, how they are split, and whether the model understands them. */
export function DataScreen() {
  const entry = data.value;
  const source = dataSource.value;
  if (!model.value) {
    return (
      <>
        <Head title="Data" />
        <Needs action="Open a model or the demo" to="start">
          {source
            ? "The images wait for their model: it says what size they must have."
            : "Open a model first: it says what its input must be."}
        </Needs>
      </>
    );
  }
  const stale = entry !== null && entry.key !== dataKey.value;
  const reopen = () => void (source && openData(source));
  const value = entry?.value;
  return (
    <>
      <Head title="Data">Images for calibration, and others kept apart to validate the result.</Head>
      {!value && (
        <div class="empty">
          <p>
            No data yet. Drop 16 or more images: a folder (one folder a class gives labels), a zip, IDX or NumPy arrays.
          </p>
          <div class="row">
            <OpenButtons onFiles={(files) => void openDropped(files)} />
            <button
              type="button"
              class="button"
              disabled={activity.value !== null}
              onClick={() => void openData({ kind: "digits" })}
            >
              Use the demo digits
            </button>
          </div>
        </div>
      )}
      <PreprocessForm />
      {value && guess.value && <PreprocessingFound guess={guess.value} current={recipe.value.data.preprocess} />}
      {stale && (
        <p class="note row">
          The settings have changed since the data were opened.
          <button type="button" class="button small" onClick={reopen}>
            Open again
          </button>
        </p>
      )}
      {value && (
        <>
          <Facts
            facts={[
              { name: "Samples", value: String(value.total), note: value.format },
              { name: "Calibration", value: String(value.calibrate), note: "evenly spread" },
              {
                name: "Validation",
                value: String(value.validate),
                note: value.shared ? "the same images: there are no others" : "kept apart",
              },
              {
                name: "Labels",
                value: value.labelled ? `${value.classes?.length ?? value.classCounts?.length ?? 0} classes` : "none",
              },
            ]}
          />
          {value.notes.map((note) => (
            <p key={note} class="note">
              {note}
            </p>
          ))}
          {check.value && (
            <CheckPanel
              value={check.value.value}
              stale={check.value.key !== dataKey.value}
              onRecompute={() => void checkData()}
            />
          )}
          <Panel
            title="What the model sees"
            hint={value.preprocessed ? "after colour, resize, crop and scaling" : "numbers as they are"}
            stale={stale}
          >
            <div class="thumbs">
              {value.thumbnails.map((thumbnail) => (
                <Thumb key={thumbnail.id} value={thumbnail} />
              ))}
            </div>
            {value.thumbnails.length === 0 && <p class="hint">These samples are no images.</p>}
          </Panel>
          {check.value && (
            <p class="hint number">
              The tensor: mean {formatNumber(check.value.value.tensor.mean)}, std{" "}
              {formatNumber(check.value.value.tensor.std)}, min {formatNumber(check.value.value.tensor.min)}, max{" "}
              {formatNumber(check.value.value.tensor.max)}
            </p>
          )}
        </>
      )}
    </>
  );
}
