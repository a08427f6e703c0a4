interface ImportMeta {
  readonly env: { readonly DEV: boolean };
}

/** Version of equant, put in by the build. */
declare const VERSION: string;
