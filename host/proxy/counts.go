package proxy

// Counts are how much there is.
type Counts struct {
	Services  int `json:"services"`  // known
	LeftAlone int `json:"leftAlone"` // of these
	Ports     int `json:"ports"`     // served, each family by itself
	Backends  int `json:"backends"`  // of all ports
}

// Counts are what the last Flush has found. They cost nothing to ask for.
func (m *Model) Counts() Counts { return m.counts }

// addService counts a Service that comes (1) or goes (-1).
func (c *Counts) addService(s *service, sign int) {
	c.Services += sign
	if s.left != "" {
		c.LeftAlone += sign
	}
}

// add counts what a Service has come to.
func (c *Counts) add(of compiled, sign int) {
	c.Ports += sign * len(of.ports)
	for i := range of.ports {
		c.Backends += sign * len(of.ports[i].Backends)
	}
}
