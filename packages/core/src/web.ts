/** Entry for browsers: the platform-free core. Files come as ArrayBuffers; onnxruntime-web is injected through createRunner. */
export * from "./index.js";
