import { RunError } from "@equant/core/errors";

/** How systems say that a library does not fit into the memory that a process may use. */
const NO_ROOM = /failed to map|cannot allocate memory|not enough (memory|storage)|cannot enable executable stack/i;

/**
 * Loads a library of machine code.
 * @throws {RunError} E6001 there is no memory for it; E6004 it does not load on this machine.
 */
export async function loadNative<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n", 1)[0]! : String(error);
    if (NO_ROOM.test(error instanceof Error ? error.message : "")) {
      const hint = "raise the limit (ulimit -v unlimited), or close other programs";
      throw new RunError("E6001", `not enough memory to load ${name} (${reason})`, { hint }, error);
    }
    const hint = "install equant again for this system; equant doctor names what is missing";
    throw new RunError("E6004", `${name} does not load on this machine (${reason})`, { hint }, error);
  }
}
