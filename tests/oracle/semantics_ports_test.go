package oracle

import "testing"

const named = `
	namespace one
	pod one/client 10.0.0.9
	pod one/a 10.0.0.1 app=server http:TCP:80
	pod one/b 10.0.0.2 app=server http:TCP:8080
	pod one/u 10.0.0.3 app=server http:UDP:80
	pod one/n 10.0.0.4 app=server
	pod one/s 10.0.0.5 app=server sidecar:http:TCP:90
	pod one/i 10.0.0.6 app=server init:http:TCP:90
	pod one/two 10.0.0.7 app=server http:TCP:80 web:TCP:80
`

func toServers(ports string) string {
	return policyOf("one", "p", "podSelector: {matchLabels: {app: server}}\ningress: [{ports: "+ports+"}]")
}

func TestSemantics09ProtocolDefault(t *testing.T) {
	expect(t, clusterOf(t, named, toServers("[{port: 80}]")), `
		one/client > one/a TCP 80 allow
		one/client > one/a UDP 80 deny
	`)
	expect(t, clusterOf(t, named, toServers("[{protocol: UDP}]")), `
		one/client > one/a UDP 1 allow
		one/client > one/a UDP 65535 allow
		one/client > one/a TCP 80 deny
	`)
}

func TestSemantics10NamedPorts(t *testing.T) {
	answers := `
		one/client > one/a TCP 80   allow
		one/client > one/a TCP 8080 deny
		one/client > one/b TCP 8080 allow
		one/client > one/b TCP 80   deny
		one/client > one/u TCP 80   deny
		one/client > one/u UDP 80   deny
		one/client > one/n TCP 80   deny
	`
	expect(t, clusterOf(t, named, toServers("[{port: http}]")), answers)
	expect(t, clusterOf(t, named, policyOf("one", "p", `
podSelector: {}
policyTypes: [Egress]
egress: [{ports: [{port: http}]}]
`)), answers)
	expect(t, clusterOf(t, named, toServers("[{port: http, protocol: UDP}]")), `
		one/client > one/u UDP 80 allow
		one/client > one/a TCP 80 deny
	`)
}

func TestSemantics11SidecarsAndTwoNames(t *testing.T) {
	expect(t, clusterOf(t, named, toServers("[{port: http}]")), `
		one/client > one/s TCP 90 allow
		one/client > one/i TCP 90 deny
	`)
	for _, name := range []string{"http", "web"} {
		expect(t, clusterOf(t, named, toServers("[{port: "+name+"}]")), "one/client > one/two TCP 80 allow")
	}
}

func TestSemantics12NamedPortOutsideTheCluster(t *testing.T) {
	expect(t, clusterOf(t, named, policyOf("one", "p", `
podSelector: {}
policyTypes: [Egress]
egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: http}]}]
`)), `
		one/client > 8.8.8.8 TCP 80 deny
		one/client > one/a   TCP 80 allow
	`)
}

func TestSemantics13Ranges(t *testing.T) {
	expect(t, clusterOf(t, named, toServers("[{port: 80, endPort: 82}, {port: 81}, {port: 82, endPort: 90}]")), `
		one/client > one/a TCP 79 deny
		one/client > one/a TCP 80 allow
		one/client > one/a TCP 81 allow
		one/client > one/a TCP 82 allow
		one/client > one/a TCP 90 allow
		one/client > one/a TCP 91 deny
	`)
	expect(t, clusterOf(t, named, toServers("[{port: 65535, endPort: 65535}]")), `
		one/client > one/a TCP 65535 allow
		one/client > one/a TCP 65534 deny
	`)
	expect(t, clusterOf(t, named, toServers("[{port: 80, protocol: SCTP}]")), `
		one/client > one/a SCTP 80 allow
		one/client > one/a TCP 80 deny
		one/client > one/a UDP 80 deny
		one/client > one/a SCTP 81 deny
	`)
}
