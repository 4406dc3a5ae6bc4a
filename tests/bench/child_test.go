package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Some measurements run in a process of their own, so that its memory is nobody
// else's: this test program again, told by the environment what to do.
const childTask = "SLUICE_BENCH_CHILD"

// childTasks take a job and give a report, both as JSON.
var childTasks = map[string]func(job []byte) (report any, err error){
	"cold":       func(job []byte) (any, error) { return inChild(job, coldHere) },
	"threatlist": func(job []byte) (any, error) { return inChild(job, threatlistHere) },
}

func inChild[Job, Report any](text []byte, work func(Job) (Report, error)) (any, error) {
	var job Job
	if err := json.Unmarshal(text, &job); err != nil {
		return nil, err
	}
	return work(job)
}

// child runs a task in a process of its own.
func child[Report any](tb testing.TB, task string, job any) (r Report) {
	tb.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		tb.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	process := exec.CommandContext(tb.Context(), self, string(text))
	process.Env = append(os.Environ(), childTask+"="+task)
	process.Stderr = os.Stderr
	answer, err := process.Output()
	if err != nil {
		tb.Fatalf("%s: %v", task, err)
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		tb.Fatalf("%s answered %q: %v", task, answer, err)
	}
	return r
}

// runChild is the other end of child.
func runChild(name string) int {
	task, known := childTasks[name]
	if !known {
		fmt.Fprintf(os.Stderr, "no such task: %s\n", name)
		return 1
	}
	report, err := task([]byte(os.Args[len(os.Args)-1]))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(report)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// fatal turns a failure that has nowhere else to go into a panic: the child ends.
type fatal struct{}

func (fatal) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
