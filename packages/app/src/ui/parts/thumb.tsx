import { useLayoutEffect, useRef } from "preact/hooks";
import type { Thumbnail } from "../../protocol.js";

/** A sample as the model sees it. */
export function Thumb({ value, caption }: { value: Thumbnail; caption?: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height, pixels, id, label } = value;
  useLayoutEffect(() => {
    if (!canvas.current || width === 0) return;
    canvas.current.width = width;
    canvas.current.height = height;
    canvas.current.getContext("2d")!.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [width, height, pixels]);
  const text = caption ?? label ?? id.slice(id.lastIndexOf("/") + 1);
  return (
    <figure class="thumb" title={id}>
      <canvas ref={canvas} role="img" aria-label={`${id}${label ? `, ${label}` : ""}`} />
      <span>{text}</span>
    </figure>
  );
}
