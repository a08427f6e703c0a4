interface ImportMeta {
  readonly env: { readonly DEV: boolean };
}

/** Version of equant, put in by the build. */
declare const VERSION: string;

/** What the page and its workers may fetch, as a Content-Security-Policy; put in by the build. */
declare const POLICY: string;
