import type { GraphLayout } from "@equant/report/graph";
import { layoutLayered, layoutLongestPath, type Structure } from "@equant/report/graph";

/** What the worker answers: first the quick layout, kept in case the good one takes too long. */
export interface LayoutMessage {
  readonly final: boolean;
  readonly layout: GraphLayout;
}

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Structure>) => void) | null;
  postMessage(message: LayoutMessage, transfer: Transferable[]): void;
};

scope.onmessage = ({ data }) => {
  const send = (final: boolean, layout: GraphLayout) =>
    scope.postMessage({ final, layout }, [
      layout.x.buffer,
      layout.y.buffer,
      layout.rows.buffer,
      ...layout.lines.map((line) => line.buffer),
    ] as ArrayBuffer[]);
  send(false, layoutLongestPath(data));
  send(true, layoutLayered(data));
};
