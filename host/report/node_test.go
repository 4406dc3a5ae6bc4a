package report

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-net/sluice/host/api/v1alpha1"
)

// What a status does not say any more must not stay in the object.
func TestPatch(t *testing.T) {
	for _, c := range []struct {
		status v1alpha1.NodeStatus
		want   string
	}{
		{v1alpha1.NodeStatus{}, `"fromDisk":null`},
		{v1alpha1.NodeStatus{}, `"notServed":null`},
		{v1alpha1.NodeStatus{FromDisk: metav1.NewTime(time.Unix(0, 0).UTC())}, `"fromDisk":"1970-01-01T00:00:00Z"`},
		{v1alpha1.NodeStatus{NotServed: []v1alpha1.NotServed{{Resource: "r"}}}, `"notServed":[{"resource":"r","reason":""}]`},
		{v1alpha1.NodeStatus{AgentVersion: "v"}, `"agentVersion":"v"`},
	} {
		patch, err := patchOf(c.status)
		if err != nil || !strings.Contains(string(patch), c.want) || !strings.HasPrefix(string(patch), `{"status":{`) {
			t.Errorf("got %s, %v; want %s", patch, err, c.want)
		}
	}
}
