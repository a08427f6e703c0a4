import { useRef } from "preact/hooks";
import { warm } from "../../engine/warm.js";
import { ofInput } from "../../files/placed.js";
import type { PlacedFile } from "../../protocol.js";

/** Buttons for files and for a folder: the equivalent of a drop. */
export function OpenButtons({ onFiles }: { onFiles: (files: readonly PlacedFile[]) => void }) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const take = (input: HTMLInputElement) => {
    const placed = ofInput(input.files);
    input.value = "";
    if (placed.length > 0) onFiles(placed);
  };
  return (
    // Who points at the buttons is about to choose: the engine is fetched meanwhile.
    <div class="row" onPointerEnter={() => void warm()} onFocusIn={() => void warm()}>
      <button type="button" class="button primary" onClick={() => files.current?.click()}>
        Open files
      </button>
      <button type="button" class="button" onClick={() => folder.current?.click()}>
        Open a folder
      </button>
      <input
        ref={files}
        class="visually-hidden"
        type="file"
        multiple
        tabIndex={-1}
        aria-hidden="true"
        data-testid="files"
        onChange={(event) => take(event.currentTarget)}
      />
      <input
        ref={folder}
        class="visually-hidden"
        type="file"
        tabIndex={-1}
        aria-hidden="true"
        data-testid="folder"
        {...{ webkitdirectory: true }}
        onChange={(event) => take(event.currentTarget)}
      />
    </div>
  );
}
