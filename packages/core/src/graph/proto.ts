/**
 * Provenance: the protobuf message an object of the document was parsed from. What equant does not model (unknown fields,
 * training info, functions, sharding, doc strings) lives only there and is written back untouched.
 * Kept beside the objects, so that a copy made by spreading is rebuilt from its fields and never from a stale message.
 */
const SOURCES = new WeakMap<object, object>();

export function sourceOf(object: object): object | undefined {
  return SOURCES.get(object);
}

export function withSource<T extends object>(object: T, source: object | undefined): T {
  if (source) SOURCES.set(object, source);
  return object;
}

/** The part of GraphProto that holds sparse initializers, which equant carries but does not read. */
interface SparseSource {
  readonly sparseInitializer?: readonly { readonly values?: { readonly name: string } | undefined }[];
}

/** Names of values that exist only in the message a graph was parsed from: sparse initializers. */
export function carriedValues(graph: object): string[] {
  const source = sourceOf(graph) as SparseSource | undefined;
  return (source?.sparseInitializer ?? []).flatMap(({ values }) => values?.name ?? []);
}
