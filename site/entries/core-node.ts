/**
 * Files, folders of images and the decoder for Node.
 * @module @equant/core/node
 */
export * from "@equant/core/node";
