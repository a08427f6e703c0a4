/** Pixels a CSS pixel in a saved picture. */
const SCALE = 2;

/** A standalone SVG as PNG, in the theme of the page. */
export async function svgToPng(svg: string, theme: "light" | "dark"): Promise<Blob> {
  const themed = svg.replace("<svg", `<svg data-theme="${theme}"`);
  const url = URL.createObjectURL(new Blob([themed], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth * SCALE, image.naturalHeight * SCALE);
    const context = canvas.getContext("2d")!;
    context.scale(SCALE, SCALE);
    context.fillStyle = theme === "dark" ? "#14171b" : "#ffffff";
    context.fillRect(0, 0, image.naturalWidth, image.naturalHeight);
    context.drawImage(image, 0, 0);
    return await canvas.convertToBlob({ type: "image/png" });
  } finally {
    URL.revokeObjectURL(url);
  }
}
