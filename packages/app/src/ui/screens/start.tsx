import { openDropped } from "../../files/open.js";
import { runDemo } from "../../state/actions.js";
import { forgetSession } from "../../state/session.js";
import { activity, model, runs } from "../../state/store.js";
import { go } from "../navigate.js";
import { OpenButtons } from "../parts/open-buttons.js";
import { Head } from "../parts/panel.js";

export function StartScreen() {
  const busy = activity.value !== null;
  return (
    <>
      <Head title="Make a network small, and see what it costs">
        Calibrate, equalize and quantize an ONNX model on this machine, layer by layer, with every figure marked as
        predicted, sampled or measured.
      </Head>
      <section class="drop" aria-label="Open files">
        <h2>Drop a model and images anywhere</h2>
        <p class="hint">
          An .onnx file (with its data files), images as a folder or zip, IDX or NumPy arrays, a recipe or a
          calibration: in any order and any mix. Files are recognised by their content.
        </p>
        <OpenButtons onFiles={(files) => void openDropped(files)} />
      </section>
      <div class="choices">
        <section class="panel" aria-label="Demo">
          <h2>Digits demo</h2>
          <p>
            A small network for handwritten digits, embedded here with its images: opened, calibrated, quantized to 8
            bits, measured layer by layer and validated on images kept apart.
          </p>
          <div class="row">
            <button type="button" class="button primary" disabled={busy} onClick={() => void runDemo()}>
              Run the demo
            </button>
            <span class="hint">about 10 seconds</span>
          </div>
        </section>
        <section class="panel" aria-label="Demo with a loss">
          <h2>A demo that goes wrong</h2>
          <p>
            The same network computing the same, with one channel made far wider than the others: see what 8 bits do to
            it, which layer is to blame and why, and repair it.
          </p>
          <div class="row">
            <button type="button" class="button" disabled={busy} onClick={() => void runDemo("digits-wide")}>
              Break it
            </button>
            <span class="hint">about 10 seconds</span>
          </div>
        </section>
        {model.value && (
          <section class="panel" aria-label="Session">
            <h2>Your session is kept</h2>
            <p>
              {model.value.name}, {runs.value.length} {runs.value.length === 1 ? "run" : "runs"}: kept in this browser,
              on this machine, and opened again when you come back.
            </p>
            <div class="row">
              <button type="button" class="button" onClick={() => go("model")}>
                Go on
              </button>
              <button type="button" class="button" onClick={() => void forgetSession()}>
                Forget everything
              </button>
            </div>
          </section>
        )}
        <section class="panel" aria-label="Privacy">
          <h2>Nothing leaves this device</h2>
          <p>
            Everything runs in this page. Its policy lets it talk to no other address, so a model cannot be sent
            anywhere. To check: switch the network off and go on working.
          </p>
        </section>
      </div>
    </>
  );
}
