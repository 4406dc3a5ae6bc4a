// Compiles a module of the SDK's own tests; SLUICE_ASC is the compiler's script.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const asc = process.env.SLUICE_ASC ?? join(here, "../node_modules/assemblyscript/bin/asc.js");

export function compile(name) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-sdk-"));
  try {
    const out = join(dir, "module.wasm");
    execFileSync(process.execPath, [asc, `test/${name}.ts`, "--outFile", out, "-O3", "--runtime", "incremental",
      "--use", "abort=assembly/abort/stop", "--exportStart", "_initialize"], { cwd: join(here, ".."), stdio: ["ignore", "inherit", "inherit"] });
    return readFileSync(out);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
