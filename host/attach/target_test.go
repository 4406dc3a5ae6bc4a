package attach

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/cni/wire"
)

func TestWhichPodARequestIsAbout(t *testing.T) {
	kubernetes := map[string]string{"K8S_POD_NAMESPACE": "shop", "K8S_POD_NAME": "web", "K8S_POD_UID": "u1", "IgnoreUnknown": "1"}
	for _, c := range []struct {
		name   string
		args   map[string]string
		config string
		want   podKey
		uid    string
	}{
		{"Kubernetes", kubernetes, `{}`, podKey{"shop", "web"}, "u1"},
		{"Kubernetes goes before the configuration", kubernetes, `{"podName":"x","podNamespace":"y"}`, podKey{"shop", "web"}, "u1"},
		{"configuration", nil, `{"podName":"x","podNamespace":"y"}`, podKey{"y", "x"}, ""},
		{"nothing", nil, `{}`, podKey{"default", "c1"}, ""},
	} {
		got, err := parse(&wire.Request{ContainerID: "c1", Args: c.args, Config: json.RawMessage(c.config)})
		if err != nil || got.pod != c.want || got.uid != c.uid {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestAddressesOfTheInterface(t *testing.T) {
	const interfaces = `"interfaces":[{"name":"veth1"},{"name":"eth0","sandbox":"/x"},{"name":"net1","sandbox":"/x"},{"name":"eth0"}]`
	for _, c := range []struct{ name, version, prev, want string }{
		{"both families", "1.1.0", `{"cniVersion":"1.1.0",` + interfaces + `,"ips":[{"address":"10.1.0.2/24","interface":1},{"address":"fd00::2/64","interface":1}]}`, "[10.1.0.2 fd00::2]"},
		{"not another's", "1.0.0", `{"cniVersion":"1.0.0",` + interfaces + `,"ips":[{"address":"10.1.0.1/32","interface":0},{"address":"10.2.0.2/24","interface":2},{"address":"10.3.0.2/24","interface":3},{"address":"10.1.0.2/24","interface":1}]}`, "[10.1.0.2]"},
		{"no index", "0.3.1", `{"cniVersion":"0.3.1","ips":[{"version":"4","address":"10.1.0.2/24"}]}`, "[10.1.0.2]"},
		{"no version in the result", "0.4.0", `{"ips":[{"version":"4","address":"10.1.0.2/24"}]}`, "[10.1.0.2]"},
		{"none", "1.1.0", `{"cniVersion":"1.1.0"}`, "[]"},
	} {
		q := &wire.Request{
			ContainerID: "c1", Netns: "/x", IfName: "eth0",
			Config: fmt.Appendf(nil, `{"cniVersion":%q,"name":"n","prevResult":%s}`, c.version, c.prev),
		}
		got, err := parseAdd(q)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if text := fmt.Sprint(got.addresses); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"cniVersion":"1.1.0","name":"n","prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"/x"}],"ips":[{"address":"10.1.0.2/24","interface":0}]}}`)
	f.Add(`{"cniVersion":"0.3.1","prevResult":{"ips":[{"version":"4","address":"10.1.0.2/24"}]}}`)
	f.Add(`{"prevResult":{"ips":[{"address":"10.1.0.2/24","interface":-1}]}}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, config string) {
		got, err := parseAdd(&wire.Request{ContainerID: "c1", Netns: "/x", IfName: "eth0", Config: json.RawMessage(config)})
		var told *types.Error
		if err != nil && !errors.As(err, &told) {
			t.Errorf("an error without a code: %v", err)
		}
		if err == nil && got.pod.name == "" {
			t.Error("a Pod without a name")
		}
	})
}
