// The encoding of Protocol Buffers, as far as the ABI uses it.

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

// Appends fields to a message. Like protoc it writes nothing for a default value.
// Field numbers are below 16, so a tag is one byte.
export class Writer {
  private bytes: Uint8Array = new Uint8Array(256);
  length: i32 = 0;

  get start(): usize { return this.bytes.dataStart; }

  taken(): Uint8Array { return this.bytes.slice(0, this.length); }
  clear(): void { this.length = 0; }

  private room(more: i32): usize {
    const needed = this.length + more;
    if (needed > this.bytes.length) {
      const larger = new Uint8Array(max(needed, 2 * this.bytes.length));
      memory.copy(larger.dataStart, this.bytes.dataStart, this.length);
      this.bytes = larger;
    }
    return this.bytes.dataStart + this.length;
  }

  private byte(b: u8): void {
    store<u8>(this.room(1), b);
    this.length++;
  }

  private varint(v: u64): void {
    for (; v >= 0x80; v >>= 7) this.byte(<u8>v | 0x80);
    this.byte(<u8>v);
  }

  raw(from: usize, length: i32): void {
    memory.copy(this.room(length), from, length);
    this.length += length;
  }

  number(field: u8, v: u64): void {
    if (v == 0) return;
    this.byte(field << 3 | VARINT);
    this.varint(v);
  }

  // Text that is written even if it is empty.
  element(field: u8, s: string): void {
    const utf8 = String.UTF8.encode(s, false, String.UTF8.ErrorMode.REPLACE);
    this.byte(field << 3 | BYTES);
    this.varint(utf8.byteLength);
    this.raw(changetype<usize>(utf8), utf8.byteLength);
  }

  text(field: u8, s: string): void {
    if (s.length > 0) this.element(field, s);
  }

  texts(field: u8, list: string[]): void {
    for (let i = 0; i < list.length; i++) this.element(field, list[i]);
  }

  // An embedded message: one byte is left for its length, and more made by close
  // when that is too few.
  open(field: u8): i32 {
    this.byte(field << 3 | BYTES);
    this.byte(0);
    return this.length;
  }

  close(start: i32): void {
    const length = this.length - start;
    let extra = 0;
    for (let rest = length >> 7; rest != 0; rest >>= 7) extra++;
    this.room(extra);
    const at = this.bytes.dataStart + start;
    memory.copy(at + extra, at, length);
    const end = this.length + extra;
    this.length = start - 1;
    this.varint(length);
    this.length = end;
  }

  // For messages that mean the same when they are empty and when they are not there.
  closeUnlessEmpty(start: i32): void {
    if (this.length == start) this.length -= 2;
    else this.close(start);
  }
}

// Reads the fields of one message, which stays where it is.
export class Reader {
  fault: string = "";
  field: u64 = 0;
  private wire: u8 = 0;
  private varint: u64 = 0;
  private from: usize = 0;
  private to: usize = 0;

  constructor(private at: usize, private end: usize) {}

  fail(why: string): void {
    if (this.fault.length == 0) this.fault = why;
    this.at = this.end;
  }

  private readVarint(): u64 {
    let v: u64 = 0;
    for (let shift: u64 = 0; this.at < this.end; shift += 7) {
      const c = load<u8>(this.at++);
      if (shift == 63 && c > 1) {
        this.fail("a varint is longer than 64 bits");
        return 0;
      }
      v |= <u64>(c & 0x7f) << shift;
      if (c < 0x80) return v;
    }
    this.fail("a varint is cut short");
    return 0;
  }

  // Moves to the next field; false at the end and after a fault.
  next(): bool {
    if (this.at >= this.end) return false;
    const key = this.readVarint();
    this.field = key >> 3;
    this.wire = <u8>(key & 7);
    let length: u64 = 0;
    if (this.fault.length == 0 && (this.field == 0 || this.field > (1 << 29) - 1)) {
      this.fail("a field number is not between 1 and 536870911");
    } else if (this.wire == VARINT) {
      this.varint = this.readVarint();
    } else if (this.wire == BYTES) {
      length = this.readVarint();
    } else if (this.wire == FIXED32 || this.wire == FIXED64) {
      length = this.wire == FIXED32 ? 4 : 8;
    } else {
      this.fail("a field has an unknown wire type");
    }
    if (length > <u64>(this.end - this.at)) this.fail("a field is cut short");
    if (this.fault.length > 0) return false;
    this.from = this.at;
    this.at += <usize>length;
    this.to = this.at;
    return true;
  }

  number(): u64 {
    if (this.wire != VARINT) this.fail("a field has the wrong wire type");
    return this.varint;
  }

  private bytes(): bool {
    if (this.wire == BYTES) return true;
    this.fail("a field has the wrong wire type");
    return false;
  }

  message(): Reader { return this.bytes() ? new Reader(this.from, this.to) : new Reader(0, 0); }

  // Text that is not looked at: JSON, which its reader checks.
  json(): string { return this.bytes() ? String.UTF8.decodeUnsafe(this.from, this.to - this.from) : ""; }

  text(): string {
    if (!this.bytes()) return "";
    if (!isUTF8(this.from, this.to)) {
      this.fail("a text is not valid UTF-8");
      return "";
    }
    return String.UTF8.decodeUnsafe(this.from, this.to - this.from);
  }
}

// UTF-8 as in RFC 3629: shortest forms only, no surrogates, at most U+10FFFF.
function isUTF8(at: usize, end: usize): bool {
  while (at < end) {
    const c = load<u8>(at++);
    if (c < 0x80) continue;
    const more: usize = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    if (c < 0xc2 || c > 0xf4 || end - at < more) return false;
    const d = load<u8>(at);
    if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f)) return false;
    for (let i: usize = 0; i < more; i++) if ((load<u8>(at++) & 0xc0) != 0x80) return false;
  }
  return true;
}
