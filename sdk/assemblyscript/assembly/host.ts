// The imports of the ABI.

@external("sluice", "recv")
export declare function recv(to: usize, room: i32): i32;

@external("sluice", "emit")
export declare function emit(requests: usize, length: i32): i32;

@external("sluice", "log")
export declare function log(level: i32, text: usize, length: i32): void;

export function logText(level: i32, text: string): void {
  const bytes = String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
  log(level, changetype<usize>(bytes), bytes.byteLength);
}
