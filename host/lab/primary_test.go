package lab

import (
	"strings"
	"testing"
)

func TestPrimaryIsChecked(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    string // empty: it is fine
	}{
		{Options{}, ""},
		{Options{Primary: PrimaryPTP}, ""},
		{Options{Primary: PrimaryAzure}, ""},
		{Options{Primary: PrimaryEKS, SecondInterface: []string{"shop/a"}}, ""},
		{Options{Primary: "calico"}, `primary "calico": choose one of [ptp eks azure-transparent]`},
		{Options{SecondInterface: []string{"shop/a"}}, "only nodes of the layout eks"},
		{Options{Primary: PrimaryAzure, SecondInterface: []string{"shop/a"}}, "only nodes of the layout eks"},
	} {
		err := c.options.checkPrimary()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.options, err, c.want)
		}
	}
}
