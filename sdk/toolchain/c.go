package toolchain

import (
	"context"
	"os/exec"
	"path/filepath"
)

const getC = "apt-get install clang lld"

func (j *job) buildC(ctx context.Context) error {
	var missing []string
	for _, program := range []string{"clang", "wasm-ld"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program+" is")
		}
	}
	if missing != nil {
		return &MissingError{Language: C, Missing: missing, Get: getC}
	}
	sdk, err := j.sdk("c", "sluice.h")
	if err != nil {
		return err
	}
	return j.run(ctx, nil, "clang", "--target=wasm32-unknown-unknown", "-std=c11", "-Wall", "-Wextra", "-Werror",
		"-O2", "-ffreestanding", "-nostdlib", "-mbulk-memory", "-Wl,--no-entry", "-Wl,--strip-all",
		"-I", sdk, "-o", j.wasm(), "main.c", filepath.Join(sdk, "sluice.c"))
}

// testC builds main.c and main_test.c, which has a main function, natively.
func (j *job) testC(ctx context.Context) error {
	if _, err := exec.LookPath("cc"); err != nil {
		return &MissingError{Language: C, Missing: []string{"cc is"}, Get: "apt-get install gcc libc6-dev"}
	}
	sdk, err := j.sdk("c", "sluice.h")
	if err != nil {
		return err
	}
	program := filepath.Join(j.scratch, "test")
	if err := j.run(ctx, nil, "cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-g",
		"-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I", sdk, "-o", program,
		"main.c", "main_test.c", filepath.Join(sdk, "sluice.c"),
		filepath.Join(sdk, "testing", "text.c"), filepath.Join(sdk, "testing", "host.c")); err != nil {
		return err
	}
	return j.run(ctx, nil, program)
}
