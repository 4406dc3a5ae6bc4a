// What one batch asks for.

import { Declaration, Declarations } from "./declare";
import { named, Kind, patchSet, putIsolation, putRule, putSet, report } from "./encode";
import { emit, logText } from "./host";
import { Block, Condition, Isolation, Origin, Rule, Spec } from "./request";
import { Writer } from "./wire";

export enum Level { Debug = 0, Info = 1, Warn = 2, Error = 3 }

// What goes to the host in one call of emit, unless a single request is larger.
const CHUNK = 64 << 10;

// Collects what one batch asks for. There are two ways to use it, for different
// names: declaration, which works out what to put and what to delete, and the methods
// that say put and delete. After a refusal of the host, or fail, the batch is
// lost, and further calls do nothing.
export class Tx {
  private pending: Writer = new Writer();
  failed: bool = false;

  constructor(public sequence: u64, public reset: bool, public declared: Declarations) {}

  // Says that owner stands for exactly what follows, until end().
  declaration(owner: string): Declaration { return new Declaration(this, owner); }

  putSet(name: string, spec: Spec): void { this.emit(putSet(name, spec)); }
  patchSet(name: string, add: Block[], remove: string[]): void { this.emit(patchSet(name, add, remove)); }
  deleteSet(name: string): void { this.emit([named(Kind.DeleteSet, name)]); }
  putRule(name: string, rule: Rule): void { this.emit([putRule(name, rule)]); }
  deleteRule(name: string): void { this.emit([named(Kind.DeleteRule, name)]); }
  putIsolation(name: string, isolation: Isolation): void { this.emit([putIsolation(name, isolation)]); }
  deleteIsolation(name: string): void { this.emit([named(Kind.DeleteIsolation, name)]); }
  report(object: Origin, condition: Condition): void { this.emit([report(object, condition)]); }

  // Writes a line for the operator; the host limits how many it shows.
  log(level: Level, text: string): void { logText(level, text); }

  // Gives the batch up: the host hands the whole state over again.
  fail(why: string): void {
    this.log(Level.Error, why);
    this.failed = true;
  }

  // Takes whole requests, encoded.
  emit(requests: Uint8Array[]): void {
    for (let i = 0; i < requests.length && !this.failed; i++) {
      const r = requests[i];
      if (this.pending.length > 0 && this.pending.length + r.length > CHUNK) this.flush();
      this.pending.raw(r.dataStart, r.length);
    }
  }

  private flush(): void {
    const answer = this.pending.length > 0 && !this.failed ? emit(this.pending.start, this.pending.length) : 0;
    this.pending.clear();
    if (answer != 0) this.fail("the host refuses: " + reason(answer) + " (" + answer.toString() + ")");
  }

  // Emits what is left over, and says whether the batch can be committed.
  end(): bool {
    if (!this.failed) this.declared.difference(this);
    this.flush();
    if (!this.failed) this.declared.committed();
    return !this.failed;
  }
}

function reason(answer: i32): string {
  switch (answer) {
    case -1: return "malformed request";
    case -2: return "too large for one call of emit";
    case -3: return "not granted to this module";
    case -4: return "over a limit of this module";
    case -5: return "names a set that does not exist";
  }
  return "for a reason that this version does not know";
}
