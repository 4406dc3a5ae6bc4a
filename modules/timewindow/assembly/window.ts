// Hours of days.

import { Json } from "@sluice-net/sdk/assembly";

const MINUTES = 24 * 60; // of a day

// From "from" until "to", on days that it begins on. If "to" is not after "from"
// it ends on the next day.
export class Window {
  private days: i32 = 0x7f; // a bit for each, Monday first
  private from: i32 = 0;
  private to: i32 = MINUTES;
  private offset: i32 = 0; // of the clock on the wall from UTC, in minutes

  // Reads a window; faults are the reader's.
  static read(j: Json): Window {
    const w = new Window();
    j.object();
    while (j.key()) {
      if (j.name == "days") w.days = readDays(j);
      else if (j.name == "from") w.from = readMinutes(j, 0);
      else if (j.name == "to") w.to = readMinutes(j, MINUTES);
      else if (j.name == "utcOffset") w.offset = readOffset(j);
    }
    return w;
  }

  // Whether it is open at this second since 1970, UTC.
  holds(unix: i64): bool {
    const local = unix + <i64>this.offset * 60;
    const day = floorDiv(local, 86400);
    const minute = <i32>((local - day * 86400) / 60);
    const today = <i32>(((day + 3) % 7 + 7) % 7); // 1970-01-01 was a Thursday
    const over = this.to <= this.from; // midnight
    const begun = minute >= this.from && (over || minute < this.to) && this.on(today);
    return begun || (over && minute < this.to && this.on((today + 6) % 7));
  }

  private on(day: i32): bool { return (this.days >> day & 1) != 0; }
}

function floorDiv(a: i64, b: i64): i64 { return a / b - (a % b < 0 ? 1 : 0); }

function readDays(j: Json): i32 {
  const names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
  let days = 0;
  j.array();
  while (j.element()) {
    const day = names.indexOf(j.string());
    if (day < 0) j.fail("a day is not one of Mon, Tue, Wed, Thu, Fri, Sat, Sun");
    else days |= 1 << day;
  }
  return days;
}

// "HH:MM" as minutes; -1 if it is none. 24:00 is the end of a day.
function minutes(text: string): i32 {
  if (text.length != 5 || text.charAt(2) != ":") return -1;
  let value = 0;
  for (let i = 0; i < 5; i++) {
    if (i == 2) continue;
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9 || (i == 3 && digit > 5)) return -1;
    value += digit * [600, 60, 0, 10, 1][i];
  }
  return value <= MINUTES ? value : -1;
}

function readMinutes(j: Json, otherwise: i32): i32 {
  const text = j.string();
  if (text.length == 0) return otherwise;
  const value = minutes(text);
  if (value < 0) j.fail("a time is not of the form 08:30");
  return value;
}

function readOffset(j: Json): i32 {
  const text = j.string();
  if (text == "" || text == "Z") return 0;
  const value = minutes(text.substring(1)), sign = text.charAt(0);
  if (value < 0 || value > 14 * 60 || (sign != "+" && sign != "-")) j.fail("utcOffset is not of the form +01:00");
  return sign == "-" ? -value : value;
}
