// A reader that walks over JSON (RFC 8259) once.
//
//   const j = new Json(o.json);
//   j.object();
//   while (j.key()) {
//     if (j.name == "ports") { j.array(); while (j.element()) ports.push(j.integer()); }
//     else if (j.name == "host") host = j.string();
//   }
//   if (j.fault.length > 0) ...
//
// A value that is not read is passed over. null is an empty object, array or
// text, 0 and false. After the first fault every call returns nothing, so one look
// at the end is enough.

const DEEPEST = 256;
enum State { Inside, Fresh, Absent }

export class Json {
  fault: string = "";
  name: string = ""; // of the member that key() has come to
  private at: i32 = 0;
  private unread: i32 = -1; // where a value begins that the caller may pass over
  private state: State = State.Inside;
  private whole: bool = true; // of the last number: neither fraction nor exponent

  constructor(private text: string) {}

  fail(why: string): void {
    if (this.fault.length == 0) this.fault = why + " at offset " + this.at.toString();
    this.at = this.text.length;
  }

  // Enters an object, or an array.
  object(): void { this.enter(0x7b, "no object where one should be"); }
  array(): void { this.enter(0x5b, "no array where one should be"); }

  // To the next key, or element; false leaves the object, or array.
  key(): bool {
    if (!this.member(0x7d)) return false;
    this.name = this.quoted();
    this.peek();
    this.expect(0x3a, "no colon where one should be");
    this.peek();
    this.unread = this.at;
    return this.fault.length == 0;
  }

  element(): bool { return this.member(0x5d); }

  string(): string { return this.isNull() ? "" : this.quoted(); }

  integer(): i64 {
    if (this.isNull()) return 0;
    const digits = this.number();
    let v: i64 = 0;
    const negative = digits.startsWith("-");
    for (let i = negative ? 1 : 0; i < digits.length && this.whole; i++) {
      const d = <i64>(digits.charCodeAt(i) - 0x30);
      if (v < (i64.MIN_VALUE + d) / 10) this.whole = false;
      v = v * 10 - d; // below zero there is one more
    }
    if (!negative && v == i64.MIN_VALUE) this.whole = false;
    if (!this.whole) this.fail("a number is no integer of 64 bits");
    return this.fault.length > 0 ? 0 : negative ? v : -v;
  }

  bool(): bool {
    if (this.isNull()) return false;
    const yes = this.peek() == 0x74;
    this.word(yes ? "true" : "false");
    return yes && this.fault.length == 0;
  }

  skip(): void { this.pass(0); }

  // Checks that nothing but white space is left.
  end(): void {
    this.peek();
    if (this.at < this.text.length) this.fail("text goes on after the value");
  }

  private pass(depth: i32): void {
    const c = this.peek();
    if (c == 0x7b || c == 0x5b) {
      if (depth == DEEPEST) return this.fail("nested more than 256 deep");
      if (c == 0x7b) {
        this.object();
        while (this.key()) this.pass(depth + 1);
      } else {
        this.array();
        while (this.element()) this.pass(depth + 1);
      }
    } else if (c == 0x22) this.quoted();
    else if (c == 0x74 || c == 0x66) this.bool();
    else if (!this.isNull()) this.number();
  }

  private enter(bracket: i32, otherwise: string): void {
    if (this.isNull()) this.state = State.Absent;
    else {
      this.expect(bracket, otherwise);
      this.state = State.Fresh;
    }
  }

  private member(bracket: i32): bool {
    if (this.state == State.Inside && this.unread == this.at) this.skip();
    if (this.fault.length > 0 || this.state == State.Absent || this.peek() == bracket) {
      if (this.fault.length == 0 && this.state != State.Absent) this.at++;
      this.state = State.Inside; // of what is around it
      this.unread = -1;
      return false;
    }
    if (this.state != State.Fresh) this.expect(0x2c, "no comma where one should be");
    this.state = State.Inside;
    this.peek();
    this.unread = this.at;
    return this.fault.length == 0;
  }

  // The next character that is no white space; -1 at the end.
  private peek(): i32 {
    while (this.at < this.text.length) {
      const c = this.text.charCodeAt(this.at);
      if (c != 0x20 && c != 0x09 && c != 0x0a && c != 0x0d) return c;
      this.at++;
    }
    return -1;
  }

  private get here(): i32 { return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1; }

  private expect(c: i32, otherwise: string): void {
    if (this.peek() == c) this.at++;
    else this.fail(otherwise);
  }

  private word(word: string): void {
    if (this.text.startsWith(word, this.at)) this.at += word.length;
    else this.fail("no value of the right type where one should be");
  }

  private isNull(): bool {
    if (this.peek() != 0x6e) return false;
    this.word("null");
    return this.fault.length == 0;
  }

  private digits(): void {
    const start = this.at;
    while (this.here >= 0x30 && this.here <= 0x39) this.at++;
    if (this.at == start) this.fail("no value where one should be");
  }

  private number(): string {
    this.whole = true;
    this.peek();
    const start = this.at;
    if (this.here == 0x2d) this.at++;
    if (this.here == 0x30) this.at++;
    else this.digits();
    if (this.here == 0x2e) {
      this.whole = false;
      this.at++;
      this.digits();
    }
    if (this.here == 0x65 || this.here == 0x45) {
      this.whole = false;
      this.at++;
      if (this.here == 0x2b || this.here == 0x2d) this.at++;
      this.digits();
    }
    return this.text.substring(start, this.at);
  }

  private quoted(): string {
    this.expect(0x22, "no text where one should be");
    let start = this.at, out = "";
    while (this.here != 0x22) {
      const c = this.here;
      if (c < 0x20) {
        this.fail(c < 0 ? "a text has no end" : "a bare control character in a text");
        return "";
      }
      if (c != 0x5c) {
        this.at++;
        continue;
      }
      out += this.text.substring(start, this.at);
      this.at++;
      out += this.escape();
      start = this.at;
      if (this.fault.length > 0) return "";
    }
    out += this.text.substring(start, this.at);
    this.at++;
    return out;
  }

  // The meaning of an escape, after its backslash. Texts are of UTF-16 units here,
  // as \u escapes are: the halves of a pair find each other by themselves.
  private escape(): string {
    const c = this.here;
    this.at++;
    switch (c) {
      case 0x22: case 0x5c: case 0x2f: return String.fromCharCode(c);
      case 0x62: return "\b";
      case 0x66: return "\f";
      case 0x6e: return "\n";
      case 0x72: return "\r";
      case 0x74: return "\t";
      case 0x75: {
        let unit = 0;
        for (let i = 0; i < 4; i++, this.at++) {
          const h = this.here, lower = h | 0x20;
          if (h >= 0x30 && h <= 0x39) unit = unit << 4 | (h - 0x30);
          else if (h > 0 && lower >= 0x61 && lower <= 0x66) unit = unit << 4 | (lower - 0x57);
          else {
            this.fail("an illegal escape in a text");
            return "";
          }
        }
        return String.fromCharCode(unit);
      }
    }
    this.fail("an illegal escape in a text");
    return "";
  }
}
