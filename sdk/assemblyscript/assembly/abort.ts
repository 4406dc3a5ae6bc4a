// What happens when the module cannot go on, such as beyond the end of an array:
// the operator reads why, and the host ends the instance.

import { logText } from "./host";

export function stop(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message === null ? "aborted" : message;
  const where = file === null ? "" : file + ":" + line.toString() + ":" + column.toString() + ": ";
  logText(3, where + what);
  unreachable();
}
