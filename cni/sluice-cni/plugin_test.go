package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/cni/wire"
)

// TestMain lets the test binary be the plugin, so that its standard output and exit code are the real ones.
func TestMain(m *testing.M) {
	if os.Getenv("CNI_COMMAND") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// plugin runs the plugin with a configuration on its standard input.
func plugin(t *testing.T, verb, config string, env ...string) (stdout string, failed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Stdin = strings.NewReader(config)
	cmd.Env = append(os.Environ(), "CNI_COMMAND="+verb, "CNI_CONTAINERID=c1", "CNI_NETNS=/run/netns/none", "CNI_IFNAME=eth0",
		"CNI_PATH=/opt/cni/bin", "CNI_NETNS_OVERRIDE=1",
		"GORACE=atexit_sleep_ms=0") // the race detector lets every process sleep for a second before it ends
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.Output()
	return string(out), err != nil
}

// agent answers with prevResult, and hands out what it was asked.
func agent(t *testing.T, answer func(*wire.Request) *wire.Response) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cni") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done; os.RemoveAll(dir) })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if q, err := wire.ReadRequest(c); err != nil {
				t.Error(err)
			} else if err := wire.WriteResponse(c, answer(q)); err != nil {
				t.Error(err)
			}
			c.Close()
		}
	}()
	return socket
}

func echo(q *wire.Request) *wire.Response {
	var c struct {
		PrevResult json.RawMessage `json:"prevResult"`
	}
	_ = json.Unmarshal(q.Config, &c) // a bad one fails the test later
	return &wire.Response{Result: c.PrevResult}
}

func TestVersion(t *testing.T) {
	out, failed := plugin(t, "VERSION", `{"cniVersion":"1.1.0"}`)
	var v struct {
		SupportedVersions []string `json:"supportedVersions"`
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil || failed {
		t.Fatalf("%s: %v", out, err)
	}
	if got := strings.Join(v.SupportedVersions, " "); got != "0.3.0 0.3.1 0.4.0 1.0.0 1.1.0" {
		t.Errorf("versions: %s", got)
	}
}

func TestResultIsPrevResultInTheVersionAskedFor(t *testing.T) {
	socket := agent(t, echo)
	const result = `"interfaces":[{"name":"eth0","sandbox":"/x"}],"ips":[{"address":"10.1.0.2/24","interface":0}]`
	for _, c := range []struct{ name, version, prev, want string }{
		{"same version", "1.1.0", `{"cniVersion":"1.1.0",` + result + `,"future":1}`, `{"cniVersion":"1.1.0",` + result + `,"future":1}`},
		{"none named", "1.0.0", `{` + result + `}`, `{` + result + `}`},
		{"older asked for", "0.4.0", `{"cniVersion":"1.0.0",` + result + `}`, `"version": "4"`},
		{"newer asked for", "1.1.0", `{"cniVersion":"0.3.1","ips":[{"version":"4","address":"10.1.0.2/24"}]}`, `"cniVersion": "1.1.0"`},
	} {
		out, failed := plugin(t, "ADD", `{"cniVersion":"`+c.version+`","name":"n","type":"sluice-cni","socket":"`+socket+`","prevResult":`+c.prev+`}`)
		if failed || !strings.Contains(out, c.want) {
			t.Errorf("%s: %s", c.name, out)
		}
	}
}

func TestTheAgentGetsAllOfIt(t *testing.T) {
	asked := make(chan *wire.Request, 8)
	socket := agent(t, func(q *wire.Request) *wire.Response { asked <- q; return &wire.Response{} })
	config := `{"cniVersion":"1.1.0","name":"n","type":"sluice-cni","socket":"` + socket + `","podName":"x","cni.dev/valid-attachments":[]}`
	for _, verb := range []string{"DEL", "CHECK", "GC", "STATUS"} {
		if out, failed := plugin(t, verb, config, "CNI_ARGS=K8S_POD_NAME=web;IgnoreUnknown=1;X=a=b"); failed {
			t.Errorf("%s: %s", verb, out)
			continue
		}
		q := <-asked
		if q.Command != verb || q.Args["X"] != "a=b" || q.Args["K8S_POD_NAME"] != "web" || !strings.Contains(string(q.Config), `"podName":"x"`) {
			t.Errorf("%s: the agent was asked %+v", verb, q)
		}
		if verb == "DEL" && (q.ContainerID != "c1" || q.IfName != "eth0" || q.Netns != "/run/netns/none" || q.Path != "/opt/cni/bin") {
			t.Errorf("the agent was asked %+v", q)
		}
	}
}

func TestErrorsHaveACodeAndARemedy(t *testing.T) {
	refusing := agent(t, func(*wire.Request) *wire.Response {
		return &wire.Response{Error: types.NewError(100, "no such veth", "make one")}
	})
	base := `{"cniVersion":"1.1.0","name":"n","type":"sluice-cni","prevResult":{"cniVersion":"1.1.0"},"socket":`
	for _, c := range []struct {
		name, verb, config, env string
		code                    uint
		text                    string
	}{
		{"no agent", "ADD", base + `"/none/s"}`, "", types.ErrTryAgainLater, "/none/s"},
		{"no agent for DEL", "DEL", base + `"/none/s"}`, "", types.ErrTryAgainLater, "/none/s"},
		{"no agent for STATUS", "STATUS", base + `"/none/s"}`, "", types.ErrPluginNotAvailable, "/none/s"},
		{"the agent's own", "ADD", base + `"` + refusing + `"}`, "", 100, "no such veth"},
		{"first in the list", "ADD", `{"cniVersion":"1.1.0","name":"n","type":"sluice-cni"}`, "", types.ErrInvalidNetworkConfig, "prevResult"},
		{"arguments", "DEL", base + `"` + refusing + `"}`, "CNI_ARGS=x", types.ErrInvalidEnvironmentVariables, "KEY=VALUE"},
		{"timeout", "ADD", base + `"` + refusing + `","timeoutSeconds":-1}`, "", types.ErrInvalidNetworkConfig, "timeoutSeconds"},
		{"old version", "ADD", `{"cniVersion":"0.2.0","name":"n","type":"sluice-cni"}`, "", types.ErrIncompatibleCNIVersion, ""},
	} {
		out, failed := plugin(t, c.verb, c.config, c.env)
		var e types.Error
		if err := json.Unmarshal([]byte(out), &e); err != nil {
			t.Errorf("%s: %v: %s", c.name, err, out)
			continue
		}
		if !failed || e.Code != c.code || !strings.Contains(e.Msg, c.text) || e.Details == "" {
			t.Errorf("%s: %+v, want code %d with %q and a remedy", c.name, e, c.code, c.text)
		}
	}
}

// Runtimes that remember the plugins of a Pod call sluice-cni for its DEL when Sluice is gone.
func TestDelAfterUninstall(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	config := `{"cniVersion":"1.1.0","name":"n","type":"sluice-cni","socket":"` + socket + `"}`
	if _, failed := plugin(t, "DEL", config); !failed {
		t.Error("DEL without an agent succeeds")
	}
	if err := os.WriteFile(wire.RetiredFile(socket), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, failed := plugin(t, "DEL", config); failed {
		t.Errorf("DEL after an uninstallation: %s", out)
	}
	if _, failed := plugin(t, "CHECK", config); !failed {
		t.Error("CHECK after an uninstallation succeeds")
	}
}
