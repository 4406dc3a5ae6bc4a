package dns

import "github.com/sluice-net/sluice/sdk/go/jsonscan"

// Answer is what is known of a name.
type Answer struct {
	Name      string   // lower case, without a dot at its end
	Addresses []string // IPv4 and IPv6
}

// Read reads the JSON of an object of the resource abi.DNSAnswers.
func Read(json []byte) (a Answer, err error) {
	d := jsonscan.New(json)
	err = d.Object(func(key []byte) error {
		var err error
		switch string(key) {
		case "name":
			a.Name, err = d.String()
		case "addresses":
			err = d.Array(func() error {
				addr, err := d.String()
				a.Addresses = append(a.Addresses, addr)
				return err
			})
		}
		return err
	})
	return a, err
}
