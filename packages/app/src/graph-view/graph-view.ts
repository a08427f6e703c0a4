import { h } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { type GraphViewOptions, mountGraphView } from "./mount-graph-view.js";

/** {@link mountGraphView} as a component; mounted anew when one of its signals is replaced by another. */
export function GraphView({ graph, selection, overlay, theme }: Omit<GraphViewOptions, "layout">) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const view = mountGraphView(host.current!, { graph, selection, overlay, ...(theme ? { theme } : {}) });
    return () => view.dispose();
  }, [graph, selection, overlay, theme]);
  return h("div", { ref: host, class: "eq-graph-host", style: "height:100%" });
}
