/** What may execute networks, by ONNX Runtime's names, and where it exists. */
export const PROVIDERS = {
  cpu: "the processor",
  cuda: "NVIDIA's CUDA: onnxruntime-node on Linux with CUDA and cuDNN installed",
  coreml: "Apple's Core ML: onnxruntime-node on macOS",
  dml: "DirectML: onnxruntime-node on Windows",
  webgpu: "WebGPU: browsers, and onnxruntime-node where there is a graphics card",
} as const;

export type ProviderName = keyof typeof PROVIDERS;

/** What a person may ask for: one of them, or the first that works. */
export const PROVIDER_CHOICES = ["auto", ...(Object.keys(PROVIDERS) as ProviderName[])] as const;

export type ProviderChoice = (typeof PROVIDER_CHOICES)[number];
