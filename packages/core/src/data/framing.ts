import { roundHalfEven } from "../math/rounding.js";

export type ImageLayout = "NCHW" | "NHWC";
export const IMAGE_FITS = ["stretch", "letterbox", "corner"] as const;
export type ImageFit = (typeof IMAGE_FITS)[number];

/** What a model's image input wants. */
export interface ImageTarget {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly layout: ImageLayout;
}

/** How images are brought to one size. */
export interface FramingOptions {
  /**
   * A number: the shorter side, the longer in proportion (rounded down). A pair: exactly [height, width].
   * Default: exactly the model's input size where the image differs from it, unless `crop` is given.
   */
  resize?: number | readonly [number, number];
  /** Centre crop after resizing: a number for a square, or [height, width]. Default: none. */
  crop?: number | readonly [number, number];
  /**
   * Whether proportions are kept: `'letterbox'` fits the image into the input, centred, the rest grey; `'corner'` the same with the
   * image at the top left. Not together with `resize` and `crop`. Default: `'stretch'`, both axes on their own.
   */
  fit?: ImageFit;
}

/** How an image is brought to the network's input: resized, then laid into it. */
export interface Framing {
  /** Size after resizing, pixels. */
  readonly width: number;
  readonly height: number;
  /** Where its top left corner comes to lie in the input; negative where it is cropped. */
  readonly left: number;
  readonly top: number;
}

/** Where an image lies in the network's input: input = image · scale + offset, x and y on their own. */
export interface ImagePlacement {
  /** Of the image itself, pixels. */
  readonly width: number;
  readonly height: number;
  readonly scale: readonly [x: number, y: number];
  readonly offset: readonly [x: number, y: number];
}

type Size = { readonly width: number; readonly height: number };

/** What resizing, fitting and cropping make of an image of this size. */
export function framingOf(options: FramingOptions, target: ImageTarget, image: Size): Framing {
  const { crop, fit = "stretch" } = options;
  if (fit !== "stretch") {
    const ratio = Math.min(target.width / image.width, target.height / image.height);
    const width = Math.max(1, Math.round(image.width * ratio));
    const height = Math.max(1, Math.round(image.height * ratio));
    const centred = fit === "letterbox";
    const left = centred ? Math.floor((target.width - width) / 2) : 0;
    return { width, height, left, top: centred ? Math.floor((target.height - height) / 2) : 0 };
  }
  const { width, height } = resizedTo(options, target, image);
  if (crop === undefined || width < target.width || height < target.height) return { width, height, left: 0, top: 0 };
  // torchvision's CenterCrop rounds half to even, too.
  const left = -roundHalfEven((width - target.width) / 2);
  return { width, height, left, top: -roundHalfEven((height - target.height) / 2) };
}

function resizedTo({ resize, crop }: FramingOptions, target: ImageTarget, image: Size): Size {
  if (typeof resize === "number") {
    const longer = Math.floor((resize * Math.max(image.width, image.height)) / Math.min(image.width, image.height));
    const wide = image.width >= image.height;
    return wide ? { width: longer, height: resize } : { width: resize, height: longer };
  }
  if (resize) return { width: resize[1], height: resize[0] };
  return crop === undefined ? target : image;
}

/** The same as a map from the image's pixels to the input's. */
export function placementOf(options: FramingOptions, target: ImageTarget, { width, height }: Size): ImagePlacement {
  const framing = framingOf(options, target, { width, height });
  const scale = [framing.width / width, framing.height / height] as const;
  return { width, height, scale, offset: [framing.left, framing.top] };
}
