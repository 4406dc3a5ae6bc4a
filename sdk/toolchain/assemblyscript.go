package toolchain

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

const getAssemblyScript = "npm install assemblyscript, in the module's folder or one above (Debian: apt-get install nodejs npm)"

// AssemblyScriptCompiler is the path of the compiler's script, which node runs:
// in node_modules of a folder or of one above it, or in bin/npm there, where
// Sluice's repository has it. The error may be a *MissingError.
func AssemblyScriptCompiler(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	missing := &MissingError{Language: AssemblyScript, Get: getAssemblyScript}
	if _, err := exec.LookPath("node"); err != nil {
		missing.Missing = append(missing.Missing, "node is")
	}
	script := ""
	for ; script == ""; dir = filepath.Dir(dir) {
		for _, root := range []string{dir, filepath.Join(dir, "bin", "npm")} {
			asc := filepath.Join(root, "node_modules", "assemblyscript", "bin", "asc.js")
			if _, err := os.Stat(asc); err == nil {
				script = asc
			}
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if script == "" {
		missing.Missing = append(missing.Missing, "the compiler asc is")
	}
	if missing.Missing != nil {
		return "", missing
	}
	return script, nil
}

func (j *job) buildAssemblyScript(ctx context.Context) error {
	return j.compileAssemblyScript(ctx, j.wasm())
}

func (j *job) compileAssemblyScript(ctx context.Context, out string) error {
	asc, err := AssemblyScriptCompiler(j.dir)
	if err != nil {
		return err
	}
	sdk, err := j.sdk("assemblyscript", "package.json")
	if err != nil {
		return err
	}
	// asc looks libraries up in node_modules: the SDK is linked under its name
	// into a folder of this build, so that nothing need be installed.
	library := filepath.Join(j.scratch, "node_modules", "@sluice-net")
	if err := os.MkdirAll(library, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(sdk, filepath.Join(library, "sdk")); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return j.run(ctx, nil, "node", asc, filepath.Join("assembly", "index.ts"), "--outFile", out, "--path", filepath.Join(j.scratch, "node_modules"),
		"-O3", "--runtime", "incremental", "--use", "abort=~lib/@sluice-net/sdk/assembly/abort/stop", "--exportStart", "_initialize")
}

// testAssemblyScript builds the module and runs test/*.test.mjs under node's own
// test runner, with the path of the module in SLUICE_MODULE.
func (j *job) testAssemblyScript(ctx context.Context) error {
	if err := j.buildAssemblyScript(ctx); err != nil {
		return err
	}
	sdk, err := j.sdk("assemblyscript", "package.json")
	if err != nil {
		return err
	}
	tests, err := filepath.Glob(filepath.Join(j.dir, "test", "*.test.mjs"))
	if err != nil {
		return err
	}
	return j.run(ctx, []string{"SLUICE_MODULE=" + j.wasm(), "SLUICE_SDK=" + sdk}, "node", append([]string{"--test"}, tests...)...)
}
