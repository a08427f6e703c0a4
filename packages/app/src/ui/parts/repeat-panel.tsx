import { useState } from "preact/hooks";
import { encodeRecipe } from "../../link/recipe-link.js";
import { cliLine } from "../../recipe/cli-line.js";
import { snippet } from "../../recipe/snippet.js";
import { stemOf } from "../../state/exports.js";
import type { Run } from "../../state/store.js";
import { Panel } from "./panel.js";

/** The same with the command, and as a program. */
export function RepeatPanel({ run }: { run: Run }) {
  const names = { model: run.model.name, data: "images/", output: `${stemOf(run)}.int8.onnx` };
  const encoded = encodeRecipe(run.recipe);
  return (
    <Panel title="Do it again" hint="images/ stands for your folder of images">
      <Code title="Command line" text={cliLine(run.recipe, names)} />
      <Code title="TypeScript" text={snippet(run.recipe, names)} />
      {encoded && (
        <Code title="Link with the recipe" text={`${location.origin}${location.pathname}#recipe=${encoded}`} />
      )}
    </Panel>
  );
}

function Code({ title, text }: { title: string; text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div class="code-block">
      <div class="row">
        <h3>{title}</h3>
        <button type="button" class="button small" aria-label={`Copy ${title}`} onClick={() => void copy()}>
          {copied ? "Copied" : "Copy"}
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <pre class="code" tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  );
}
